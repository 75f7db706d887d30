//! What a node is given beside its image: files with their bytes, folders, and units that start.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::error::{ImageError, disk};
use crate::desired::{Directory, Mode, Overlay, Owner, Piece, Rendered, UnitWant, hex};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Folders.
    pub directories: Vec<Directory>,
    /// Files.
    pub files: Vec<GivenFile>,
    /// Units that are started at boot.
    pub units: Vec<String>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenFile {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Permission bits.
    pub mode: Mode,
    /// Its bytes, in hex.
    pub bytes: String,
    /// Where they came from.
    pub source: String,
}

/// With the bytes of secrets, which `secret` reads by their names; without `secrets` files that hold one are left out.
///
/// # Errors
/// A secret that this head does not have.
pub fn given(
    overlay: &Overlay,
    secrets: bool,
    secret: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<Given, ImageError> {
    let files = overlay.files.iter().filter(|file| secrets || file.secrets().next().is_none());
    let file = |file: &Rendered| {
        let mut bytes = Vec::new();
        for piece in &file.text {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Piece::Secret(name) => bytes.extend(secret(name).map_err(disk(format!("secret {name}")))?),
            }
        }
        let Rendered { path, owner, mode, source, .. } = file.clone();
        Ok(GivenFile { path, owner, mode, bytes: hex(&bytes), source })
    };
    let running = overlay.units.iter().filter(|unit| unit.want == UnitWant::Running);
    Ok(Given {
        directories: overlay.directories.clone(),
        files: files.map(file).collect::<Result<_, _>>()?,
        units: running.map(|unit| unit.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{OnChange, Unit};

    #[test]
    fn a_file_with_a_secret_is_given_whole_where_the_spec_says_so_and_else_not_at_all() {
        let file = |path: &str, text: Vec<Piece>| Rendered {
            path: path.into(),
            owner: Owner::root(),
            mode: Mode(0o600),
            text,
            on_change: OnChange::Nothing,
            source: String::new(),
        };
        let secret =
            vec![Piece::Text("<".into()), Piece::Secret("munge-key".to_owned()), Piece::Text(">".into())];
        let unit = |name: &str, want| Unit { name: name.to_owned(), want };
        let overlay = Overlay {
            files: vec![file("/etc/a", vec![Piece::Text("a".into())]), file("/etc/munge/munge.key", secret)],
            units: vec![unit("munge.service", UnitWant::Running), unit("b.service", UnitWant::Stopped)],
            ..Overlay::default()
        };
        let key = |name: &str| Ok(if name == "munge-key" { vec![0, 255] } else { Vec::new() });
        let all = given(&overlay, true, &key).unwrap();
        assert_eq!(all.files[1].bytes, "3c00ff3e");
        assert_eq!(all.units, ["munge.service"]);
        let open = given(&overlay, false, &key).unwrap();
        assert_eq!(open.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["/etc/a"]);
        let none = given(&overlay, true, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(none.to_string().starts_with("secret munge-key: "), "{none}");
    }
}

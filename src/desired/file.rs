//! A rendered file: whole, owned by haoscar, with secrets still as names.

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// Part of a rendered text. A secret's bytes go in on the target, while staging.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Plain text; every head of a group has the same one.
    Text(Arc<str>),
    /// A name in the secret store, shown as its name.
    Secret(String),
}

/// User and group by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// User name.
    pub user: String,
    /// Group name.
    pub group: String,
}

impl Owner {
    /// root:root.
    pub fn root() -> Self {
        Self::of("root", "root")
    }

    /// `user`:`group`.
    pub fn of(user: &str, group: &str) -> Self {
        Self { user: user.to_owned(), group: group.to_owned() }
    }
}

/// Permission bits, shown in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mode(pub u32);

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// What a change of the file asks for. Units in a group are reloaded and restarted only where and how the engine
/// allows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// Nothing runs on it.
    Nothing,
    /// `systemctl reload UNIT` where the unit runs.
    Reload(String),
    /// The unit is restarted where it runs.
    Restart(String),
    /// systemd reads its units again, then the unit named (if any) is restarted where it runs.
    DaemonReload(Option<String>),
    /// It must change on all members at once; the engine's room says how.
    Joint,
}

/// One whole file for one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rendered {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Permission bits.
    pub mode: Mode,
    /// The text, in pieces.
    pub text: Vec<Piece>,
    /// What a change asks for.
    pub on_change: OnChange,
    /// Where it came from, for `explain` and messages: `templates/dhcp/kea/kea-dhcp4.conf.hbs`.
    pub source: String,
}

impl Rendered {
    /// The text as people and goldens see it: secrets as `<secret NAME>`.
    pub fn shown(&self) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Secret(name) => format!("<secret {name}>"),
        };
        self.text.iter().map(show).collect()
    }

    /// Names of the secrets in the text.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.text.iter().filter_map(|piece| match piece {
            Piece::Secret(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }
}

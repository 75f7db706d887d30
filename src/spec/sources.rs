//! The files that a spec is made of, gathered by `cli` or `history` and given to the pure rooms as values.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// Path to bytes. Paths are relative to the spec's folder; `cluster.yaml` is the root document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The document to read first, a key of `files`.
    pub root: Utf8PathBuf,
    /// Every file that the spec may name (CSV lists, template overrides), by path beside the root.
    pub files: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

/// Files that a spec may name, by extension.
const BESIDE: [&str; 3] = ["csv", "pub", "hbs"];

impl Sources {
    /// The name of the root document in a folder.
    pub const ROOT: &str = "cluster.yaml";

    /// Files deeper than so many folders beside a spec are not its own.
    pub const DEPTH_MAX: usize = 4;

    /// Whether a file beside the root document may be a part of the spec.
    pub fn may_hold(path: &Utf8Path) -> bool {
        path.extension().is_some_and(|extension| BESIDE.contains(&extension))
    }

    /// A spec of one document and nothing beside it.
    pub fn of_text(path: impl Into<Utf8PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        let root = path.into();
        Self { files: BTreeMap::from([(root.clone(), text.into())]), root }
    }

    /// The bytes of one file, if it was gathered.
    pub fn get(&self, path: &Utf8Path) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }
}

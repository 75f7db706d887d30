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

    /// Templates of the site's own that stand in place of packaged ones of the same name, below this folder.
    pub const TEMPLATES: &str = "templates";

    /// Files of the site's own, below this folder.
    pub const FILES: &str = "files";

    /// Templates of one machine's own: they count where the spec has none of that name. Files from there have absolute paths
    /// among [`Sources::files`], so that a commit does not name them.
    pub const OF_MACHINE: &str = "/etc/haoscar/templates";

    /// Files deeper than so many folders beside a spec are not its own.
    const DEPTH_MAX: usize = 4;

    /// A template's folders and a host's own.
    const DEPTH_OF_SITE_MAX: usize = 16;

    /// Whether a file beside the root document may be a part of the spec.
    pub fn may_hold(path: &Utf8Path) -> bool {
        let known = path.extension().is_some_and(|extension| BESIDE.contains(&extension));
        known && (of_site(path) || !path.components().any(|part| part.as_str().starts_with('.')))
    }

    /// Whether a folder beside the root document may hold parts of the spec.
    pub fn may_lead(path: &Utf8Path) -> bool {
        let depth = path.components().count();
        let hidden = path.file_name().is_none_or(|name| name.starts_with('.'));
        if of_site(path) { depth <= Self::DEPTH_OF_SITE_MAX } else { !hidden && depth <= Self::DEPTH_MAX }
    }

    /// Files that lie beside the spec: all but a machine's own.
    pub fn beside(&self) -> impl Iterator<Item = (&Utf8PathBuf, &Vec<u8>)> {
        self.files.iter().filter(|(path, _)| path.is_relative())
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

fn of_site(path: &Utf8Path) -> bool {
    path.starts_with(Sources::TEMPLATES) || path.starts_with(Sources::FILES)
}

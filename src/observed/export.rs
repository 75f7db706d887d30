//! A cluster as it was found, as one value: all that a plan needs, for machines that cannot reach the hosts (a CI). Pure.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{Facts, FileFact, FoundFile, HostObserved, Origin};
use crate::desired::{Answer, Directory, HostDesired, HostName, Rendered};

/// Another number is not read.
pub const EXPORT_VERSION: u32 = 1;

/// What `haoscar observe` writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// [`EXPORT_VERSION`].
    pub version: u32,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The cluster's name.
    pub cluster: String,
    /// Hosts are a lab's.
    pub lab: bool,
    /// Hosts that answered.
    pub hosts: BTreeMap<HostName, Exported>,
    /// Hosts that did not, and why.
    pub unreachable: BTreeMap<HostName, String>,
}

/// One host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// What it says of itself.
    pub facts: Facts,
    /// Files that the spec wanted and that are there.
    pub files: BTreeMap<Utf8PathBuf, FoundFile>,
    /// Folders that the spec wanted and that are as wanted.
    pub directories: Vec<Directory>,
    /// Every file that haoscar wrote there, whether it is still there or not.
    pub owned: Vec<Utf8PathBuf>,
    /// Units and the rest of what it answered; without files and folders.
    pub rest: HostObserved,
    /// What programs answered that a plan asks, by request.
    pub answers: BTreeMap<String, Answer>,
}

impl Exported {
    /// What a host answered when it was asked for this, and which files haoscar wrote there.
    pub fn of(
        facts: Facts,
        wanted: &HostDesired,
        (seen, owned): (HostObserved, Vec<Utf8PathBuf>),
        answers: BTreeMap<String, Answer>,
    ) -> Self {
        let file = |file: &Rendered| {
            let there = match seen.files.get(&file.path)? {
                FileFact::Missing => return None,
                FileFact::Same => FoundFile {
                    text: file.shown(),
                    owner: file.owner.clone(),
                    mode: file.mode,
                    origin: Origin::Old,
                },
                FileFact::Differs(found) => found.as_ref().clone(),
            };
            Some((file.path.clone(), there))
        };
        let good = |folder: &&Directory| !seen.directories.contains(&folder.path);
        let (files, directories) = (
            wanted.files.iter().filter_map(file).collect(),
            wanted.directories.iter().filter(good).cloned().collect(),
        );
        let (none, nowhere) = (litemap::LiteMap::new(), Vec::new());
        let rest = HostObserved { files: none, directories: nowhere.clone(), gone: nowhere, ..seen };
        Self { facts, files, directories, owned, rest, answers }
    }

    /// What it would answer when it is asked for that. A file that nobody asked for then counts as missing, a unit as not
    /// known.
    pub fn observed(&self, files: &[Rendered], directories: &[Directory], units: &[String]) -> HostObserved {
        let asked = |path: &Utf8PathBuf| files.iter().any(|file| file.path == *path);
        let unit = |name: &String| (name.clone(), self.rest.units.get(name).cloned().unwrap_or_default());
        let missing = directories.iter().filter(|folder| !self.directories.contains(folder));
        HostObserved {
            gone: self.owned.iter().filter(|path| !asked(path)).cloned().collect(),
            files: files.iter().map(|file| (file.path.clone(), self.file(file))).collect(),
            directories: missing.map(|folder| folder.path.clone()).collect(),
            units: units.iter().map(unit).collect(),
            ..self.rest.clone()
        }
    }

    fn file(&self, wanted: &Rendered) -> FileFact {
        let Some(found) = self.files.get(&wanted.path) else {
            return FileFact::Missing;
        };
        let same = found.text == wanted.shown() && found.owner == wanted.owner && found.mode == wanted.mode;
        if same && found.origin == Origin::Old {
            FileFact::Same
        } else {
            FileFact::Differs(Box::new(found.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Mode, OnChange, Owner, Piece};

    fn file(path: &str, text: &str) -> Rendered {
        Rendered {
            path: path.into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: vec![Piece::Text(text.into()), Piece::Secret("key".to_owned())],
            on_change: OnChange::Nothing,
            source: "test".to_owned(),
        }
    }

    fn exported(facts: &[(&str, FileFact)]) -> Exported {
        let wanted = HostDesired { files: vec![file("/a", "a"), file("/b", "b")], ..HostDesired::default() };
        let files = facts.iter().map(|(path, fact)| ((*path).into(), fact.clone())).collect();
        let seen = HostObserved { files, gone: vec!["/old".into()], seen: 7, ..HostObserved::default() };
        let owned = ["/a", "/b", "/old"].map(Utf8PathBuf::from).into();
        Exported::of(Facts::default(), &wanted, (seen, owned), BTreeMap::new())
    }

    fn edited() -> FileFact {
        let (owner, mode, origin) = (Owner::root(), Mode(0o600), Origin::Edited);
        FileFact::Differs(Box::new(FoundFile { text: "by hand".to_owned(), owner, mode, origin }))
    }

    #[test]
    fn the_same_spec_is_answered_as_the_host_did() {
        let there = exported(&[("/a", FileFact::Same), ("/b", edited())]);
        let found = there.observed(&[file("/a", "a"), file("/b", "b")], &[], &[]);
        assert_eq!(found.files[&Utf8PathBuf::from("/a")], FileFact::Same);
        assert_eq!(found.files[&Utf8PathBuf::from("/b")], edited());
        assert_eq!((found.gone, found.seen), (vec!["/old".into()], 7));
    }

    #[test]
    fn another_spec_is_compared_with_what_is_there_and_what_it_no_longer_has_is_gone() {
        let there = exported(&[("/a", FileFact::Same), ("/b", FileFact::Same)]);
        let found = there.observed(&[file("/a", "new"), file("/c", "c")], &[], &["x.service".to_owned()]);
        let FileFact::Differs(old) = &found.files[&Utf8PathBuf::from("/a")] else { panic!() };
        assert_eq!((old.text.as_str(), old.origin), ("a<secret key>", Origin::Old));
        assert_eq!(found.files[&Utf8PathBuf::from("/c")], FileFact::Missing);
        assert_eq!(found.gone, ["/b", "/old"].map(Utf8PathBuf::from));
        assert!(!found.units[&"x.service".to_owned()].loaded);
    }

    #[test]
    fn what_somebody_else_wrote_is_not_ours_even_where_it_says_the_same() {
        let (owner, mode, origin) = (Owner::root(), Mode(0o644), Origin::Unowned);
        let text = "a<secret key>".to_owned();
        let fact = FileFact::Differs(Box::new(FoundFile { text, owner, mode, origin }));
        let there = exported(&[("/a", fact.clone())]);
        let found = there.observed(&[file("/a", "a")], &[], &[]);
        assert_eq!(found.files[&Utf8PathBuf::from("/a")], fact);
    }
}

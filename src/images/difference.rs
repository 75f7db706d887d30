//! What two images differ in: packages, and files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::manifest::{FileLine, Manifest};

/// What is not the same in the newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages by name, with the older version and the newer one.
    pub packages: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Paths that only the newer one has.
    pub added: Vec<String>,
    /// Paths that are not the same.
    pub changed: Vec<String>,
    /// Paths that only the older one has.
    pub gone: Vec<String>,
}

/// Compares two images by their manifests and lists of files.
pub fn difference((old, old_files): (&Manifest, &str), (new, new_files): (&Manifest, &str)) -> Difference {
    let mut found = Difference::default();
    for name in old.packages.keys().chain(new.packages.keys()) {
        let (was, is) = (old.packages.get(name), new.packages.get(name));
        if was != is {
            found.packages.insert(name.clone(), (was.cloned(), is.cloned()));
        }
    }
    let listed = |text| FileLine::parse(text).map(|line| (line.path, line.facts)).collect::<BTreeMap<_, _>>();
    let (was, is) = (listed(old_files), listed(new_files));
    let file = |facts: &str| facts.starts_with("10"); // a folder's time and size say nothing
    for (path, facts) in &is {
        match was.get(path) {
            None => found.added.push(path.clone()),
            Some(before) if before == facts => {}
            Some(before) if !file(before) && !file(facts) && owner(before) == owner(facts) => {}
            Some(_) => found.changed.push(path.clone()),
        }
    }
    found.gone.extend(was.into_keys().filter(|path| !is.contains_key(path)));
    found
}

/// Kind, mode and owner of a line's facts.
fn owner(facts: &str) -> Vec<&str> {
    facts.split(' ').take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::manifest::tests::sample;

    #[test]
    fn packages_and_files_that_differ_are_named_and_a_folder_that_was_only_touched_is_not() {
        let (old, mut new) = (sample("1"), sample("2"));
        new.packages =
            BTreeMap::from([("kea".to_owned(), "2.4.0".to_owned()), ("jq".to_owned(), "1".to_owned())]);
        let was = "100644 0:0 5 10 /etc/a\n100644 0:0 5 10 /etc/b\n40755 0:0 4096 10 /etc\n";
        let is = "100644 0:0 5 11 /etc/a\n100644 0:0 5 10 /etc/c\n40755 0:0 4096 99 /etc\n";
        let found = difference((&old, was), (&new, is));
        assert_eq!(
            (found.added.as_slice(), found.changed.as_slice(), found.gone.as_slice()),
            (&["/etc/c".to_owned()][..], &["/etc/a".to_owned()][..], &["/etc/b".to_owned()][..])
        );
        assert_eq!(found.packages["kea"], (Some("2.2.0".to_owned()), Some("2.4.0".to_owned())));
        assert_eq!(found.packages["jq"], (None, Some("1".to_owned())));
    }
}

//! What nodes boot, as it lies on this head: one list for all, read again when it has changed, and a script an image.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use crate::backends::boot::nodes::{LIST, SCRIPT};
use crate::spec::Mac;

/// The folder with the list and the scripts.
pub(super) struct Entries {
    folder: Utf8PathBuf,
    known: Mutex<Known>,
}

/// The list, as it was when it was read.
#[derive(Default)]
struct Known {
    of: Option<(SystemTime, u64)>,
    images: BTreeMap<Mac, String>,
}

impl Entries {
    pub(super) fn at(folder: &Utf8Path) -> Self {
        Self { folder: folder.to_owned(), known: Mutex::default() }
    }

    /// The script for the machine with that card; none where no node of the spec has it.
    pub(super) fn script(&self, mac: Mac) -> Option<String> {
        let image = self.image(mac)?;
        fs::read_to_string(self.folder.join(image + SCRIPT)).ok()
    }

    fn image(&self, mac: Mac) -> Option<String> {
        let path = self.folder.join(LIST);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let about = fs::metadata(&path).ok().and_then(|about| Some((about.modified().ok()?, about.len())));
        if about.is_none() || known.of != about {
            // a list that is swapped while it is read is read again at the next question
            *known = Known { of: about, images: read(&fs::read_to_string(&path).unwrap_or_default()) };
        }
        known.images.get(&mac).cloned()
    }
}

fn read(list: &str) -> BTreeMap<Mac, String> {
    let (mut images, mut image) = (BTreeMap::new(), "");
    for line in list.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            image = name;
        } else if let Ok(mac) = line.parse() {
            images.insert(mac, image.to_owned());
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_boots_what_the_list_says_and_a_list_that_changed_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap();
        let entries = Entries::at(at);
        let mac: Mac = "52:54:00:20:02:01".parse().unwrap();
        assert_eq!(entries.script(mac), None, "there is no list");
        fs::write(at.join("compute.ipxe"), "#!ipxe\n# compute\n").unwrap();
        fs::write(at.join(LIST), "# a list\n[compute]\n52:54:00:20:02:01\n52:54:00:20:02:02\n").unwrap();
        assert!(entries.script(mac).unwrap().contains("# compute"));
        fs::write(at.join(LIST), "[login]\n52:54:00:20:02:01\n[compute]\n52:54:00:20:02:02\n").unwrap();
        assert_eq!(entries.script(mac), None, "an image without a script");
        assert!(entries.script("52:54:00:20:02:02".parse().unwrap()).is_some());
        assert_eq!(entries.script("52:54:00:99:99:99".parse().unwrap()), None);
    }
}

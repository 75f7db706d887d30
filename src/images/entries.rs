//! What nodes boot, as it lies on this head: one list for all, read again when it has changed, and a script an image.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use crate::backends::boot::nodes::{LIST, OVERLAY, Run, SCRIPT};
use crate::desired::Overlay;
use crate::spec::Mac;

/// The folder with the list and the scripts.
pub(super) struct Entries {
    folder: Utf8PathBuf,
    known: Mutex<Known>,
}

/// A node of the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// What it boots, by its name in the spec.
    pub(super) image: String,
    /// How it runs that, where haoscar has taken it.
    pub(super) run: Option<Run>,
}

/// The list, as it was when it was read.
#[derive(Default)]
struct Known {
    of: Option<(SystemTime, u64)>,
    nodes: BTreeMap<Mac, Node>,
}

impl Entries {
    pub(super) fn at(folder: &Utf8Path) -> Self {
        Self { folder: folder.to_owned(), known: Mutex::default() }
    }

    /// What nodes with this image are given beside it; none: haoscar has not taken it.
    pub(super) fn overlay(&self, image: &str) -> Option<Overlay> {
        let text = fs::read(self.folder.join(OVERLAY)).ok()?;
        serde_json::from_slice::<BTreeMap<String, Overlay>>(&text).ok()?.remove(image)
    }

    /// The script for the machine with that card; none where no node of the spec has it.
    pub(super) fn script(&self, mac: Mac) -> Option<String> {
        let image = self.node(mac)?.image;
        fs::read_to_string(self.folder.join(image + SCRIPT)).ok()
    }

    /// The node with that card.
    pub(super) fn node(&self, mac: Mac) -> Option<Node> {
        let path = self.folder.join(LIST);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let about = fs::metadata(&path).ok().and_then(|about| Some((about.modified().ok()?, about.len())));
        if about.is_none() || known.of != about {
            // a list that is swapped while it is read is read again at the next question
            *known = Known { of: about, nodes: read(&fs::read_to_string(&path).unwrap_or_default()) };
        }
        known.nodes.get(&mac).cloned()
    }
}

fn read(list: &str) -> BTreeMap<Mac, Node> {
    let (mut nodes, mut image, mut run) = (BTreeMap::new(), "", None);
    for line in list.lines().map(str::trim) {
        let card = || Some(line.split_once(' ')?).and_then(|(mac, name)| Some((mac.parse().ok()?, name)));
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            (image, run) = (name, None);
        } else if line.starts_with('{') {
            run = serde_json::from_str(line).ok();
        } else if let Some((mac, name)) = card() {
            nodes.insert(mac, Node { name: name.to_owned(), image: image.to_owned(), run: run.clone() });
        }
    }
    nodes
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
        fs::write(at.join(LIST), "# a list\n[compute]\n52:54:00:20:02:01 n1\n52:54:00:20:02:02 n2\n")
            .unwrap();
        assert!(entries.script(mac).unwrap().contains("# compute"));
        let list = "[login]\n{\"image\":\"login@1\",\"secrets\":true}\n52:54:00:20:02:01 n1\n[compute]\n52:54:00:20:02:02 n2\n";
        fs::write(at.join(LIST), list).unwrap();
        assert_eq!(entries.script(mac), None, "an image without a script");
        assert!(entries.script("52:54:00:20:02:02".parse().unwrap()).is_some());
        assert_eq!(entries.script("52:54:00:99:99:99".parse().unwrap()), None);
        let run = Run { image: "login@1".to_owned(), disk: None, secrets: true, servers: Vec::new() };
        let node = entries.node(mac).unwrap();
        assert_eq!((node.name.as_str(), node.run), ("n1", Some(run)));
        assert_eq!(entries.node("52:54:00:20:02:02".parse().unwrap()).unwrap().run, None);
    }
}

//! Nodes that are on their way, as they have said it themselves: one file for all, for whoever asks how the cluster is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::ticket::{STARTS, Word};
use crate::host::now_s;

/// A line a node: its name, and what it said last. Gone with each boot, as they are.
pub const STARTING: &str = "/run/haoscar/starting";

/// Who tries again does so after a minute. After this a node is with another head, or off, and what it said here is over.
const FORGOTTEN_S: u64 = 600;

/// A thousand nodes say something every two seconds; a person looks less often.
const EVERY: Duration = Duration::from_secs(1);

/// What each node said last, until it goes on into its image.
#[derive(Debug, Default)]
pub(super) struct Starting(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    words: BTreeMap<String, Word>,
    news: bool,
}

impl Starting {
    pub(super) fn hear(&self, node: &str, word: Word) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.news = true;
        if word.stage == STARTS && !word.failed {
            known.words.remove(node);
        } else {
            known.words.insert(node.to_owned(), word);
        }
    }

    /// All lines, if there is something new since they were asked for last, or something over.
    fn lines(&self, now: u64) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.words.len();
        known.words.retain(|_, word| now < word.at + FORGOTTEN_S);
        known.news |= known.words.len() < before;
        if !std::mem::take(&mut known.news) {
            return None;
        }
        let mut text = String::new();
        for (node, word) in &known.words {
            let word = serde_json::to_string(word).unwrap_or_default(); // strings and numbers: it cannot fail
            let _ = writeln!(text, "{node} {word}");
        }
        Some(text)
    }
}

/// Keeps the file, again and again. Who cannot write it says nothing: the journal has every word.
pub(super) async fn show(starting: Arc<Starting>, path: Utf8PathBuf) {
    let folder = path.parent().unwrap_or(Utf8Path::new("/run")).to_owned();
    loop {
        if let Some(lines) = starting.lines(now_s()) {
            let beside = path.with_extension("new");
            let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(&beside, lines));
            let _ = fs::rename(&beside, &path);
        }
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_on_its_way_until_it_goes_on_into_its_image() {
        let starting = Starting::default();
        assert_eq!(starting.lines(0), None);
        let word = |stage: &str, failed| Word { stage: stage.to_owned(), failed, ..Word::default() };
        starting.hear("n1", word("writing", false));
        starting.hear("n2", word("image", true));
        let lines = starting.lines(0).unwrap();
        assert!(
            lines.starts_with("n1 {") && lines.contains("\nn2 {") && lines.contains("\"failed\":true"),
            "{lines}"
        );
        assert_eq!(starting.lines(0), None, "nothing new");
        starting.hear("n1", word(STARTS, false));
        assert!(starting.lines(0).unwrap().starts_with("n2 {"));
        assert_eq!(starting.lines(FORGOTTEN_S).as_deref(), Some(""), "it went to another head, or off");
        assert_eq!(starting.lines(FORGOTTEN_S), None);
    }
}

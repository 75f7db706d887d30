//! Standard output that may be closed: `haoscar explain | head` is no failure.

use std::io::Write;

/// Writes to standard output; a reader who has gone away is not worth a word.
pub(super) fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

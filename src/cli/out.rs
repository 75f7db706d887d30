//! Standard output that may be closed: `haoscar explain | head` is no failure.

use std::io::Write;

/// Writes to standard output; a reader who has gone away is not worth a word.
pub(super) fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// `println!` for a reader who may go away.
macro_rules! line {
    ($($words:tt)*) => { $crate::cli::out::say(&(format!($($words)*) + "\n")) };
}
pub(super) use line;

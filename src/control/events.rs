//! What happened on this head: a bounded ring of lines on the disk, and the system's journal with fields.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

use camino::{Utf8Path, Utf8PathBuf};

use crate::desired::Accepted;
use crate::host;
use crate::observed::{Event, Reason};

/// Some two thousand events; over it the older half goes.
const BYTES_MAX: u64 = 1 << 20;

/// systemd-journald's own socket: fields as lines (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The events of this head.
pub struct Events {
    path: Utf8PathBuf,
    next: u64,
    say: &'static (dyn Fn(&str) + Sync),
}

impl Events {
    /// Those that are kept, and the ones to come. A line that a crash cut short is left behind.
    pub fn at(path: &Utf8Path, say: &'static (dyn Fn(&str) + Sync)) -> Self {
        let next = read(path, 0).last().map_or(1, |event| event.number + 1);
        let cut = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|byte| *byte != b'\n'));
        if cut {
            let _ = append(path, "\n"); // the next line begins a line of its own
        }
        Self { path: path.to_owned(), next, say }
    }

    /// One more. What cannot be written is said; the loop goes on.
    pub fn tell(&mut self, accepted: Option<&Accepted>, reason: Reason, object: &str, text: &str) {
        let event = Event {
            number: self.next,
            at: crate::host::utc_now(),
            reason,
            object: object.to_owned(),
            generation: accepted.map_or(0, |accepted| accepted.generation),
            commit: accepted.and_then(|accepted| accepted.commit.clone()),
            text: text.to_owned(),
        };
        self.next += 1;
        let line = serde_json::to_string(&event).unwrap_or_default() + "\n"; // strings and numbers: it cannot fail
        if let Err(error) = append(&self.path, &line).and_then(|()| halve(&self.path)) {
            (self.say)(&format!("{}: {error}", self.path));
        }
        if journal(&event).is_err() {
            (self.say)(&format!("{}: {text}", event.reason));
        }
    }
}

fn append(path: &Utf8Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}

fn halve(path: &Utf8Path) -> io::Result<()> {
    if fs::metadata(path)?.len() <= BYTES_MAX {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    let half = bytes.len() / 2;
    let from = bytes[half..].iter().position(|byte| *byte == b'\n').map_or(half, |at| half + at + 1);
    let new = path.with_extension("new");
    fs::write(&new, &bytes[from..])?;
    fs::rename(new, path)
}

fn read(path: &Utf8Path, after: u64) -> Vec<Event> {
    host::events(&fs::read_to_string(path).unwrap_or_default(), after)
}

fn journal(event: &Event) -> io::Result<()> {
    let one = |text: &str| text.replace('\n', " "); // a field of several lines has another form
    let priority = if event.reason == Reason::Drift { 4 } else { 6 };
    let mut fields = format!(
        "MESSAGE={}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=haoscar\nHAOSCAR_REASON={}\nHAOSCAR_OBJECT={}\nHAOSCAR_GENERATION={}\n",
        one(&event.text),
        event.reason,
        one(&event.object),
        event.generation
    );
    event.commit.iter().for_each(|commit| fields += &format!("HAOSCAR_COMMIT={commit}\n"));
    UnixDatagram::unbound()?.send_to(fields.as_bytes(), JOURNAL).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("events.jsonl");
        (folder, path)
    }

    #[test]
    fn events_are_numbered_on_over_a_restart_and_over_a_line_that_was_cut_short() {
        let (_folder, path) = ring();
        let mut events = Events::at(&path, &|_| {});
        events.tell(None, Reason::Healed, "/etc/hosts", "put back");
        append(&path, "{\"number\": 2, \"at\"").unwrap();
        let mut events = Events::at(&path, &|_| {});
        events.tell(None, Reason::Drift, "/etc/hosts", "differs");
        let numbers: Vec<_> = read(&path, 0).iter().map(|event| (event.number, event.reason)).collect();
        assert_eq!(numbers, [(1, Reason::Healed), (2, Reason::Drift)]);
        assert_eq!(read(&path, 1).len(), 1);
    }

    #[test]
    fn the_ring_does_not_grow_without_end_and_keeps_the_newest() {
        let (_folder, path) = ring();
        let mut events = Events::at(&path, &|_| {});
        let text = "x".repeat(10_000);
        (0..300).for_each(|_| events.tell(None, Reason::Drift, "", &text));
        assert!(fs::metadata(&path).unwrap().len() <= BYTES_MAX);
        let kept = read(&path, 0);
        assert_eq!(kept.last().unwrap().number, 300);
        assert!(kept.windows(2).all(|pair| pair[0].number + 1 == pair[1].number), "no hole among the newest");
    }
}

//! What happened on this machine, as its loop wrote it down: one JSON line an event.

use camino::Utf8Path;

use super::machine::Machine;
use crate::observed::Event;

/// Written by [`crate::control`].
pub const EVENTS: &str = "/var/lib/haoscar/events.jsonl";

/// Events with a higher number than `after`, oldest first. Lines that cannot be read are passed over.
pub fn read(machine: &dyn Machine, after: u64) -> Vec<Event> {
    let text = machine.read(Utf8Path::new(EVENTS)).unwrap_or_default();
    parsed(&String::from_utf8_lossy(&text), after)
}

/// The same of a text.
pub fn parsed(text: &str, after: u64) -> Vec<Event> {
    let events = text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    events.filter(|event| event.number > after).collect()
}

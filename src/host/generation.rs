//! Generations on this machine: the highest one that it has been part of, and its history. A history that is broken is
//! said so, and stands in nobody's way.

use camino::Utf8Path;

use super::file::put;
use super::journal::STATE;
use super::machine::Machine;
use super::real::Real;
use super::{HostError, recover};
use crate::desired::{Accepted, Mode, Owner};
use crate::history::{HistoryError, Store};
use crate::observed::{Chronicle, Edit, End, Record};

/// The highest generation seen, in digits.
pub(super) const SEEN: &str = "/var/lib/haoscar/generation";

/// What this machine must be: [`Accepted`] as JSON.
pub const ACCEPTED: &str = "/var/lib/haoscar/accepted.json";

/// A bare git repository, one tag a generation.
pub(super) const HISTORY: &str = "/var/lib/haoscar/history.git";

/// The highest generation that this machine has been part of; 0: none, or nobody knows.
pub fn seen(machine: &dyn Machine) -> u64 {
    let text = machine.read(Utf8Path::new(SEEN)).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().parse().unwrap_or_default()
}

/// This machine has been part of this generation, or of a higher one.
///
/// # Errors
/// What the system said.
pub fn saw(machine: &dyn Machine, number: u64) -> Result<(), HostError> {
    if seen(machine) >= number {
        return Ok(());
    }
    put(machine, Utf8Path::new(SEEN), format!("{number}\n").as_bytes(), &Owner::root(), Mode(0o644))
}

/// What this machine was part of beyond the accepted generation has been put back, and nothing of it is left.
///
/// # Errors
/// What the system said.
pub fn unsee(machine: &dyn Machine) -> Result<(), HostError> {
    let accepted = accepted(machine)?.map_or(0, |accepted| accepted.generation);
    put(machine, Utf8Path::new(SEEN), format!("{accepted}\n").as_bytes(), &Owner::root(), Mode(0o644))
}

/// What this machine must be by the accepted generation; none: nothing was accepted here yet.
///
/// # Errors
/// One that is there and cannot be read.
pub fn accepted(machine: &dyn Machine) -> Result<Option<Accepted>, HostError> {
    let path = Utf8Path::new(ACCEPTED);
    match machine.read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| HostError::failed(path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(HostError::failed(path, e)),
    }
}

/// The same of the machine that this runs on.
///
/// # Errors
/// One that is there and cannot be read.
pub fn accepted_here() -> Result<Option<Accepted>, HostError> {
    accepted(&Real::under("/"))
}

/// A generation that the machine that this runs on keeps, with its spec; none: it is not kept here, or cannot be read.
pub fn kept_here(number: u64) -> Option<Record> {
    recall(&Real::under("/"), number).ok()?
}

/// Keeps what this machine must be from now on.
///
/// # Errors
/// What the system said, or a generation that is lower than the one that is kept.
pub fn accept(machine: &dyn Machine, new: &Accepted) -> Result<(), HostError> {
    let path = Utf8Path::new(ACCEPTED);
    let known = accepted(machine).ok().flatten().map_or(0, |known| known.generation);
    if known > new.generation {
        let why = format!("generation {known} is accepted here, and {} is older", new.generation);
        return Err(HostError::failed(path, why));
    }
    saw(machine, new.generation)?;
    let text = serde_json::to_string(new).map_err(|e| HostError::failed(path, e))?;
    put(machine, path, text.as_bytes(), &Owner::root(), Mode(0o600))?;
    if recover::remembered(machine).is_some_and(|last| last.end == End::Unconfirmed) {
        recover::forget(machine); // somebody has said what is right now
    }
    Ok(())
}

/// Keeps a generation. The number is written first: a stale writer is refused even where history cannot be written.
///
/// # Errors
/// What the system or git said.
pub fn keep(machine: &dyn Machine, record: &Record, limit: usize) -> Result<(), HostError> {
    saw(machine, record.generation.number)?;
    let folder = machine.place(Utf8Path::new(HISTORY));
    let sync = || machine.sync_disk(Utf8Path::new(HISTORY));
    Store::under(&folder).keep(record, limit, &sync).map_err(failed)
}

/// What is kept, and what of it cannot be read.
pub fn chronicle(machine: &dyn Machine) -> Chronicle {
    let edits = Utf8Path::new(STATE).join("edits");
    let mut applies = machine.list(&edits);
    applies.sort();
    let of = |apply: &String| files(machine, &edits.join(apply), &edits.join(apply), apply);
    let edits = applies.iter().flat_map(of).collect();
    Chronicle { edits, ..Store::under(&machine.place(Utf8Path::new(HISTORY))).chronicle() }
}

/// Every file below a folder, as an edit of the path that it has below `top`.
fn files(machine: &dyn Machine, top: &Utf8Path, folder: &Utf8Path, apply: &str) -> Vec<Edit> {
    let mut names = machine.list(folder);
    names.sort();
    let mut found = Vec::new();
    for kept in names.iter().map(|name| folder.join(name)) {
        match machine.look(&kept) {
            Ok(look) if look.folder => found.extend(files(machine, top, &kept, apply)),
            _ => {
                let path = Utf8Path::new("/").join(kept.strip_prefix(top).unwrap_or(&kept));
                found.push(Edit { apply: apply.to_owned(), path, kept });
            }
        }
    }
    found
}

/// One generation; none where it is not kept.
///
/// # Errors
/// It is kept and cannot be read.
pub fn recall(machine: &dyn Machine, number: u64) -> Result<Option<Record>, HostError> {
    Store::under(&machine.place(Utf8Path::new(HISTORY))).recall(number).map_err(failed)
}

fn failed(error: HistoryError) -> HostError {
    HostError::failed(HISTORY, error)
}

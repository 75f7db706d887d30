//! Ends a transaction that died: back, or forward where it was decided; and remembers which, for `status`.
//!
//! It does not decide: the journal does.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::file::put;
use super::journal::{Journal, STATE, below};
use super::units;
use crate::desired::{Mode, Owner};
use crate::observed::{End, Recovered};
use crate::plan::UnitAction;

/// Below /run, so that it is gone with each boot: the engine's units start only where it is.
const DONE: &str = "run/haoscar/recovered";

/// Whether a dead transaction has been looked for since this machine's boot.
pub fn done_in_this_boot(root: &Utf8Path) -> bool {
    root.join(DONE).exists()
}

/// Ends a dead transaction as its journal says. None: nothing was left. What came of it is remembered until the next
/// commit, also where it can be ended neither way. To be called under the lock.
///
/// # Errors
/// What the system said.
pub fn recover(root: &Utf8Path) -> Result<Option<Recovered>, HostError> {
    let booting = !done_in_this_boot(root);
    let ended = match Journal::left(root) {
        Ok(None) => Ok(None),
        Ok(Some(journal)) => end(root, &journal, booting).map(Some).map_err(|e| (journal.id, e)),
        Err(error) => Err(("unknown".to_owned(), error)),
    };
    match ended {
        Ok(ended) => {
            if ended.is_none() && remembered(root).is_some_and(|last| matches!(last.end, End::Stuck(_))) {
                forget(root); // somebody has mended it by hand
            }
            let done = root.join(DONE);
            put(&done, b"", &Owner::root(), Mode(0o644))?;
            Ok(ended)
        }
        Err((id, error)) => {
            let _ = remember(root, &Recovered { id, end: End::Stuck(error.to_string()) }); // the error is told
            Err(error)
        }
    }
}

/// What came of it is remembered before the journal goes: a cut in between finds both, and ends the same way.
fn end(root: &Utf8Path, journal: &Journal, booting: bool) -> Result<Recovered, HostError> {
    let end = if let Some(ledger) = &journal.committed {
        ledger.write(root)?;
        End::New
    } else {
        put_back(root, journal, booting)?;
        End::Old
    };
    let recovered = Recovered { id: journal.id.clone(), end };
    remember(root, &recovered)?;
    journal.end(root);
    Ok(recovered)
}

/// Files, then units, as they were. `booting`: see [`units::act_later`].
///
/// # Errors
/// What the system said; the journal stays then, for the next try.
pub fn put_back(root: &Utf8Path, journal: &Journal, booting: bool) -> Result<(), HostError> {
    for saved in journal.saved.iter().rev() {
        let place = below(root, &saved.path);
        match (&saved.link, &saved.kept) {
            (Some(target), _) => {
                let _ = fs::remove_file(&place);
                std::os::unix::fs::symlink(target, &place).map_err(|e| HostError::failed(&place, e))?;
            }
            (None, Some(kept)) => {
                let bytes = fs::read(kept).map_err(|e| HostError::failed(kept, e))?;
                put(&place, &bytes, &saved.owner, saved.mode)?;
            }
            (None, None) => {
                let _ = fs::remove_file(&place);
            }
        }
    }
    undo(root, &journal.acted, booting)
}

/// Units as they were before; each is tried, and the first that would not is told.
fn undo(root: &Utf8Path, acted: &[UnitAction], booting: bool) -> Result<(), HostError> {
    if root != "/" {
        return Ok(()); // a test's folder has no systemd of its own
    }
    if booting {
        return units::act_later(&units::inverse(acted));
    }
    let results: Vec<_> = units::inverse(acted).iter().map(units::act).collect();
    results.into_iter().collect()
}

/// What came of the last transaction that died here, unless one has been committed since.
pub fn remembered(root: &Utf8Path) -> Option<Recovered> {
    serde_json::from_str(&fs::read_to_string(memory(root)).ok()?).ok()
}

fn remember(root: &Utf8Path, recovered: &Recovered) -> Result<(), HostError> {
    let path = memory(root);
    let text = serde_json::to_string(recovered).map_err(|e| HostError::failed(&path, e))?;
    put(&path, text.as_bytes(), &Owner::root(), Mode(0o600))
}

/// After a commit nobody needs to know any more.
pub fn forget(root: &Utf8Path) {
    let _ = fs::remove_file(memory(root));
}

fn memory(root: &Utf8Path) -> Utf8PathBuf {
    root.join(STATE).join("recovered.json")
}

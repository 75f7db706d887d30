//! A committed change that waits for its confirmation: what it takes to put it back is kept until then. Its deadline
//! stands in a file, so that it also holds over a reboot; a timer of systemd comes for it.
//!
//! Putting back is a transaction's journal again, so that a cut in the middle of it is nothing new.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::HostError;
use super::file::{put, take_away};
use super::journal::{Journal, STATE};
use super::ledger::Ledger;
use super::machine::Machine;
use super::{generation, recover};
use crate::desired::{Mode, Owner};
use crate::observed::{Recovered, Unconfirmed};

/// What the engine gets back with the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineBack {
    /// The whole CIB of before, where the change pushed another.
    pub old: Option<String>,
    /// The configuration that the change pushed: only where it is still so the old one is given back.
    pub new: String,
    /// Resources that the change restarted, by the unit that a head must run to restart it once more.
    pub restarts: BTreeMap<String, String>,
}

/// A change that waits.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    /// How to put it back.
    pub journal: Journal,
    /// The ledger of before.
    pub before: Ledger,
    /// How long it may wait.
    pub seconds: u64,
    /// Until when, in seconds of the epoch.
    pub until: u64,
    /// What the engine gets back.
    pub engine: Option<EngineBack>,
    /// A person is asked, and has until then. Else the apply is at work still: a boot in the middle of it ends it.
    #[serde(default)]
    pub asked: bool,
}

/// After a boot the engine needs some time before it can be told anything.
const ENGINE_AFTER_BOOT_SECONDS: u64 = 10;

impl Waiting {
    /// The change that waits on this machine, if one does.
    ///
    /// # Errors
    /// One that is there and cannot be read.
    pub fn read(machine: &dyn Machine) -> Result<Option<Self>, HostError> {
        read(machine, &waiting_path())
    }

    /// Keeps it.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, machine: &dyn Machine) -> Result<(), HostError> {
        write(machine, &waiting_path(), self)
    }

    /// Starts its time anew.
    fn extend(&mut self, machine: &dyn Machine, seconds: u64) {
        (self.seconds, self.until) = (seconds, machine.now() + seconds);
    }

    /// Seconds until its deadline, and never more than it was given: a clock may have been set, or not yet.
    fn left(&self, machine: &dyn Machine) -> u64 {
        self.until.saturating_sub(machine.now()).min(self.seconds)
    }
}

fn read<T: serde::de::DeserializeOwned>(
    machine: &dyn Machine,
    path: &Utf8Path,
) -> Result<Option<T>, HostError> {
    match machine.read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| HostError::failed(path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(HostError::failed(path, e)),
    }
}

fn write(machine: &dyn Machine, path: &Utf8Path, value: &impl Serialize) -> Result<(), HostError> {
    let text = serde_json::to_string(value).map_err(|e| HostError::failed(path, e))?;
    put(machine, path, text.as_bytes(), &Owner::root(), Mode(0o600))
}

fn waiting_path() -> Utf8PathBuf {
    Utf8Path::new(STATE).join("confirm.json")
}

fn engine_path() -> Utf8PathBuf {
    Utf8Path::new(STATE).join("engine-back.json")
}

/// The change that waits, for `status`.
pub fn told(machine: &dyn Machine) -> Option<Unconfirmed> {
    let waiting = Waiting::read(machine).ok().flatten()?;
    let left = waiting.left(machine);
    Some(Unconfirmed { id: waiting.journal.id, seconds: left })
}

/// Seconds that are left to the change that waits.
pub fn unconfirmed_seconds(machine: &dyn Machine) -> Option<u64> {
    told(machine).map(|waits| waits.seconds)
}

/// Whether the last change of this machine waits for its confirmation, or was put back and nobody has said since what is right: what
/// the engine names is then not what this machine must be.
pub fn undecided(machine: &dyn Machine) -> bool {
    told(machine).is_some() || recover::remembered(machine).is_some_and(|last| last.end.wants_a_person())
}

/// Starts the wait anew once all is done, with what the engine gets back. A machine on which nothing was changed then
/// waits for the engine alone.
///
/// # Errors
/// What the system said.
pub fn wait(
    machine: &dyn Machine,
    id: &str,
    seconds: u64,
    engine: Option<&EngineBack>,
    asked: bool,
) -> Result<(), HostError> {
    let mut waiting = match Waiting::read(machine)? {
        Some(waiting) => waiting,
        None => Waiting {
            journal: Journal { id: id.to_owned(), ..Journal::default() },
            before: Ledger::read(machine)?,
            ..Waiting::default()
        },
    };
    (waiting.engine, waiting.asked) = (engine.cloned(), asked);
    waiting.extend(machine, seconds);
    machine.arm(Some(waiting.seconds))?;
    waiting.write(machine)
}

/// Keeps the change for good. False: none waited.
///
/// # Errors
/// What the system said.
pub fn confirm(machine: &dyn Machine) -> Result<bool, HostError> {
    let _lock = machine.lock(true)?;
    let Some(waiting) = Waiting::read(machine)? else { return Ok(false) };
    take_away(machine, &waiting_path())?;
    waiting.journal.clean(machine);
    let _ = machine.arm(None); // it would find nothing to do
    Ok(true)
}

/// Puts a change back that waits, when its time is over. `now`: also before, for somebody who tells the engine himself, and
/// needs not be told later. None: nothing was to be done.
///
/// # Errors
/// What the system said.
pub fn expire(machine: &dyn Machine, now: bool) -> Result<Option<Recovered>, HostError> {
    let _lock = machine.lock(true)?;
    recover::recover(machine)?; // also what died in the middle of this
    match Waiting::read(machine)? {
        Some(waiting) if now => {
            reopen(machine, Waiting { engine: None, ..waiting })?;
            let ended = recover::recover(machine)?;
            recover::forget(machine);
            generation::unsee(machine)?;
            let _ = machine.arm(None); // it would find nothing to do
            Ok(ended)
        }
        Some(waiting) if waiting.left(machine) == 0 => {
            reopen(machine, waiting)?;
            recover::recover(machine)
        }
        _ => Ok(None),
    }
}

/// At boot: a change whose time is over has a journal again, and so has one whose apply was still at work; for any other the
/// timer is set anew.
///
/// # Errors
/// What the system said.
pub fn at_boot(machine: &dyn Machine) -> Result<bool, HostError> {
    let Some(waiting) = Waiting::read(machine)? else {
        if machine.look(&engine_path()).is_ok() {
            machine.arm(Some(ENGINE_AFTER_BOOT_SECONDS))?;
        }
        return Ok(false);
    };
    let left = waiting.left(machine);
    if left > 0 && waiting.asked {
        return machine.arm(Some(left)).map(|()| false);
    }
    if waiting.engine.is_some() {
        machine.arm(Some(ENGINE_AFTER_BOOT_SECONDS))?;
    }
    reopen(machine, waiting).map(|()| true)
}

/// The engine's part is kept first, then the change is a transaction that died undecided.
fn reopen(machine: &dyn Machine, waiting: Waiting) -> Result<(), HostError> {
    if let Some(engine) = &waiting.engine {
        write(machine, &engine_path(), engine)?;
    }
    let (unconfirmed, asked) = (Some(waiting.before), waiting.asked);
    Journal { unconfirmed, asked, committed: None, ..waiting.journal }.write(machine)
}

/// The journal of [`reopen`] has been followed.
///
/// # Errors
/// What the system said.
pub fn over(machine: &dyn Machine) -> Result<(), HostError> {
    take_away(machine, &waiting_path())
}

/// What the engine is still to get back.
///
/// # Errors
/// It is there and cannot be read.
pub fn engine_back(machine: &dyn Machine) -> Result<Option<EngineBack>, HostError> {
    read(machine, &engine_path())
}

/// The engine has it, or a later apply gives it something else.
///
/// # Errors
/// What the system said.
pub fn engine_is_back(machine: &dyn Machine) -> Result<(), HostError> {
    take_away(machine, &engine_path())
}

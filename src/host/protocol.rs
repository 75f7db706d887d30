//! What is said to an agent, one JSON line each way. A change that an older agent would misread raises [`PROTOCOL`].

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{EngineBack, HostError};
use crate::desired::{Accepted, Answer, Directory, Question, Rendered};
use crate::observed::{Checkup, Chronicle, Event, Facts, HostObserved, Record, Rehearsal, Seen, Stall};
use crate::plan::UnitAction;
use crate::probe::ProbeTarget;
use crate::spec::draft::Known;

/// Agents of another number are not spoken to.
pub const PROTOCOL: u32 = 6;

/// A question or a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who are you? Answered by `Facts`.
    Hello,
    /// How do these look? Answered by `Observed`.
    Observe {
        /// Files that the spec wants here.
        files: Vec<Rendered>,
        /// Folders that the spec wants here.
        directories: Vec<Directory>,
        /// Units that the spec names here.
        units: Vec<String>,
    },
    /// Run a program that changes nothing. Answered by `Answer`.
    Ask(Question),
    /// What do you see of these services, as their client? Answered by `Seen`.
    See {
        /// What is asked, and where.
        targets: Vec<ProbeTarget>,
        /// Milliseconds after which a target that has not answered is silent.
        limit_ms: u64,
    },
    /// What do you see of these services in the next while, probe by probe? Answered by `Watched`.
    Watch {
        /// What is asked, and where.
        targets: Vec<ProbeTarget>,
        /// Milliseconds of watching.
        window_ms: u64,
    },
    /// Keep the figures of a rehearsal.
    Remember {
        /// The group.
        group: String,
        /// The figures.
        rehearsal: Rehearsal,
    },
    /// Write the token of a storage, or read it and compare.
    Token {
        /// Where the storage is mounted.
        storage: Utf8PathBuf,
        /// What the token holds.
        text: String,
        /// Write it; else read it.
        write: bool,
    },
    /// How late do you wake a process? Answered by `Stall`.
    Stall {
        /// Milliseconds of looking.
        window_ms: u64,
    },
    /// Keep what `haoscar doctor` found.
    Checkup(Checkup),
    /// Fingerprints of secrets. Answered by `Secrets`.
    SecretHave(Vec<String>),
    /// The bytes of one secret, in hex. Answered by `Secret`. Spoken over the agent's stdio only.
    SecretGet(String),
    /// Keep a secret.
    SecretPut {
        /// Its name.
        name: String,
        /// Its bytes, in hex.
        hex: String,
    },
    /// Open a transaction: takes the host's lock, ends what a dead one left.
    Begin {
        /// Names it in the journal.
        id: String,
    },
    /// The open transaction belongs to this generation: refused where the host has seen as high a one.
    Claim(u64),
    /// Keep a generation that was carried out in this host's history.
    Keep {
        /// What is kept.
        record: Box<Record>,
        /// How many of the newest stay.
        limit: usize,
    },
    /// What this host must be from now on.
    Accept(Box<Accepted>),
    /// What happened here? Events with a higher number. Answered by `Events`.
    Events(u64),
    /// Which generations are kept here? Answered by `Chronicle`.
    History,
    /// What is kept of one generation? Answered by `Recalled`.
    Recall(u64),
    /// Make folders; part of a transaction, but an empty folder is not taken back.
    Directories(Vec<Directory>),
    /// Put files in the staging area, with their secrets.
    Stage(Vec<Rendered>),
    /// Run a program on the staged files. Answered by `Answer`.
    Check(Question),
    /// Put the staged files of these paths in their places.
    Swap(Vec<Utf8PathBuf>),
    /// The running engine may from now on have read what is in place: whoever puts it back unasked runs this then.
    Joint {
        /// Program and arguments.
        after: Vec<String>,
    },
    /// Take files away that haoscar wrote and the spec no longer has.
    Remove(Vec<Utf8PathBuf>),
    /// Act on units, in order.
    Units(Vec<UnitAction>),
    /// Keep what was done.
    Commit {
        /// Units that have not read what was changed and that the engine is to restart, with the reason.
        restarts: BTreeMap<String, String>,
        /// Put it back after so many seconds, unless it is confirmed.
        #[serde(default)]
        confirm: Option<u64>,
    },
    /// All is done: the wait for the confirmation begins anew.
    Await {
        /// Names the apply.
        id: String,
        /// How long it may wait.
        seconds: u64,
        /// What the engine gets back with the files.
        engine: Option<EngineBack>,
        /// A person is asked; else the apply still looks whether all runs, and a host that boots meanwhile goes back.
        #[serde(default)]
        asked: bool,
    },
    /// Make files and units as haoscar found them, and own nothing; part of a transaction.
    Dismantle {
        /// Services run on; only the engine and haoscar stop.
        keep: bool,
    },
    /// What the machine says of itself for a first spec. Answered by `Known`.
    Hardware,
    /// Keep the change that waits. Answered by `Confirmed`.
    Confirm,
    /// Put the change that waits back now.
    Expire,
    /// Put everything back.
    Revert,
    /// Run a program that changes the cluster. Answered by `Answer`.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// Standard input.
        input: String,
        /// Milliseconds after which it is killed.
        timeout_ms: u64,
    },
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Done, nothing to say.
    Done,
    /// To `Hello`.
    Facts(Box<Facts>),
    /// To `Hardware`.
    Known(Box<Known>),
    /// To `Observe`.
    Observed(Box<HostObserved>),
    /// To `Ask`, `Check` and `Run`.
    Answer(Answer),
    /// To `See`, by service.
    Seen(BTreeMap<String, Seen>),
    /// To `Watch`: the longest outage of each service, in seconds; none if it did not come back.
    Watched(BTreeMap<String, Option<f64>>),
    /// To `Stall`.
    Stall(Stall),
    /// To `Confirm`: whether something waited.
    Confirmed(bool),
    /// To `SecretHave`: a fingerprint for each that is kept here.
    Secrets(BTreeMap<String, String>),
    /// To `SecretGet`, in hex.
    Secret(String),
    /// To `History`.
    Chronicle(Chronicle),
    /// To `Events`, oldest first.
    Events(Vec<Event>),
    /// To `Recall`; none where that generation is not kept.
    Recalled(Option<Box<Record>>),
    /// To `Claim`: the host has seen a generation that is as high.
    Outdated(u64),
    /// The request failed.
    Failed {
        /// Path, unit or program.
        subject: String,
        /// What the system said.
        why: String,
    },
    /// Somebody else holds the host's lock.
    Locked,
}

impl Response {
    /// The answer, or the error in it.
    ///
    /// # Errors
    /// What the host said went wrong.
    pub fn good(self, host: &str) -> Result<Self, HostError> {
        match self {
            Self::Failed { subject, why } => {
                Err(HostError::Failed { subject: format!("{host}: {subject}"), why })
            }
            Self::Locked => Err(HostError::Locked { host: host.to_owned() }),
            Self::Outdated(seen) => Err(HostError::Outdated { host: host.to_owned(), seen }),
            good => Ok(good),
        }
    }
}

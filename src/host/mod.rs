//! This machine, or another one over the stdio of an agent: questions and steps. Effects.
//!
//! Nothing here decides what a host should be; it answers, and it carries out one step at a time.
#![allow(clippy::disallowed_methods)]

pub mod agent;
mod backup;
mod checkup;
mod clock;
mod confirm;
mod events;
mod file;
mod generation;
mod hardware;
mod journal;
mod ledger;
mod local;
mod machine;
mod memory;
mod moment;
mod protocol;
mod real;
mod recorded;
mod recover;
mod rehearsals;
mod remote;
mod secrets;
mod socket;
mod stall;
mod token;
mod transaction;
mod trusted;
mod units;

pub use backup::{Backup, BackupError};
pub use clock::{now_s, utc_now};
pub use confirm::{EngineBack, engine_back, engine_is_back, expire, unconfirmed_seconds, undecided};
pub use events::{EVENTS, parsed as events};
pub use generation::{ACCEPTED, accepted_here, kept_here};
pub use ledger::{own_below, owned_here};
pub use local::{CYCLE, FOLLOWS, Local};
pub use machine::{Lock, Look, Machine};
pub use memory::Memory;
pub use moment::{Moment, mixed};
pub use protocol::{PROTOCOL, Request, Response};
pub use real::Real;
pub use recorded::{Heard, Listener, Recorded};
pub use remote::Remote;
pub use secrets::path as secret_path;
pub use socket::serves;
pub use token::{HANGS, TOKEN};
pub use transaction::recover_alone;
pub use trusted::{trust, trusted};

/// A machine that answers questions and carries out steps.
pub trait Host {
    /// One question or step.
    ///
    /// # Errors
    /// Why it could not be answered or done.
    fn ask(&mut self, request: &Request) -> Result<Response, HostError>;
}

/// Why a host did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It cannot be reached, or stopped answering.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the transport said.
        why: String,
    },
    /// It speaks another protocol.
    #[error(
        "{host} runs an agent of protocol {theirs}, this is protocol {ours}: install the same haoscar on both"
    )]
    Protocol {
        /// The host.
        host: String,
        /// Its protocol.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// Somebody else is changing it.
    #[error("somebody else is changing {host}")]
    Locked {
        /// The host.
        host: String,
    },
    /// A newer plan was carried out there.
    #[error("{host} is at generation {seen} by now: somebody else has applied since this plan was made")]
    Outdated {
        /// The host.
        host: String,
        /// The generation that it has seen.
        seen: u64,
    },
    /// It tried, and it went wrong.
    #[error("{subject}: {why}")]
    Failed {
        /// Path, unit or program.
        subject: String,
        /// What the system said.
        why: String,
    },
}

impl HostError {
    /// Whether the same request may go well later.
    pub fn retry(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Locked { .. })
    }

    fn failed(subject: impl ToString, why: impl ToString) -> Self {
        Self::Failed { subject: subject.to_string(), why: why.to_string() }
    }
}

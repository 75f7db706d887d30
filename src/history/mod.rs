//! What was accepted, kept in git: one commit a generation, with the spec, the plan and every host's tree. And the
//! repository that is followed: fetched, looked into, believed or not. Effects.
//!
//! This room writes and reads repositories; it decides nothing about a cluster. Secrets come in as names only.
#![allow(clippy::disallowed_methods)]

mod folder;
mod follow;
mod origin;
mod store;

pub use folder::{content_of, gather, gather_machine, limited};
pub use follow::{Followed, Tip};
pub use origin::{commit_of, short};
pub use store::Store;

/// Why a history could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// git refused.
    #[error("{subject}: {}", source.message())]
    Git {
        /// A generation, or the repository.
        subject: String,
        /// What it said.
        source: git2::Error,
    },
    /// The disk refused.
    #[error("{subject}: {source}")]
    Disk {
        /// A generation, or the repository.
        subject: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system's git says no.
    #[error("{why}")]
    Source {
        /// Its last words.
        why: String,
    },
    /// What is kept of a generation is not what was put there.
    #[error("generation {number} cannot be read: {why}")]
    Unreadable {
        /// Which.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
}

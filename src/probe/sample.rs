//! What the prober says: one JSON line a probe. Shapes only.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How one probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The right answer came.
    Good,
    /// An answer came, and it is wrong; counted as an error, and the outage goes on.
    Wrong(String),
    /// The service says that it does not serve yet (refused, NFS grace). No error, and no answer.
    NotYet(String),
    /// Nothing came in time.
    Silent,
}

/// One probe. Times are microseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The target's name.
    pub service: String,
    /// When it was asked.
    pub asked_us: u64,
    /// When the answer came, or when it was given up.
    pub ended_us: u64,
    /// How it ended.
    pub answer: Answer,
}

/// One line of the prober's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A probe ended.
    Sample(Sample),
    /// A write that the server acknowledged as stable: this record must be there ever after.
    Wrote {
        /// The target's name.
        service: String,
        /// The record's number.
        record: u64,
    },
    /// Another one than before says that it holds the address that an owner target asks for.
    Owner {
        /// When its answer came, in microseconds of CLOCK_MONOTONIC.
        at_us: u64,
        /// The address.
        address: IpAddr,
        /// Its MAC.
        mac: String,
    },
    /// Ticks that a target left out since the last such line.
    Late {
        /// The target's name.
        service: String,
        /// When it was noticed.
        at_us: u64,
        /// How many.
        ticks: u64,
    },
    /// A target that cannot be asked at all, with the reason.
    Broken {
        /// The target's name.
        service: String,
        /// Why.
        reason: String,
    },
}

//! What clients see: probes that speak each protocol themselves, by a fixed tick.
//!
//! This room decides what an answer is and when one is missing. It must not decide what a fault was or whether a
//! cluster is good: [`crate::lab::drill`] and [`crate::status`] do. [`probes_of`] and [`View`] are pure; the rest sends
//! packets.
#![allow(clippy::disallowed_methods)]

mod address;
mod clock;
mod command;
mod dhcp;
mod gap;
mod http;
mod names;
mod neighbour;
mod nfs;
mod nfs_write;
mod once;
mod owner;
mod run;
mod sample;
mod target;
mod tcp;
mod time;
mod udp;
mod xdr;

pub use clock::monotonic_us;
pub use gap::{GAP_TICKS_MIN, View, Window, latency_ms};
pub use nfs_write::{WriteProblem, missing_records};
pub use once::{once, watched};
pub use run::{ProbeProblem, run};
pub use sample::{Answer, Line, Sample};
pub use target::{
    ADDRESS_SUFFIX, Ask, COMMAND_TICK_MS, ProbeTarget, RPC_SUFFIX, TICK_MS, WRITE_TICK_MS, probes_of,
};

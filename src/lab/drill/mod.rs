//! A fault made on purpose, and the outage that clients saw, measured.
//!
//! This room decides when a drill begins and ends and what its figures are. It must not know how a lab is made:
//! [`Ground`] is all that it asks of one.

mod commands;
mod copies;
mod course;
mod fault;
mod ground;
mod interrupted;
mod jobs;
mod junit;
mod owners;
mod phases;
mod prober;
mod problem;
mod report;
mod svg;
mod timeline;
mod whole;

pub use crate::observed::{CpuTime, steal_share};
pub use commands::CommandGround;
pub use copies::Finder;
pub use course::{Course, Outcome};
pub use fault::Fault;
pub use ground::Ground;
pub use jobs::{Jobs, KnownJob, job_states, jobs_of};
pub use junit::junit;
pub use owners::Owners;
pub use phases::{Instants, Phases, instants_of};
pub use problem::DrillProblem;
pub use report::{Drill, Report, ServiceOutage, Writes, sentence, table};
pub use timeline::{Timeline, svg};

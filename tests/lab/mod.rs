//! The real daemons in namespaces; needs root.

mod confirm;
mod doctor;
mod drill;
mod facts;
mod faults;
mod follow;
pub mod harness;
mod heal;
mod heartbeat;
mod history;
mod hosts;
mod joint;
mod levels;
mod moves;
mod mpi;
mod openpbs;
mod placement;
mod put_back;
mod recover;
mod remove;
mod saved;
mod simulated;
mod staged;
mod sweep;
mod votes;
mod watch;
mod whole_way;

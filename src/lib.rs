//! haoscar keeps an HPC cluster what git says it is.
//!
//! Facts in, decisions out, effects last. One way through the house, one line a room:
//!
//! - [`spec`] reads what a person wrote: `Sources` to a checked `Cluster` with places, and lints across fields. Pure.
//! - [`desired`] resolves the spec for every host, so that nothing is left to choose. Pure.
//! - [`backends`] know one program each: kea, dnsmasq, chrony, ganesha, slurm, openpbs. Pure.
//! - [`engines`] compile the spec into the HA engine's own configuration and read its state back. Pure.
//! - [`recovery`] answers failures of a service by its policy: restarts, within, then. Pure.
//! - [`templates`] is the one handlebars registry: strict, no escaping. Pure.
//! - [`observed`] is what hosts really are, as plain facts. Pure.
//! - [`plan`] is the difference, in order, with reasons, impact and what it waits for. Pure.
//! - [`host`] reaches a machine: this one, or an agent over stdio. Effects.
//! - [`images`] takes an image of a head that runs, keeps it in versions, proves it. Effects.
//! - [`history`] keeps every accepted generation in git, and finds the commit of a spec. Effects.
//! - [`apply`] carries a plan out over `host`: checkpoint, stage, check, swap, reload, verify, commit or revert. Effects.
//! - [`probe`] is what clients see: it speaks each protocol itself. Effects; what is asked is derived from the spec.
//! - [`control`] runs on heads all the time: the watcher tells the engine at once what it sees. Effects.
//! - [`lab`] is the same cluster as namespaces on one Linux machine, with the real daemons. Effects.
//! - [`status`] says in one sentence how the cluster is.
//! - [`cli`] is the command line: one file a verb. Effects.

pub mod apply;
pub mod backends;
pub mod cli;
pub mod control;
pub mod desired;
pub mod engines;
pub mod history;
pub mod host;
pub mod images;
pub mod lab;
pub mod observed;
pub mod plan;
pub mod probe;
pub mod recovery;
pub mod spec;
pub mod status;
pub mod templates;

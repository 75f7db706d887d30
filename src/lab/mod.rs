//! The same cluster as namespaces on one Linux machine, with the real daemons. Effects.
#![allow(clippy::disallowed_methods)]

pub mod drill;
pub mod probe;

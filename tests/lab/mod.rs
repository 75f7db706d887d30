//! The real daemons in namespaces; needs root.

mod drill;
mod harness;
mod hosts;
mod sweep;
mod whole_way;

//! The real daemons in namespaces; needs root.

mod drill;

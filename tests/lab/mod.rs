//! The real daemons in namespaces; needs root.

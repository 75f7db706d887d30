//! Accepted and rejected specs.

//! Rendered trees of the reference specs.

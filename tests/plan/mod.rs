//! Plans from desired and observed.

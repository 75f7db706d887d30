//! Carries a plan out over hosts: checkpoint, stage, check, swap, reload, verify, commit or revert. Decides nothing.
#![allow(clippy::disallowed_methods)]

//! This machine, or another one over the stdio of an agent: questions and steps. Effects.
#![allow(clippy::disallowed_methods)]

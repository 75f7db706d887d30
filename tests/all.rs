//! Every test of the project in one binary: rejects, goldens, command-line sessions, and the lab (root).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod architecture;
mod cli;
mod engine;
mod golden;
mod lab;
mod plan;
mod recovery;
mod simulation;
mod spec;
mod status;

//! Every test of the project in one binary: rejects, goldens, command-line sessions, and the lab (root).

mod architecture;
mod cli;
mod engine;
mod golden;
mod lab;
mod plan;
mod spec;

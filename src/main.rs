//! A doorway: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    haoscar::cli::main()
}

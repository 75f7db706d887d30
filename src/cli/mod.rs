//! The command line: one file a verb. Gathers sources, calls the pure rooms, shows what they say, sets exit codes.

use std::process::ExitCode;

/// Parses the arguments, runs the verb, and answers with its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}

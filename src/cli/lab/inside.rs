//! `haoscar lab exec` and `shell`: a command on a host, with this terminal.

use std::os::unix::process::ExitStatusExt;

use clap::Args;

use super::super::{Exit, Failure};
use super::{Which, failure};
use crate::lab;

/// Options of `haoscar lab exec`.
#[derive(Debug, Args)]
pub(super) struct Exec {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Options of `haoscar lab shell`.
#[derive(Debug, Args)]
pub(super) struct Shell {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
}

pub(super) fn exec(options: &Exec) -> Result<Exit, Failure> {
    let argv: Vec<_> = options.command.iter().map(String::as_str).collect();
    run(&options.which, &options.host, &argv)
}

pub(super) fn shell(options: &Shell) -> Result<Exit, Failure> {
    run(&options.which, &options.host, &["bash", "-l"])
}

/// The command's own exit code is the answer, as ssh does it.
fn run(which: &Which, host: &str, argv: &[&str]) -> Result<Exit, Failure> {
    let lab = which.choose()?;
    let mut command = lab::command(&lab.name, host, argv).map_err(failure)?;
    let status = command.status().map_err(|error| Failure::new(Exit::Failed, format!("nsenter: {error}")))?;
    match status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()) {
        0 => Ok(Exit::Done),
        code => std::process::exit(code),
    }
}

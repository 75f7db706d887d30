//! Runs programs of this machine (ip, mount, nsenter) and keeps their last words. It must not decide what to run.

use std::process::{Command, Stdio};

use super::error::LabError;

/// Runs `argv` to its end and gives its standard output.
///
/// # Errors
/// The program is missing or failed; its standard error is kept.
pub(crate) fn run(argv: &[&str]) -> Result<String, LabError> {
    finish(Command::new(argv.first().copied().unwrap_or_default()).args(argv.get(1..).unwrap_or_default()))
}

/// The same for a command that is already put together.
pub(crate) fn finish(command: &mut Command) -> Result<String, LabError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => LabError::ProgramMissing { program: name.clone() },
        _ => LabError::Io { subject: name.clone(), source },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let arguments =
        command.get_args().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let said = if said.is_empty() { format!("it ended with {}", output.status) } else { said };
    Err(LabError::ProgramFailed { command: format!("{name} {arguments}"), said })
}

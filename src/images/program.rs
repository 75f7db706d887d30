//! Runs programs of the system and keeps their last words. It must not decide what to run.

use std::io::Write;
use std::process::{Command, Stdio};

use super::error::{ImageError, disk};

/// Enough to say why, and not a screen full.
const LAST_LINES: usize = 6;

/// A person's own PATH may lack where Debian has mke2fs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program to its end; what it prints is the answer.
///
/// # Errors
/// It is not installed, or its last words.
pub(super) fn run(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, ImageError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.env("LC_ALL", "C").env("PATH", PATH);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ImageError::NoProgram { program: program.clone() },
        _ => disk(&program)(source),
    })?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|threads| {
        // a program that ends early says why itself
        threads.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(disk(&program))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = match &lines[lines.len().saturating_sub(LAST_LINES)..] {
        [] => format!("it ended with {}", output.status),
        last => last.join("; "),
    };
    Err(ImageError::Program { program, said })
}

/// The same, of words.
///
/// # Errors
/// See there.
pub(super) fn ran(program: &str, argv: &[&str], input: &str) -> Result<String, ImageError> {
    let printed = run(Command::new(program).args(argv), input.as_bytes())?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

//! Exit codes (DESIGN.md section 9), and how a failure is said.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed, reverted, degraded (status), or a drill's check failed.
    Failed = 1,
    /// Changes pending; only with `--detailed-exitcode`.
    Changes = 2,
    /// The command line is wrong.
    Usage = 64,
    /// The spec is invalid.
    Invalid = 65,
    /// A file is missing.
    Missing = 66,
    /// A host cannot be reached.
    Unreachable = 69,
    /// Somebody else holds the lock, or what the plan saw has moved.
    Stale = 75,
    /// Not permitted: root is needed.
    NotPermitted = 77,
    /// The cluster has no quorum.
    NoQuorum = 106,
    /// Refused as unsafe.
    Unsafe = 107,
    /// Timed out.
    TimedOut = 124,
}

impl Exit {
    /// The exit of a haoscar that ran elsewhere; what it never says is a failure.
    pub fn of_code(code: Option<i32>) -> Self {
        let known = [Self::Done, Self::Failed, Self::Changes, Self::Usage, Self::Invalid, Self::Missing];
        let more = [
            Self::Unreachable,
            Self::Stale,
            Self::NotPermitted,
            Self::NoQuorum,
            Self::Unsafe,
            Self::TimedOut,
        ];
        let mut all = known.into_iter().chain(more);
        all.find(|exit| code == Some(*exit as i32)).unwrap_or(Self::Failed)
    }
}

/// Why a verb could not do its work: what, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// One sentence, lower case, with the subject (path, unit, host) in it. May be empty when all has been said.
    pub message: String,
    /// The mend, as something to type.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// The same with a mend.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// clap's own words, but usage errors end with 64 where clap says 2: 2 means pending changes here.
pub(super) fn of_usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(Exit::Usage as u8) } else { ExitCode::SUCCESS }
}

/// Prints a failure and turns it into the exit code.
pub(super) fn report(result: Result<Exit, Failure>, _quiet: bool) -> ExitCode {
    let exit = result.unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            eprintln!("error: {}", failure.message);
        }
        if let Some(hint) = &failure.hint {
            eprintln!("  help: {hint}");
        }
        failure.exit
    });
    ExitCode::from(exit as u8)
}

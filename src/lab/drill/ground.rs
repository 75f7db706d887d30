//! What a drill asks of the machines that it runs on. It must not know how they are made.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The longest that a host may take to answer a question.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What a drill asks of a lab.
pub trait Ground {
    /// The words before a command that run it in `host`; none if the host is down.
    fn entering(&self, host: &str) -> Option<Vec<String>>;
    /// What finds the root of a host's files, where they can be looked at without entering it.
    fn outside(&self, _host: &str) -> Option<super::Finder> {
        None
    }
    /// The whole command line that starts `haoscar lab-probe` in a client's network namespace, with an address in
    /// the group's private network.
    fn prober(&self) -> Vec<String>;
    /// Cuts the power of `host`: its switch ports down, then SIGKILL of its pid 1.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn cut_power(&self, host: &str) -> Result<(), String>;
    /// Pulls the cables of `host` on a network, or puts them back.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn set_cable(&self, host: &str, network: &str, plugged: bool) -> Result<(), String>;

    /// Switches `host` on, if it is off.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn power_on(&self, host: &str) -> Result<(), String> {
        Err(format!("no command switches {host} on"))
    }
    /// Has the first fence device of `host` answer nobody, or answer again; one of a second level is left alone.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn set_fence(&self, host: &str, _answers: bool) -> Result<(), String> {
        Err(format!("no command silences the fence device of {host}"))
    }

    /// Takes away all the space that a storage has left, or gives it back.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn set_full(&self, storage: &str, _full: bool) -> Result<(), String> {
        Err(format!("no command fills storage {storage}"))
    }
    /// Starts an apply of the spec to `host` alone.
    ///
    /// # Errors
    /// What kept it from doing so.
    fn apply(&self, host: &str) -> Result<Child, String> {
        Err(format!("no command applies the spec to {host}"))
    }

    /// What a command printed in `host`; none if the host is down, it failed, or it took too long.
    fn ask(&self, host: &str, argv: &[&str]) -> Option<String> {
        ask(self, host, argv)
    }

    /// Runs a command in `host` to its end.
    ///
    /// # Errors
    /// The host is down, or the command failed.
    fn run(&self, host: &str, argv: &[&str]) -> Result<(), String> {
        self.ask(host, argv).map(|_| ()).ok_or_else(|| format!("{} failed on {host}", argv.join(" ")))
    }
}

/// What `argv` printed in `host`; none if the host is down, the command failed, or it took too long.
fn ask<G: Ground + ?Sized>(ground: &G, host: &str, argv: &[&str]) -> Option<String> {
    let mut words = ground.entering(host)?;
    let limit = format!("--kill-after=1s {}s", ANSWER_MAX.as_secs());
    let mut timed: Vec<String> =
        std::iter::once("timeout").chain(limit.split(' ')).map(str::to_owned).collect();
    timed.append(&mut words);
    timed.extend(argv.iter().map(|word| (*word).to_owned()));
    let (program, arguments) = timed.split_first()?;
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

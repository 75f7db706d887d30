//! A running lab as the ground of a drill.

use std::process::{Child, Command, Stdio};

use super::drill::{Finder, Ground};
use super::error::LabError;
use super::{boot, command, power_cut, set_fence, set_full, set_link, switch_command};

/// A lab, by name, and the program that probes from its switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabGround {
    /// The lab.
    pub lab: String,
    /// The running haoscar.
    pub program: String,
    /// The spec's path, for an apply that is cut short.
    pub spec: String,
}

/// Program and arguments of a command.
fn words(command: &Command) -> Vec<String> {
    let program = std::iter::once(command.get_program());
    program.chain(command.get_args()).map(|word| word.to_string_lossy().into_owned()).collect()
}

impl Ground for LabGround {
    fn entering(&self, host: &str) -> Option<Vec<String>> {
        command(&self.lab, host, &[]).ok().map(|command| words(&command))
    }

    fn outside(&self, host: &str) -> Option<Finder> {
        let (lab, host) = (self.lab.clone(), host.to_owned());
        Some(Box::new(move || super::outside(&lab, &host)))
    }

    fn prober(&self) -> Vec<String> {
        switch_command(&self.lab, &[&self.program, "lab-probe"])
            .map(|command| words(&command))
            .unwrap_or_default()
    }

    fn cut_power(&self, host: &str) -> Result<(), String> {
        power_cut(&self.lab, host).map_err(|error| error.to_string())
    }

    fn power_on(&self, host: &str) -> Result<(), String> {
        match boot(&self.lab, host) {
            Err(LabError::HostRuns { .. }) => Ok(()), // it was asked to be on
            result => result.map_err(|error| error.to_string()),
        }
    }

    fn set_fence(&self, host: &str, answers: bool) -> Result<(), String> {
        set_fence(&self.lab, host, 1, answers).map_err(|error| error.to_string())
    }

    fn set_full(&self, storage: &str, full: bool) -> Result<(), String> {
        set_full(&self.lab, storage, full).map_err(|error| error.to_string())
    }

    fn apply(&self, host: &str) -> Result<Child, String> {
        let via = format!("lab:{}", self.lab);
        let mut apply = Command::new(&self.program);
        apply.args(["apply", &self.spec, "--via", &via, "--on", host, "--yes", "--quiet"]);
        apply.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        apply.spawn().map_err(|error| format!("{}: {error}", self.program))
    }

    fn set_cable(&self, host: &str, network: &str, plugged: bool) -> Result<(), String> {
        set_link(&self.lab, host, network, plugged).map_err(|error| error.to_string())
    }
}

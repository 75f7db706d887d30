//! A ground made of commands: any machines that can be entered and cut off by a command line can be drilled.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Ground;

/// Hosts as command lines, as a lab (or a site with real machines) writes them down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandGround {
    /// The words before a command that run it in a host, by host name.
    pub hosts: BTreeMap<String, Vec<String>>,
    /// What starts `haoscar lab-probe` at a client.
    pub prober: Vec<String>,
    /// What cuts a host's power, by host name.
    pub power: BTreeMap<String, Vec<String>>,
}

impl Ground for CommandGround {
    fn entering(&self, host: &str) -> Option<Vec<String>> {
        self.hosts.get(host).cloned()
    }

    fn prober(&self) -> Vec<String> {
        self.prober.clone()
    }

    fn cut_power(&self, host: &str) -> Result<(), String> {
        let argv = self.power.get(host).ok_or_else(|| format!("no command cuts the power of {host}"))?;
        let (program, arguments) =
            argv.split_first().ok_or_else(|| format!("the command of {host} is empty"))?;
        let mut command = Command::new(program);
        let ended = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program} ended with {status}")),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }

    fn set_cable(&self, host: &str, network: &str, _plugged: bool) -> Result<(), String> {
        Err(format!("no command pulls the cable of {host} on {network}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_makes_no_fault() {
        let power = |word: &str| BTreeMap::from([("head-1".to_owned(), vec![word.to_owned()])]);
        let ground = |word| CommandGround { power: power(word), ..CommandGround::default() };
        assert_eq!(ground("true").cut_power("head-1"), Ok(()));
        assert!(ground("false").cut_power("head-1").is_err());
        assert!(ground("true").cut_power("head-2").is_err());
    }
}

//! The same cluster as namespaces on one Linux machine, with the real daemons. Effects.
//!
//! Each head, witness and node is systemd as pid 1 in namespaces of its own over an overlay of one cached root; its
//! NICs hang on the bridges of a switch, a namespace too. It must not know what haoscar configures on the hosts:
//! only machines, wires and power are its business.
#![allow(clippy::disallowed_methods)]

mod disk;
pub mod drill;
mod error;
pub mod fence;
mod instances;
pub mod keeper;
mod layout;
mod power;
mod process;
mod program;
mod root;
mod stage;
mod state;
mod sweep;
mod switch;
mod tree;
mod up;

use std::process::Command;

use camino::Utf8PathBuf;

pub use error::LabError;
pub use layout::{HostKind, LabHost, Layout, Port, Wire};
pub use process::Process;
pub use root::{CACHE_VARIABLE, build as build_root, path as root_path};
pub use stage::LabGround;
pub use state::{Lab, choose, find, names, running};
pub use up::{Request, check_root, down, down_all, up};

/// Where heads and witnesses find the keeper's socket.
pub(crate) const KEEPER_PLACE: &str = "/run/haoscar-lab";

/// A command on a host of a running lab; standard input, output and error are free to use.
///
/// # Errors
/// No such lab or host, or the host is down or has not become itself yet.
pub fn command(lab: &str, host: &str, argv: &[&str]) -> Result<Command, LabError> {
    power::command(&find(lab)?, host, argv)
}

/// A command in the switch's network namespace, for clients that are no host of the cluster. Its bridges have the
/// last usable address of each network.
///
/// # Errors
/// No such lab.
pub fn switch_command(lab: &str, argv: &[&str]) -> Result<Command, LabError> {
    let lab = find(lab)?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.switch()]).args(argv);
    Ok(command)
}

/// The hosts of a lab by name, running or not.
///
/// # Errors
/// No such lab.
pub fn hosts(lab: &str) -> Result<Vec<String>, LabError> {
    Ok(find(lab)?.layout.hosts.into_keys().collect())
}

/// Cuts a host's power as by the plug: nothing is written, nothing is said. It stays off.
///
/// # Errors
/// No such lab or host, or it does not die.
pub fn power_cut(lab: &str, host: &str) -> Result<(), LabError> {
    let lab = find(lab)?;
    lab.host(host)?;
    // by the keeper, so that a reboot which a fence agent has ordered does not switch it on again
    keeper::order_off(&lab, host)
}

/// Switches a host on; it is up some seconds later.
///
/// # Errors
/// No such lab or host, it is on already, or it does not start.
pub fn boot(lab: &str, host: &str) -> Result<(), LabError> {
    power::boot(&find(lab)?, host)
}

/// Pulls (or puts back) the cable of a host's NICs on one network; the NIC sees its carrier go. A cable that is pulled
/// stays so while the host is off and on again.
///
/// # Errors
/// No such lab, host or NIC.
pub fn set_link(lab: &str, host: &str, network: &str, plugged: bool) -> Result<(), LabError> {
    let lab = find(lab)?;
    let ports = lab.host(host)?.ports.iter().filter(|port| port.network == network);
    let mut any = false;
    for port in ports {
        if lab.process(host).is_some() {
            switch::set_port(&lab, port, plugged)?;
        }
        any = true;
    }
    if any {
        lab.record_cable(host, network, plugged)?;
    }
    let missing = LabError::NicMissing { host: host.to_owned(), network: network.to_owned() };
    if any { Ok(()) } else { Err(missing) }
}

/// Waits until a host's systemd has come up: `running` or `degraded`.
///
/// # Errors
/// No such lab or host, or it takes too long.
pub fn await_running(lab: &str, host: &str, within: std::time::Duration) -> Result<String, LabError> {
    power::await_running(&find(lab)?, host, within)
}

/// Folders of the lab and where they appear on a host.
fn shared_folders(lab: &Lab, host: &str) -> Result<Vec<(Utf8PathBuf, Utf8PathBuf)>, LabError> {
    let about = lab.host(host)?;
    let storage = about.storage.iter();
    let mut folders: Vec<_> =
        storage.map(|(name, place)| (lab.folder().join("storage").join(name), place.clone())).collect();
    if about.kind != HostKind::Node {
        folders.push((keeper::folder(lab), KEEPER_PLACE.into()));
    }
    Ok(folders)
}

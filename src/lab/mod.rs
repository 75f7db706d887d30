//! The same cluster as namespaces on one Linux machine, with the real daemons. Effects.
//!
//! Each head, witness and node is systemd as pid 1 in namespaces of its own over an overlay of one cached root; its
//! NICs hang on the bridges of a switch, a namespace too. It must not know what haoscar configures on the hosts:
//! only machines, wires and power are its business.
#![allow(clippy::disallowed_methods)]

mod cables;
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
mod storage;
mod sweep;
mod switch;
mod tree;
mod up;

use std::process::Command;

use camino::Utf8PathBuf;

pub use cables::Cables;
pub use error::LabError;
pub use layout::{HostKind, LabHost, Layout, Port, Wire};
pub use process::Process;
pub use root::{CACHE_VARIABLE, Recipe};
pub use stage::LabGround;
pub use state::{Lab, choose, find, names, running};
pub use up::{Request, check_root, down, down_all, purge_cache, up};

/// Where heads and witnesses find the keeper's socket.
pub(crate) const KEEPER_PLACE: &str = "/run/haoscar-lab";

/// A command on a host of a running lab; standard input, output and error are free to use.
///
/// # Errors
/// No such lab or host, or the host is down or has not become itself yet.
pub fn command(lab: &str, host: &str, argv: &[&str]) -> Result<Command, LabError> {
    power::command(&find(lab)?, host, argv)
}

/// The root of a host's files, as this machine sees it; none while the host is down.
pub fn outside(lab: &str, host: &str) -> Option<std::path::PathBuf> {
    power::outside(&find(lab).ok()?, host)
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

/// Shuts a host down in order, as by `poweroff` on it, and waits until it is off. It stays off.
///
/// # Errors
/// No such lab or host, the host is off already, or its units do not stop.
pub fn power_off(lab: &str, host: &str) -> Result<(), LabError> {
    let lab = find(lab)?;
    power::shut_down(&lab, host)?;
    keeper::order_off(&lab, host) // voids a reboot that is pending, and clears what is left
}

/// Pulls (or puts back) cables of a host; each NIC sees its carrier go. A cable that is pulled stays so while the host
/// is off and on again.
///
/// # Errors
/// No such lab, host or NIC.
pub fn set_cables(lab: &str, host: &str, which: &Cables, plugged: bool) -> Result<(), LabError> {
    cables::set(&find(lab)?, host, which, plugged)
}

/// The same for the cables of a host on one network.
///
/// # Errors
/// No such lab, host or NIC.
pub fn set_link(lab: &str, host: &str, network: &str, plugged: bool) -> Result<(), LabError> {
    set_cables(lab, host, &Cables::Network(network), plugged)
}

/// Kills the main process of a unit on a host, as a crash does.
///
/// # Errors
/// No such lab or host, the host is down, or the unit has no main process.
pub fn kill_unit(lab: &str, host: &str, unit: &str) -> Result<(), LabError> {
    let kill = ["systemctl", "kill", "--signal=KILL", "--kill-who=main", unit];
    let refused = |said| LabError::UnitNotKilled { host: host.to_owned(), unit: unit.to_owned(), said };
    match program::finish(&mut power::command(&find(lab)?, host, &kill)?) {
        Err(LabError::ProgramFailed { said, .. }) => Err(refused(said)),
        result => result.map(|_| ()),
    }
}

/// Has the fence device of a host answer nobody (as a BMC does that has lost its power), or answer again: that of `level`,
/// from 1. A silent device stays so until it is told otherwise.
///
/// # Errors
/// No such lab or host.
pub fn set_fence(lab: &str, host: &str, level: u32, answers: bool) -> Result<(), LabError> {
    let lab = find(lab)?;
    lab.host(host)?;
    lab.record_fence(host, level, answers)
}

/// Takes away all the space that a storage has left, as a full disk does, or gives it back. Whoever writes there is told so
/// by the kernel, on every host.
///
/// # Errors
/// No such lab or storage, or it resists.
pub fn set_full(lab: &str, storage: &str, full: bool) -> Result<(), LabError> {
    storage::set_full(&find(lab)?, storage, full)
}

/// Waits until a host's systemd has come up: `running` or `degraded`.
///
/// # Errors
/// No such lab or host, or it takes too long; then with what the host's journal says.
pub fn await_running(lab: &str, host: &str, within: std::time::Duration) -> Result<String, LabError> {
    power::await_running(&find(lab)?, host, within)
}

/// Folders (and disks: files) of the lab and where they appear on a host.
fn shared_folders(lab: &Lab, host: &str) -> Result<Vec<(Utf8PathBuf, Utf8PathBuf)>, LabError> {
    let about = lab.host(host)?;
    let storage = about.storage.iter();
    let mut folders: Vec<_> =
        storage.map(|(name, place)| (storage::folder(lab, name), place.clone())).collect();
    folders.extend(about.disks.iter().map(|(name, device)| (storage::disk(lab, name), device.clone())));
    if about.kind != HostKind::Node {
        folders.push((keeper::folder(lab), KEEPER_PLACE.into()));
    }
    Ok(folders)
}

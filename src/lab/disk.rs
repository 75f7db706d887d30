//! The disk of a lab host before its first start: its name, its identity, and the units that stand for the wiring
//! of its machine. Everything else is haoscar's to bring. It survives a power cut.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::error::{LabError, io};
use super::layout::{HostKind, LabHost};
use super::state::Lab;
use super::switch::without_doubt;

const UNITS: &str = "etc/systemd/system";
const WIRING: &str = "usr/lib/haoscar-lab/wiring";

/// Lays out a host's disk.
pub(crate) fn prepare(lab: &Lab, host: &str) -> Result<(), LabError> {
    let disk = lab.disk(host);
    let about = lab.host(host)?;
    for folder in ["up", "work", "root"] {
        make(&disk.join(folder))?;
    }
    let up = disk.join("up");
    // the upper's own folder becomes the root folder of the host
    put(&up, "etc/hostname", &format!("{host}\n"))?;
    put(&up, "etc/machine-id", &format!("{}\n", machine_id(&lab.name, host)))?;
    if about.kind == HostKind::Node {
        lease_units(&up, about)
    } else {
        put(&up, WIRING, &wiring(about))?;
        unit(&up, "haoscar-lab-wiring.service", &wiring_unit())
    }
}

/// Addresses that stand in a machine's own network configuration, for `ip -batch`.
fn wiring(host: &LabHost) -> String {
    let mut lines = String::new();
    for port in &host.ports {
        let _ = writeln!(lines, "link set {} up", port.nic);
        for address in &port.addresses {
            let _ = writeln!(lines, "address add {address} dev {}{}", port.nic, without_doubt(address));
        }
    }
    for gateway in &host.gateways {
        let _ = writeln!(lines, "route add default via {gateway}");
    }
    lines
}

fn wiring_unit() -> String {
    format!(
        "[Unit]\nDescription=Addresses of this lab host\nDefaultDependencies=no\nBefore=network.target\n\
         Wants=network.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/usr/sbin/ip -force -batch /{WIRING}\n"
    )
}

/// A node asks for its addresses until somebody answers.
fn lease_units(up: &Utf8Path, host: &LabHost) -> Result<(), LabError> {
    let all: Vec<_> = host.ports.iter().map(|port| port.nic.as_str()).collect();
    let six: Vec<_> = host.ports.iter().filter(|port| port.dhcp6).map(|port| port.nic.as_str()).collect();
    // a DUID made of the MAC alone lets a server know a node by its MAC over IPv6 too
    for (version, duid, nics) in [(4, "", all), (6, " -D LL", six)] {
        if nics.is_empty() {
            continue;
        }
        let text = format!(
            "[Unit]\nDescription=DHCPv{version} client of this lab node\nStartLimitIntervalSec=0\n\n[Service]\n\
             ExecStart=/usr/sbin/dhclient -{version}{duid} -d -pf /run/dhclient{version}.pid \
             -lf /var/lib/dhcp/dhclient{version}.leases {}\nRestart=always\nRestartSec=500ms\n",
            nics.join(" ")
        );
        unit(up, &format!("haoscar-lab-dhcp{version}.service"), &text)?;
    }
    Ok(())
}

fn unit(up: &Utf8Path, name: &str, text: &str) -> Result<(), LabError> {
    put(up, &format!("{UNITS}/{name}"), text)?;
    let wants = up.join(UNITS).join("multi-user.target.wants");
    make(&wants)?;
    symlink(format!("/{UNITS}/{name}"), wants.join(name)).map_err(io(name))
}

fn put(up: &Utf8Path, path: &str, text: &str) -> Result<(), LabError> {
    let file = up.join(path);
    make(file.parent().unwrap_or(up))?;
    fs::write(&file, text).map_err(io(file.as_str()))
}

/// A file that can be run.
pub(crate) fn put_program(up: &Utf8Path, path: &str, text: &str) -> Result<(), LabError> {
    put(up, path, text)?;
    let file = up.join(path);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).map_err(io(file.as_str()))
}

fn make(folder: &Utf8Path) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(io(folder.as_str()))
}

/// The same host of the same lab has the same identity, as a machine that is installed once has.
fn machine_id(lab: &str, host: &str) -> String {
    Sha256::digest(format!("{lab}/{host}")).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

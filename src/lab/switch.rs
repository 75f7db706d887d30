//! The lab's switch: a network namespace with one bridge a network, and a port for every NIC of every host.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::error::{LabError, io};
use super::layout::{Layout, Port};
use super::process::Process;
use super::program;
use super::state::{Lab, switch_name};

/// Makes the namespace and its bridges.
pub(crate) fn build(lab: &str, layout: &Layout) -> Result<(), LabError> {
    program::run(&["ip", "netns", "add", &switch_name(lab)])?;
    let mut lines = String::from("link set lo up\n");
    for (number, wire) in layout.wires.values().enumerate() {
        let bridge = &wire.bridge;
        // of its own, or it changes with the ports: hosts would lose the switch's addresses when another host dies
        let mac = format!("02:68:61:6f:{:02x}:{:02x}", number / 256, number % 256);
        let _ =
            writeln!(lines, "link add {bridge} address {mac} type bridge forward_delay 0 mcast_snooping 0");
        let _ = writeln!(lines, "link set {bridge} up");
        for address in &wire.addresses {
            let _ = writeln!(lines, "address add {address} dev {bridge}{}", without_doubt(address));
        }
    }
    batch(lab, &lines)
}

/// Takes the namespace away, if it is there, with the clients that somebody started in it.
pub(crate) fn remove(lab: &str) -> Result<(), LabError> {
    let name = switch_name(lab);
    if std::path::Path::new("/run/netns").join(&name).exists() {
        let clients = program::run(&["ip", "netns", "pids", &name])?;
        for process in clients.lines().filter_map(|line| line.trim().parse().ok()).filter_map(Process::of) {
            process.kill();
        }
        program::run(&["ip", "netns", "delete", &name])?;
    }
    Ok(())
}

/// Plugs a host's NICs in: the far end of each port is born in the host's namespace.
pub(crate) fn plug(lab: &Lab, host: &str, pid: i32) -> Result<(), LabError> {
    let ports = &lab.host(host)?.ports;
    for port in ports {
        // the port of a host that has just died may linger for a moment
        let _ = program::run(&["ip", "-n", &lab.switch(), "link", "delete", &port.port]);
    }
    let mut lines = String::new();
    let pulled = lab.pulled(host);
    for Port { nic, port, network, mac, .. } in ports {
        let address = mac.as_ref().map(|mac| format!(" address {mac}")).unwrap_or_default();
        let _ = writeln!(lines, "link add {port} type veth peer name {nic}{address} netns {pid}");
        if let Some(wire) = lab.layout.wires.get(network) {
            let up = if pulled.contains(nic) { "" } else { " up" };
            let _ = writeln!(lines, "link set {port} master {}{up}", wire.bridge);
        }
    }
    batch(&lab.name, &lines)
}

/// Sets one port of a host up or down.
pub(crate) fn set_port(lab: &Lab, port: &Port, up: bool) -> Result<(), LabError> {
    program::run(&["ip", "-n", &lab.switch(), "link", "set", &port.port, if up { "up" } else { "down" }])
        .map(|_| ())
}

/// An address that is known to be nobody else's is usable at once.
pub(crate) fn without_doubt(address: &ipnet::IpNet) -> &'static str {
    if matches!(address, ipnet::IpNet::V6(_)) { " nodad" } else { "" }
}

fn batch(lab: &str, lines: &str) -> Result<(), LabError> {
    let missing = |source| io("ip")(source);
    let mut ip = Command::new("ip")
        .args(["-n", &switch_name(lab), "-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(lines.as_bytes()).map_err(io("ip"))?;
    }
    let output = ip.wait_with_output().map_err(io("ip"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::ProgramFailed { command: format!("ip -n {} -batch", switch_name(lab)), said })
}

//! Kea's HA hook, mode passive-backup: the Kea that serves tells one on each head of every lease, and the head that takes over has
//! what its copy of the storage lacks. Who serves is the engine's affair alone.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::kea::{DATA, Daemon};
use crate::backends::{Context, Part, Placement, folder, validator};
use crate::desired::{OnChange, Unit, UnitWant};
use crate::spec::{DhcpService, Problem};

/// Where Debian's kea-common has Kea's hooks.
const HOOKS: &str = "/usr/lib/x86_64-linux-gnu/kea/hooks";

/// State of those that are told; the family's digit follows.
pub(super) const TOLD: &str = "/var/lib/haoscar-leases";

/// What the servers of one family know of each other; null where nobody is told.
///
/// # Errors
/// `group/no-private-address`.
pub(super) fn values(
    daemon: &Daemon,
    service: &DhcpService,
    context: &Context<'_>,
) -> Result<Value, Problem> {
    if !service.ha_hook {
        return Ok(Value::Null);
    }
    let url = |address| format!("http://{}/", SocketAddr::from((address, daemon.told_port)));
    let (group, address) = (context.group.0, context.private_address()?);
    let primary = json!({ "name": group, "url": url(address), "role": "primary" }); // it is spoken to by nobody
    let backups =
        heads(context).map(|(name, address)| json!({ "name": name, "url": url(address), "role": "backup" }));
    let peers: Vec<_> = std::iter::once(primary).chain(backups).collect();
    Ok(json!({ "folder": HOOKS, "group": group, "peers": peers }))
}

/// The group's heads, each with its own address on the group's first private network.
fn heads<'a>(context: &'a Context<'_>) -> impl Iterator<Item = (&'a str, std::net::IpAddr)> {
    let network = context.private_networks().next().map(|(name, ..)| name);
    context.declared_heads().filter_map(move |(name, head)| {
        let nic = head.nics.values().find(|nic| Some(nic.network.as_str()) == network)?;
        Some((name.as_str(), nic.address))
    })
}

/// The Kea that is told, on each head; `subnets` as the one that serves numbers them.
///
/// # Errors
/// What a template says.
pub(super) fn told(
    daemon: &Daemon,
    subnets: &[Value],
    service: &DhcpService,
    context: &Context<'_>,
    part: &mut Part,
) -> Result<(), Problem> {
    if !service.ha_hook {
        return Ok(());
    }
    let (unit, family) = (format!("haoscar-leases{}", daemon.family), daemon.family);
    let name = format!("{unit}.service");
    let below = format!("/etc/kea/{unit}");
    let conf = format!("{below}/{}.conf", daemon.program); // its PID file is named after it, and AppArmor knows that one name
    let hook = values(daemon, service, context)?;
    for (head, _) in heads(context) {
        let host = || Placement::Host(head.to_owned());
        let values =
            json!({ "family": family, "data": DATA, "head": head, "hook": hook, "subnets": subnets });
        let file =
            context.file(&conf, "dhcp/kea/leases.conf.hbs", values, OnChange::Restart(name.clone()))?;
        part.files.push((host(), file));
        let argv = ["unshare", "--mount", "sh", "-c", &daemon.tests(), "sh", &format!("{{staged:{conf}}}")];
        part.checks.push((host(), validator(&format!("{} -t for {unit}", daemon.program), &argv)));
    }
    let allowed: Vec<_> =
        heads(context).map(|(_, address)| address).chain([context.private_address()?]).collect();
    let values = json!({
        "family": family, "unit": unit, "told": TOLD, "data": DATA, "program": daemon.program, "conf": conf, "allowed": allowed,
    });
    let path = format!("/etc/systemd/system/{name}");
    let restart = OnChange::DaemonReload(Some(name.clone()));
    part.files.push((Placement::Heads, context.file(path, "dhcp/kea/leases.service.hbs", values, restart)?));
    part.directories.push(folder(&below));
    part.units.push((Placement::Heads, Unit { name, want: UnitWant::Running }));
    part.packages.push((Placement::Heads, "kea-common".to_owned()));
    Ok(())
}

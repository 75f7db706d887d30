//! ISC Kea 2.2 to 3.0 (run with 2.2, 2.6 and 3.0): reservations by MAC, leases on the group's storage, bound to the group's address.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{boot_files, hook, lease_seconds, leases, options, reservations};
use crate::backends::{Backend, Context, Part, Placement, fingerprint, in_place, state_folder, validator};
use crate::desired::{Check, OnChange, Probe, Question, Reads, Rendered};
use crate::engines::Carried;
use crate::spec::{Cidr, DhcpService, Head, Network, Problem, Range};

/// The Kea backend.
pub struct Kea;

/// One family's daemon.
pub(super) struct Daemon {
    pub(super) family: char,
    unit: &'static str,
    conf: &'static str,
    template: &'static str,
    pub(super) program: &'static str,
    package: &'static str,
    socket: &'static str,
    /// Where the one on each head that is told of leases listens.
    pub(super) told_port: u16,
}

const V4: Daemon = Daemon {
    family: '4',
    unit: "kea-dhcp4-server.service",
    conf: "/etc/kea/kea-dhcp4.conf",
    template: "dhcp/kea/kea-dhcp4.conf.hbs",
    program: "kea-dhcp4",
    package: "kea-dhcp4-server",
    socket: "/run/kea/kea4-ctrl-socket",
    told_port: 8_004,
};

const V6: Daemon = Daemon {
    family: '6',
    unit: "kea-dhcp6-server.service",
    conf: "/etc/kea/kea-dhcp6.conf",
    template: "dhcp/kea/kea-dhcp6.conf.hbs",
    program: "kea-dhcp6",
    package: "kea-dhcp6-server",
    socket: "/run/kea/kea6-ctrl-socket",
    told_port: 8_006,
};

impl Daemon {
    /// The group's address of its family on a network.
    fn address(&self, network: &str, address: IpAddr, context: &Context<'_>) -> Option<IpAddr> {
        if self.family == '6' { context.address6(network) } else { Some(address) }
    }

    /// Words of a shell that ask it about the file `$1`.
    pub(super) fn tests(&self) -> String {
        in_place(self.conf, &format!("env KEA_LOCKFILE_DIR=none {} -t", self.program))
    }
}

impl Backend for Kea {
    type Service = DhcpService;

    fn name(&self) -> &'static str {
        "kea"
    }

    fn resolve(&self, service: &DhcpService, context: &Context<'_>) -> Result<Part, Problem> {
        context.private_address()?;
        let mut part = Part {
            directories: vec![state_folder(context.state()?, "_kea", "_kea", 0o750)],
            ..Part::default()
        };
        daemon(&V4, service, context, &mut part)?;
        if context
            .private_networks()
            .any(|(name, network, _)| network.cidr6.is_some() && context.address6(name).is_some())
        {
            daemon(&V6, service, context, &mut part)?;
        }
        leases(service, context, &mut part)?;
        Ok(part)
    }
}

fn daemon(
    daemon: &Daemon,
    service: &DhcpService,
    context: &Context<'_>,
    part: &mut Part,
) -> Result<(), Problem> {
    // heads whose cards have the same names have one text; it is long where there are many nodes
    let mut known: BTreeMap<Vec<Option<String>>, (Rendered, String)> = BTreeMap::new();
    for (name, head) in context.declared_heads() {
        let host = Placement::Host(name.clone());
        let cards = context.private_networks().map(|(network, ..)| Context::nic(head, network)).collect();
        let (conf, mark) = match known.entry(cards) {
            Entry::Occupied(same) => same.get().clone(),
            Entry::Vacant(new) => new.insert(conf(daemon, head, service, context)?).clone(),
        };
        part.files.push((host.clone(), conf));
        part.probes.push(loaded(daemon, mark, name, context));
        part.checks.push((host, check(daemon, head, context)));
    }
    let drop_in = format!("/etc/systemd/system/{}.d/haoscar.conf", daemon.unit);
    let values = json!({ "state": context.state()?, "data": DATA, "four": daemon.family == '4', "hook": service.ha_hook });
    // a reload with leases at another place than before would begin with none
    let restart = OnChange::DaemonReload(Some(daemon.unit.to_owned()));
    let file = context.file(drop_in, "dhcp/kea/reload.conf.hbs", values, restart)?;
    part.files.push((Placement::Heads, file));
    part.carried.push(Carried {
        recovery: service.recovery.clone(),
        ..Carried::moving(context.name, daemon.unit, Some(&question(daemon)))
    });
    part.packages.push((Placement::Heads, daemon.package.to_owned()));
    hook::told(daemon, &numbered(daemon, context), service, context, part)
}

/// What leases name their network by: its number, and its addresses of the family.
fn numbered(daemon: &Daemon, context: &Context<'_>) -> Vec<Value> {
    let subnets = context.private_networks().enumerate().filter_map(|(id, (name, _, address))| {
        let (cidr, _) = ranges(daemon.address(name, address, context)?, &context.cluster.networks[name]);
        Some(json!({ "id": id + 1, "cidr": cidr? }))
    });
    subnets.collect()
}

/// Whether the daemon answers (Kea's own `version-get`: nothing is changed or counted). A head without haoscar's program has
/// no way to speak to its socket, and asks nothing: a service must not stop for the want of it.
fn question(daemon: &Daemon) -> String {
    let ask = r#"{ "command": "version-get" }"#;
    format!("! command -v haoscar >/dev/null || haoscar serves {} '{ask}'", daemon.socket)
}

/// Kea reloads on a signal and only logs when it keeps the old configuration: what it runs with is asked, and the
/// mark in it is the one that was rendered (`config-get` gives the global user context back as it was read).
fn loaded(daemon: &Daemon, mark: String, head: &str, context: &Context<'_>) -> Probe {
    let send = r#"{ "command": "config-get" }"#.to_owned();
    let question = Question::Socket { path: daemon.socket.into(), send, timeout_ms: LOADED_TIMEOUT_MS };
    let (service, group) = (context.name.to_owned(), context.group.0.to_owned());
    Probe {
        service,
        group: Some(group),
        host: head.to_owned(),
        unit: daemon.unit.to_owned(),
        question,
        says: vec![mark],
        reads: Reads::OnReload,
        comments: false,
    }
}

/// A configuration of 100,000 reservations is told in about a second.
const LOADED_TIMEOUT_MS: u64 = 10_000;

/// Where Kea finds its state, which lies on the group's storage: from 2.6.3 on it writes leases nowhere else by itself, and under AppArmor no version does.
pub(super) const DATA: &str = "/var/lib/kea";

/// `kea-dhcp4 -t` wants the cards and the group's address to be there, and on a standby the address is not: it is
/// asked in a network namespace of its own that has them.
fn check(daemon: &Daemon, head: &Head, context: &Context<'_>) -> Check {
    let mut script = String::new();
    for (number, (name, _, address)) in context.private_networks().enumerate() {
        let Some(nic) = Context::nic(head, name) else { continue };
        script += &format!(
            "ip link add {nic} type veth peer name peer{number} && ip address add {address} dev {nic} && ip link set {nic} up && "
        );
    }
    script += &daemon.tests();
    let staged = format!("{{staged:{}}}", daemon.conf);
    let argv = ["unshare", "--net", "--mount", "sh", "-c", &script, "sh", &staged];
    validator(&format!("{} -t", daemon.program), &argv)
}

fn conf(
    daemon: &Daemon,
    head: &Head,
    service: &DhcpService,
    context: &Context<'_>,
) -> Result<(Rendered, String), Problem> {
    let mut subnets = Vec::new();
    for (id, (name, _, address)) in context.private_networks().enumerate() {
        let Some(nic) = Context::nic(head, name) else { continue };
        let address = daemon.address(name, address, context);
        subnets.extend(subnet(id + 1, name, &nic, address, context)?);
    }
    let seconds = lease_seconds(service);
    let mut values = json!({
        "state": context.state()?, "data": DATA, "lease": seconds, "renew": seconds / 2, "rebind": seconds * 7 / 8,
        "classes": classes(context), "subnets": subnets, "identifier": identifier(context),
        "hook": hook::values(daemon, service, context)?,
    });
    let mark = fingerprint(&values);
    values["mark"] = mark.clone().into();
    let file =
        context.file(daemon.conf, daemon.template, values, OnChange::Reload(daemon.unit.to_owned()))?;
    Ok((file, mark))
}

fn subnet(
    id: usize,
    name: &str,
    nic: &str,
    address: Option<IpAddr>,
    context: &Context<'_>,
) -> Result<Option<Value>, Problem> {
    let network = &context.cluster.networks[name];
    let Some(address) = address else { return Ok(None) };
    let (cidr, pool) = ranges(address, network);
    let reservations = reservations(name, address, context)?;
    let options: Vec<_> = options(network.gateway, address, context)
        .into_iter()
        .map(|(name, data)| json!({ "name": name, "data": data }))
        .collect();
    Ok(cidr.map(|cidr| {
        json!({
            "id": id, "cidr": cidr, "nic": nic, "address": address, "pool": pool.map(|p| p.to_string()),
            "options": options, "reservations": reservations,
        })
    }))
}

/// What a network has in the family of `address`.
fn ranges(address: IpAddr, network: &Network) -> (Option<Cidr>, Option<Range>) {
    match (address, network.cidr.0) {
        (IpAddr::V6(_), ipnet::IpNet::V4(_)) => (network.cidr6, network.pool6),
        _ => (Some(network.cidr), network.pool),
    }
}

/// The DHCPv6 server's identity: the group's, so that a move is no new server to its clients. In hex.
fn identifier(context: &Context<'_>) -> String {
    format!("{}/{}", context.cluster.name, context.group.0)
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Boot files by what asks, as Kea tests it: the first class that a client is in gives it its file.
fn classes(context: &Context<'_>) -> Vec<Value> {
    let class = |(firmware, file): (&str, String)| {
        let test = match firmware {
            "ipxe" => "option[77].hex == 'iPXE'",
            "bios" => "option[93].hex == 0x0000",
            "http" => "option[93].hex == 0x0010",
            _ => "option[93].hex == 0x0007 or option[93].hex == 0x0009 or option[93].hex == 0x000b",
        };
        json!({ "name": firmware, "test": test, "file": file, "http": firmware == "http" })
    };
    boot_files(context).into_iter().map(class).collect()
}

//! dnsmasq as DHCP server: one instance of its own beside that of names, moving with the group; DHCPv4.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{boot_files, lease_seconds, leases, options, reservations};
use crate::backends::boot::scripted;
use crate::backends::{Backend, Context, Part, Placement, folder, state_folder, validator};
use crate::desired::{OnChange, Rendered};
use crate::engines::Carried;
use crate::spec::{DhcpService, Network, Problem};

/// The dnsmasq backend of dhcp.
pub struct Dnsmasq;

pub(in crate::backends) const UNIT: &str = "haoscar-dhcp.service";
const CONF: &str = "/etc/haoscar/dhcp/dnsmasq.conf";
const HOSTS: &str = "/etc/haoscar/dhcp/hosts";

/// Leases beside the reservations: what a pool can hold, and not fewer than dnsmasq's own limit.
const LEASES_LEAST: usize = 1_000;

impl Backend for Dnsmasq {
    type Service = DhcpService;

    fn name(&self) -> &'static str {
        "dnsmasq"
    }

    fn resolve(&self, service: &DhcpService, context: &Context<'_>) -> Result<Part, Problem> {
        context.private_address()?;
        let (conf, hosts) = files(service, context)?;
        let unit = context.file(
            format!("/etc/systemd/system/{UNIT}"),
            "dhcp/dnsmasq/dhcp.service.hbs",
            json!({ "state": context.state()?, "conf": CONF }),
            OnChange::DaemonReload(None),
        )?;
        let test = ["dnsmasq", "--test", "-C", &format!("{{staged:{CONF}}}")];
        let mut part = Part {
            files: [conf, hosts, unit].map(|file| (Placement::Heads, file)).into(),
            directories: vec![
                folder("/etc/haoscar"),
                folder("/etc/haoscar/dhcp"),
                state_folder(context.state()?, "dnsmasq", "root", 0o750),
            ],
            carried: vec![Carried {
                recovery: service.recovery.clone(),
                ..Carried::moving(context.name, UNIT, None)
            }],
            packages: vec![(Placement::Heads, "dnsmasq".to_owned())],
            checks: vec![(Placement::Heads, validator("dnsmasq --test", &test))],
            ..Part::default()
        };
        leases(service, context, &mut part)?;
        Ok(part)
    }
}

fn files(service: &DhcpService, context: &Context<'_>) -> Result<(Rendered, Rendered), Problem> {
    let (mut subnets, mut reserved) = (Vec::new(), Vec::new());
    for (name, network, address) in context.private_networks().filter(|(_, _, address)| address.is_ipv4()) {
        subnets.push(subnet(name, network, address, context));
        reserved.extend(reservations(name, address, context)?);
    }
    let values = json!({
        "state": context.state()?, "hosts": HOSTS, "domain": context.cluster.domain, "lease": lease_seconds(service),
        "leases": LEASES_LEAST + 2 * reserved.len(), "subnets": subnets, "ipxe": scripted(context.cluster),
    });
    let conf =
        context.file(CONF, "dhcp/dnsmasq/dhcp.conf.hbs", values, OnChange::Restart(UNIT.to_owned()))?;
    let hosts = json!({ "reservations": reserved });
    let hosts = context.file(HOSTS, "dhcp/dnsmasq/hosts.hbs", hosts, OnChange::Reload(UNIT.to_owned()))?;
    Ok((conf, hosts))
}

fn subnet(name: &str, network: &Network, address: IpAddr, context: &Context<'_>) -> Value {
    let (first, last) = match network.pool {
        Some(pool) => (pool.first.to_string(), pool.last.to_string()),
        None => (network.cidr.0.network().to_string(), "static".to_owned()), // reservations alone
    };
    // a name of dnsmasq's own for what Kea calls otherwise
    let options: Vec<_> = options(network.gateway, address, context)
        .into_iter()
        .filter_map(|(name, data)| {
            let name = match name {
                "routers" => "router",
                "domain-name-servers" => "dns-server",
                "ntp-servers" => "ntp-server",
                _ => return None, // the domain is one for all
            };
            Some(json!({ "name": name, "data": data }))
        })
        .collect();
    let files = boot_files(context);
    let not_ipxe = if files.iter().any(|(asks, _)| *asks == "ipxe") { ",tag:!ipxe" } else { "" };
    let boot: Vec<_> = files
        .into_iter()
        .map(|(firmware, file)| match firmware {
            "ipxe" => json!({ "tags": "tag:ipxe", "file": file }),
            _ => json!({ "tags": format!("tag:{firmware}{not_ipxe}"), "file": file }),
        })
        .collect();
    json!({
        "name": name, "address": address, "netmask": network.cidr.0.netmask(), "first": first, "last": last,
        "options": options, "boot": boot,
    })
}

//! Addresses by DHCP.

mod dnsmasq;
mod kea;
mod lease;

use std::net::IpAddr;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

pub use dnsmasq::Dnsmasq;
pub use kea::Kea;
pub use lease::{LEASE_FILES, Lease, read as read_leases};

use crate::backends::{Backend, Context, Part, Placement};
use crate::desired::{Directory, Mode, OnChange, Owner, Rendered, names};
use crate::spec::{DhcpBackend, DhcpService, Problem, Span};

/// What the service's backend, as the spec names it, asks for.
///
/// # Errors
/// What the backend says.
pub fn resolve(service: &DhcpService, context: &Context<'_>) -> Result<Part, Problem> {
    match service.backend {
        DhcpBackend::Kea => Kea.resolve(service, context),
        DhcpBackend::Dnsmasq => Dnsmasq.resolve(service, context),
    }
}

/// Long enough that a night without a DHCP server is not noticed, short enough that a pool does not run dry.
const LEASE: Span = Span::from_millis(12 * 3_600_000);

/// Takes over what another backend has given out.
const LEASES: &str = "/usr/share/haoscar/leases";

/// What is called before the daemon starts, so that a change of the backend keeps the leases.
fn leases(service: &DhcpService, context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    let subnets = context.private_networks().enumerate().filter(|(_, (_, _, address))| address.is_ipv4());
    let subnets: Vec<_> =
        subnets.map(|(id, (_, network, _))| json!({ "id": id + 1, "cidr": network.cidr })).collect();
    let seconds = service.lease.unwrap_or(LEASE).as_millis() / 1000;
    let values = json!({ "lease": seconds, "subnets": subnets });
    let script = context.file(LEASES, "dhcp/leases.hbs", values, OnChange::Nothing)?;
    part.files.push((Placement::Heads, Rendered { mode: Mode(0o755), ..script }));
    part.directories.push(folder("/usr/share/haoscar"));
    Ok(())
}

fn folder(path: &str) -> (Placement, Directory) {
    let path = Utf8PathBuf::from(path);
    (Placement::Heads, Directory { path, owner: Owner::root(), mode: Mode(0o755), shared: false })
}

/// The nodes' own addresses on a network, by MAC, in the family of `address`.
fn reservations(network: &str, address: IpAddr, context: &Context<'_>) -> Result<Vec<Value>, Problem> {
    let nodes = names::nodes(context.cluster)?;
    let here =
        nodes.iter().filter(|node| node.network == network && node.address.is_ipv4() == address.is_ipv4());
    let known = here.filter_map(|node| {
        node.mac.map(|mac| json!({ "mac": mac, "address": node.address, "name": node.name }))
    });
    Ok(known.collect())
}

/// What clients are told beside their address: the group's own services, where the group has them. By Kea's names.
fn options(gateway: Option<IpAddr>, address: IpAddr, context: &Context<'_>) -> Vec<(&'static str, String)> {
    let has = |kind: &str| {
        let services = context.group.1.services.iter().filter_map(|name| context.cluster.services.get(name));
        services.into_iter().any(|service| service.kind() == kind)
    };
    let mut options = vec![("domain-name", context.cluster.domain.clone())];
    options.extend(gateway.map(|gateway| ("routers", gateway.to_string())));
    options.extend(has("names").then(|| ("domain-name-servers", address.to_string())));
    options.extend(has("time").then(|| ("ntp-servers", address.to_string())));
    options
}

//! Addresses by DHCP.

pub(super) mod dnsmasq;
mod hook;
mod kea;
mod lease;

use std::net::IpAddr;

use serde_json::{Value, json};

pub use dnsmasq::Dnsmasq;
pub use kea::Kea;
pub use lease::{LEASE_FILES, Lease, read as read_leases};

use crate::backends::{Backend, Context, Part, boot};
use crate::desired::{OnChange, names};
use crate::spec::{BootLoader, DhcpBackend, DhcpService, Problem, Service, Span};

/// The backend that the spec names.
pub fn backend(name: DhcpBackend) -> Box<dyn Backend<Service = DhcpService>> {
    match name {
        DhcpBackend::Kea => Box::new(Kea),
        DhcpBackend::Dnsmasq => Box::new(Dnsmasq),
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
    let values = json!({ "lease": lease_seconds(service), "subnets": subnets, "told": hook::TOLD });
    part.script(context.file(LEASES, "dhcp/leases.hbs", values, OnChange::Nothing)?);
    Ok(())
}

/// How long a lease lives, in seconds.
fn lease_seconds(service: &DhcpService) -> u64 {
    service.lease.unwrap_or(LEASE).as_millis() / 1000
}

/// The own addresses of nodes, and of heads that are built, on a network, by MAC, in the family of `address`.
fn reservations(network: &str, address: IpAddr, context: &Context<'_>) -> Result<Vec<Value>, Problem> {
    let nodes = names::nodes(context.cluster)?;
    let here =
        nodes.iter().filter(|node| node.network == network && node.address.is_ipv4() == address.is_ipv4());
    let known = here.filter_map(|node| {
        node.mac.map(|mac| json!({ "mac": mac, "address": node.address, "name": node.name }))
    });
    let heads = context.cluster.heads.iter().filter(|(_, head)| head.image.is_some());
    let cards = heads.flat_map(|(name, head)| head.nics.values().map(move |nic| (name, nic)));
    let built = cards.filter(|(_, nic)| nic.network == network).filter_map(|(name, nic)| {
        let own = nic.addresses().find(|own| own.is_ipv4() == address.is_ipv4())?;
        Some(json!({ "mac": nic.mac, "address": own, "name": name }))
    });
    Ok(built.chain(known).collect())
}

/// What clients are told beside their address: the group's own services, where the group has them. By Kea's names.
fn options(gateway: Option<IpAddr>, address: IpAddr, context: &Context<'_>) -> Vec<(&'static str, String)> {
    let has = |kind: &str| context.services().any(|service| service.kind() == kind);
    let mut options = vec![("domain-name", context.cluster.domain.clone())];
    options.extend(gateway.map(|gateway| ("routers", gateway.to_string())));
    options.extend(has("names").then(|| ("domain-name-servers", address.to_string())));
    options.extend(has("time").then(|| ("ntp-servers", address.to_string())));
    options
}

/// Boot files by what asks: `ipxe` itself (RFC 3004, option 77) where haoscar has a script for it, else the client's firmware: `bios`,
/// `uefi`, or `http` for a UEFI that wants its file by HTTP (RFC 4578, option 93; UEFI 2.10, 24.7), where the group has a boot
/// service. The first that fits is the one.
fn boot_files(context: &Context<'_>) -> Vec<(&'static str, String)> {
    let boot = context.services().find_map(|service| match service {
        Service::Boot(boot) => Some(boot),
        _ => None,
    });
    let Some(boot) = boot else { return Vec::new() };
    let scripted = boot::scripted(context.cluster);
    let or = |file: &Option<String>, own: &str| file.clone().or_else(|| scripted.then(|| own.to_owned()));
    let address = context.private_address().ok();
    let grub = boot.loader == BootLoader::Grub;
    let script = address.filter(|_| scripted && !grub).map(boot::script);
    let (bios, uefi) = if grub { (boot::GRUB_BIOS, boot::GRUB_UEFI) } else { (boot::BIOS, boot::UEFI) };
    let (bios, uefi) = (or(&boot.bios, bios), or(&boot.uefi, uefi));
    // GRUB of Debian 12 asks by HTTP at port 80 alone, and would find nothing more there
    let http = address.zip(uefi.as_ref()).filter(|_| !grub);
    let http = http.map(|(address, file)| boot::url(address, file));
    let files = [("ipxe", script), ("bios", bios), ("uefi", uefi), ("http", http)];
    files.into_iter().filter_map(|(asks, file)| Some((asks, file?))).collect()
}

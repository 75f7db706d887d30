//! What this machine says of itself for a first spec: its cards, and storage of other machines.

use std::net::{IpAddr, Ipv4Addr};

use camino::Utf8Path;
use ipnet::IpNet;

use super::machine::Machine;
use crate::spec::Mac;
use crate::spec::draft::{Card, Known};

/// File systems of other machines, as the kernel names them.
const SHARED: [&str; 9] =
    ["nfs", "nfs4", "ceph", "lustre", "gpfs", "beegfs", "fuse.glusterfs", "glusterfs", "fuse.sshfs"];

/// What it is.
pub fn known(machine: &dyn Machine) -> Known {
    let read = |path: &str| {
        let bytes = machine.read(Utf8Path::new(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let full = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (name, domain) = full.split_once('.').unwrap_or((&full, ""));
    Known {
        name: name.to_owned(),
        domain: if domain.is_empty() { search(&read("/etc/resolv.conf")) } else { domain.to_owned() },
        os: system(machine),
        cards: cards(&read("/proc/net/route")),
        mounts: mounts(&read("/proc/self/mounts")),
    }
}

/// The distribution, as os-release has it: `ID-VERSION_ID`.
pub fn system(machine: &dyn Machine) -> String {
    let release = machine.read(Utf8Path::new("/etc/os-release")).unwrap_or_default();
    let release = String::from_utf8_lossy(&release);
    let word = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"')
    };
    format!("{}-{}", word("ID"), word("VERSION_ID"))
}

/// Cards with an address, those with a gateway first; no bridge, and nothing of the machine's own.
fn cards(routes: &str) -> Vec<Card> {
    let interfaces = pnet_datalink::interfaces().into_iter();
    let real = interfaces.filter(|nic| {
        !nic.is_loopback() && !std::path::Path::new(&format!("/sys/class/net/{}/bridge", nic.name)).exists()
    });
    let card = |nic: pnet_datalink::NetworkInterface| {
        let mac: Mac = nic.mac?.to_string().parse().ok()?;
        let net = nic.ips.iter().find(|net| net.is_ipv4())?;
        let address = IpNet::new(net.ip(), net.prefix()).ok()?;
        let gateway = gateway(routes, &nic.name);
        Some(Card { name: nic.name, mac, address, gateway })
    };
    let mut cards: Vec<_> = real.filter_map(card).collect();
    cards.sort_by_key(|card| (card.gateway.is_none(), card.name.clone()));
    cards
}

/// The kernel's table of routes (proc_net(5)): card, destination and gateway as hex in the machine's order of bytes.
fn gateway(routes: &str, card: &str) -> Option<IpAddr> {
    routes.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, "00000000", gateway, ..] = words[..] else { return None };
        let bytes = u32::from_str_radix(gateway, 16).ok().filter(|gateway| name == card && *gateway != 0)?;
        Some(Ipv4Addr::from(bytes.to_ne_bytes()).into())
    })
}

fn search(resolv: &str) -> String {
    let of = |line: &str| line.strip_prefix("search ").or(line.strip_prefix("domain ")).map(str::to_owned);
    let first = resolv.lines().find_map(of).unwrap_or_default();
    first.split_whitespace().next().unwrap_or_default().to_owned()
}

fn mounts(table: &str) -> Vec<String> {
    let of = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, place, kind, ..] = words[..] else { return None };
        SHARED.contains(&kind).then(|| place.to_owned())
    };
    table.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_understood() {
        let routes = "Iface\tDestination\tGateway \tFlags\neno1\t00000000\t010200C0\t0003\neno1\t000200C0\t00000000\t0001\n";
        let wanted = if cfg!(target_endian = "little") { "192.0.2.1" } else { "1.2.0.192" };
        assert_eq!(gateway(routes, "eno1"), Some(wanted.parse().unwrap()));
        assert_eq!(gateway(routes, "eno2"), None);
        let table =
            "proc /proc proc rw 0 0\nfs1:/state /srv/state nfs4 rw,vers=4.2 0 0\n/dev/sda1 / ext4 rw 0 0\n";
        assert_eq!(mounts(table), ["/srv/state"]);
        assert_eq!(search("nameserver 10.20.0.10\nsearch oscar.example example\n"), "oscar.example");
    }
}

//! What is probed, derived from the spec. Pure: whoever calls adds how a node is entered.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::backends::scheduler::PBS_EXEC;
use crate::spec::{Access, Cluster, Export, Group, NetworkRole, NfsService, SchedulerBackend, Service};

/// Milliseconds between two probes of a protocol that we speak: the resolution of a drill. Measured to cost kea
/// under 3.5 % of a core.
pub const TICK_MS: u64 = 10;
/// Milliseconds between two writes to an export: every one is a stable write on the server's disk.
pub const WRITE_TICK_MS: u64 = 100;
/// Milliseconds between two questions to the scheduler: each starts a process.
pub const COMMAND_TICK_MS: u64 = 250;
/// Behind a service's name: the protocol below it answers, though it may not serve yet.
pub const RPC_SUFFIX: &str = "/rpc";
/// Behind a group's name: its address answers at all.
pub const ADDRESS_SUFFIX: &str = "/address";

const HTTP_PORT: u16 = 80;

/// How a target is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A TCP connection to a port that nothing serves: the refusal shows that the address is up.
    Address {
        /// The group's address.
        server: IpAddr,
    },
    /// ARP, or neighbour discovery: who holds the address. It gives no samples, only a line whenever another one answers.
    Owner {
        /// The group's address.
        address: IpAddr,
    },
    /// DHCPINFORM, which leaves no lease behind. The server's identifier must be `server`.
    Dhcp {
        /// The group's address.
        server: Ipv4Addr,
    },
    /// The A (or AAAA) record of `name`, which must be one of `addresses`.
    Names {
        /// The group's address.
        server: IpAddr,
        /// A fully qualified name.
        name: String,
        /// Every answer that is right.
        addresses: BTreeSet<IpAddr>,
    },
    /// NTP, mode 3, which must be answered by a synchronized server.
    Time {
        /// The group's address.
        server: IpAddr,
    },
    /// A GET over a new connection, which must be answered 200.
    Http {
        /// The group's address.
        server: IpAddr,
        /// TCP port.
        port: u16,
        /// The host as the URL writes it.
        host: String,
        /// The path with the query.
        path: String,
    },
    /// NFSv4 COMPOUND of PUTROOTFH, LOOKUPs and GETATTR on a standing connection: answered during grace too.
    NfsRpc {
        /// The group's address.
        server: IpAddr,
        /// An export, from the server's pseudo root; the root itself if empty.
        export: String,
    },
    /// NFSv4.1 OPEN, WRITE and CLOSE of a small file: answered only when grace is over.
    NfsWrite {
        /// The group's address.
        server: IpAddr,
        /// The file, from the server's pseudo root.
        file: String,
    },
    /// A command, cut after half a second, whose text (not its status: `scontrol ping` ends 0 with the controller
    /// down) must hold `says`.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// What a right answer holds.
        says: String,
    },
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTarget {
    /// The service's name in the spec; with a suffix where one service is seen in two ways.
    pub service: String,
    /// How it is asked.
    pub ask: Ask,
    /// Milliseconds between two probes.
    pub tick_ms: u64,
}

impl ProbeTarget {
    fn new(service: &str, ask: Ask) -> Self {
        let tick_ms = match ask {
            Ask::Command { .. } => COMMAND_TICK_MS,
            Ask::NfsWrite { .. } => WRITE_TICK_MS,
            _ => TICK_MS,
        };
        Self { service: service.to_owned(), ask, tick_ms }
    }

    /// Who holds the addresses of `group` on the network of the clients that ask, one target a family.
    pub fn owners(cluster: &Cluster, group: &Group) -> Vec<Self> {
        let Some((network, _)) = client_address(cluster, group) else { return Vec::new() };
        let addresses = [&group.addresses, &group.addresses6].map(|all| all.get(network).copied());
        let target = |address: IpAddr| Self::new(&format!("owner of {address}"), Ask::Owner { address });
        addresses.into_iter().flatten().map(target).collect()
    }

    /// The same with a command entering a node first (`nsenter … --`); other targets stay as they are.
    #[must_use]
    pub fn entering(mut self, prefix: &[String]) -> Self {
        if let Ask::Command { argv, .. } = &mut self.ask {
            argv.splice(0..0, prefix.iter().cloned());
        }
        self
    }

    /// The same with writes going to `folder` below each export, which must exist and be writable by anybody.
    #[must_use]
    pub fn writing_in(mut self, folder: &str) -> Self {
        if let Ask::NfsWrite { file, .. } = &mut self.ask
            && let Some((export, name)) = file.rsplit_once('/')
        {
            *file = format!("{export}/{folder}/{name}");
        }
        self
    }

    /// The folder that it writes in; none if it writes nothing.
    pub fn written_folder(&self) -> Option<&str> {
        match &self.ask {
            Ask::NfsWrite { file, .. } => file.rsplit_once('/').map(|(folder, _)| folder),
            _ => None,
        }
    }

    /// Whether it is a service's own view, not a help to tell phases apart.
    pub fn is_service(&self) -> bool {
        !self.service.ends_with(RPC_SUFFIX) && !self.service.ends_with(ADDRESS_SUFFIX)
    }
}

/// Everything that a client of `group` can see: its address, and each service that the prober can speak to. A
/// service that it cannot speak to (boot, ocf, a unit without an HTTP check) has no target.
pub fn probes_of(cluster: &Cluster, group: &str) -> Vec<ProbeTarget> {
    let Some(carrier) = cluster.groups.get(group) else { return Vec::new() };
    let Some((network, server)) = client_address(cluster, carrier) else { return Vec::new() };
    let address = ProbeTarget::new(&format!("{group}{ADDRESS_SUFFIX}"), Ask::Address { server });
    let services = carrier.services.iter().filter_map(|name| Some((name, cluster.services.get(name)?)));
    let client = Client { cluster, group: (group, carrier), network, server };
    std::iter::once(address)
        .chain(services.flat_map(|(name, service)| client.probes(name, service)))
        .collect()
}

/// The network of the clients that ask, and where they do: the first private one of the group, else any.
fn client_address<'a>(cluster: &Cluster, group: &'a Group) -> Option<(&'a str, IpAddr)> {
    let private =
        |network: &String| cluster.networks.get(network).is_some_and(|n| n.role == NetworkRole::Private);
    let inside = group.addresses.iter().find(|(network, _)| private(network));
    let any = || group.addresses.iter().chain(&group.addresses6).next();
    inside.or_else(any).map(|(network, address)| (network.as_str(), *address))
}

/// Who asks: somebody on `network`.
struct Client<'a> {
    cluster: &'a Cluster,
    group: (&'a str, &'a Group),
    network: &'a str,
    server: IpAddr,
}

impl Client<'_> {
    fn probes(&self, name: &str, service: &Service) -> Vec<ProbeTarget> {
        let server = self.server;
        let asks = match (service, server) {
            (Service::Dhcp(_), IpAddr::V4(server)) => vec![Ask::Dhcp { server }],
            (Service::Names(_), _) => vec![self.names()],
            (Service::Time(_), _) => vec![Ask::Time { server }],
            (Service::Nfs(nfs), _) => {
                let file = written_export(nfs, self.network).map(|e| format!("{}/probe", e.path));
                let write = file.map(|file| Ask::NfsWrite { server, file });
                let export = nfs.exports.iter().find(|export| export.to == self.network);
                let export = export.map(|export| export.path.to_string()).unwrap_or_default();
                let rpc = ProbeTarget::new(&format!("{name}{RPC_SUFFIX}"), Ask::NfsRpc { server, export });
                return write.map(|ask| ProbeTarget::new(name, ask)).into_iter().chain([rpc]).collect();
            }
            (Service::Scheduler(scheduler), _) => vec![command(scheduler.backend)],
            (Service::Unit(unit), _) => {
                let url = unit.check.as_ref().and_then(|check| check.http.as_deref());
                url.and_then(|url| http(url, server)).into_iter().collect()
            }
            (Service::Dhcp(_) | Service::Boot(_) | Service::Ocf(_), _) => Vec::new(),
        };
        asks.into_iter().map(|ask| ProbeTarget::new(name, ask)).collect()
    }

    fn names(&self) -> Ask {
        let (name, group) = self.group;
        let all = group.addresses.values().chain(group.addresses6.values());
        let name = format!("{name}.{}.", self.cluster.domain.trim_end_matches('.'));
        Ask::Names { server: self.server, name, addresses: all.copied().collect() }
    }
}

/// The export that a drill writes to: the first that clients on `network` may write.
fn written_export<'a>(nfs: &'a NfsService, network: &str) -> Option<&'a Export> {
    nfs.exports.iter().find(|e| e.access == Access::Rw && e.to == network)
}

fn command(backend: SchedulerBackend) -> Ask {
    let (argv, says) = match backend {
        SchedulerBackend::Slurm => (["scontrol".to_owned(), "ping".to_owned()], " is UP"),
        SchedulerBackend::Openpbs => ([format!("{PBS_EXEC}/bin/qstat"), "-B".to_owned()], "Active"),
    };
    Ask::Command { argv: argv.into(), says: says.to_owned() }
}

/// `http://{address}[:PORT]/PATH` at `server`; none for what is not plain HTTP.
fn http(url: &str, server: IpAddr) -> Option<Ask> {
    let shown = if server.is_ipv6() { format!("[{server}]") } else { server.to_string() };
    let url = url.replace("{address}", &shown);
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port =
        host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).and_then(|(_, p)| p.parse().ok());
    Some(Ask::Http {
        server,
        port: port.unwrap_or(HTTP_PORT),
        host: host.to_owned(),
        path: format!("/{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "haoscar/v1", "kind": "Cluster", "name": "oscar", "domain": "oscar.example",
            "networks": {
                "public": { "role": "public", "cidr": "192.0.2.0/24" },
                "inside": { "role": "private", "cidr": "10.20.0.0/16" },
            },
            "heads": {},
            "groups": { "control": {
                "heads": ["head-1"],
                "addresses": { "public": "192.0.2.10", "inside": "10.20.0.10" },
                "services": ["dhcp", "boot", "names", "time", "home", "scheduler", "portal"],
            } },
            "services": {
                "dhcp": { "kind": "dhcp" }, "boot": { "kind": "boot" }, "names": { "kind": "names" },
                "time": { "kind": "time" },
                "home": { "kind": "nfs", "exports": [
                    { "path": "/srv/state/apps", "to": "inside" },
                    { "path": "/srv/state/web", "to": "public", "access": "rw" },
                    { "path": "/srv/state/home", "to": "inside", "access": "rw" },
                ] },
                "scheduler": { "kind": "scheduler", "backend": "slurm" },
                "portal": { "kind": "unit", "unit": "apache2.service",
                    "check": { "http": "http://{address}:8080/health?deep=1" } },
            },
        }))
        .unwrap()
    }

    fn ask(service: &str) -> Option<Ask> {
        probes_of(&cluster(), "control").into_iter().find(|t| t.service == service).map(|t| t.ask)
    }

    #[test]
    fn every_service_that_we_can_speak_to_has_a_target_at_the_inside_address() {
        let targets = probes_of(&cluster(), "control");
        let names: Vec<(&str, u64)> = targets.iter().map(|t| (t.service.as_str(), t.tick_ms)).collect();
        let expected = [
            ("control/address", 10),
            ("dhcp", 10),
            ("names", 10),
            ("time", 10),
            ("home", 100),
            ("home/rpc", 10),
            ("scheduler", 250),
            ("portal", 10),
        ];
        assert_eq!(names, expected);
        assert_eq!(ask("dhcp"), Some(Ask::Dhcp { server: [10, 20, 0, 10].into() }));
        assert_eq!(probes_of(&cluster(), "no-such-group"), []);
    }

    #[test]
    fn the_name_asked_is_the_groups_and_each_of_its_addresses_is_right() {
        let Some(Ask::Names { name, addresses, .. }) = ask("names") else { panic!("no names") };
        assert_eq!(name, "control.oscar.example.");
        let both: BTreeSet<IpAddr> =
            ["192.0.2.10", "10.20.0.10"].iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(addresses, both);
    }

    #[test]
    fn a_check_with_a_port_is_asked_at_that_port() {
        let Some(Ask::Http { port, host, path, .. }) = ask("portal") else { panic!("no portal") };
        assert_eq!((port, host.as_str(), path.as_str()), (8080, "10.20.0.10:8080", "/health?deep=1"));
        assert_eq!(http("https://{address}/", IpAddr::from([10, 20, 0, 10])), None);
        let six = http("http://{address}/", "2001:db8::1".parse().unwrap());
        assert!(matches!(six, Some(Ask::Http { port: 80, .. })));
    }

    #[test]
    fn only_an_export_that_this_client_may_write_is_written_to() {
        let home = probes_of(&cluster(), "control").into_iter().find(|t| t.service == "home").unwrap();
        let home = home.writing_in("drill-1");
        assert_eq!(home.written_folder(), Some("/srv/state/home/drill-1"));
        let Ask::NfsWrite { file, .. } = home.ask else { panic!("no writer") };
        assert_eq!(file, "/srv/state/home/drill-1/probe");
    }

    #[test]
    fn only_a_command_enters_a_node() {
        let prefix = ["nsenter".to_owned(), "--".to_owned()];
        let targets = probes_of(&cluster(), "control").into_iter().map(|t| t.entering(&prefix));
        let commands: Vec<Vec<String>> = targets
            .filter_map(|t| if let Ask::Command { argv, .. } = t.ask { Some(argv) } else { None })
            .collect();
        assert_eq!(commands, [["nsenter", "--", "scontrol", "ping"]]);
    }
}

//! One thread a target, all saying their lines into one channel until they are told to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use hickory_proto::rr::{Name, RecordType};

use super::clock::monotonic_us;
use super::{
    Ask, Line, ProbeTarget, Sample, address, command, dhcp, http, names, nfs, nfs_write, owner, tcp, time,
    udp,
};

const DHCP_SERVER_PORT: u16 = 67;
const DHCP_CLIENT_PORT: u16 = 68;
const DNS_PORT: u16 = 53;
const NTP_PORT: u16 = 123;

/// Why a target cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeProblem {
    /// No socket toward the server: no route, no own address, or the port is taken.
    #[error("no socket toward {server}")]
    Socket {
        /// The server.
        server: SocketAddr,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The name is no DNS name.
    #[error("`{name}` is no DNS name")]
    Name {
        /// The name.
        name: String,
    },
    /// DHCP toward IPv4 only.
    #[error("the own address toward {server} is not IPv4")]
    Family {
        /// The server.
        server: SocketAddr,
    },
}

/// Where a probe's lines go.
pub(super) struct Outlet<'a> {
    lines: Sender<Line>,
    open: &'a AtomicBool,
}

impl Outlet<'_> {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// A reader that is gone ends the probes too.
    pub(super) fn line(&self, line: Line) {
        if self.lines.send(line).is_err() {
            self.open.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn sample(&self, sample: Sample) {
        self.line(Line::Sample(sample));
    }

    pub(super) fn late(&self, service: &str, ticks: u64) {
        if ticks > 0 {
            self.line(Line::Late { service: service.to_owned(), at_us: monotonic_us(), ticks });
        }
    }

    pub(super) fn broken(&self, service: &str, reason: &str) {
        self.line(Line::Broken { service: service.to_owned(), reason: reason.to_owned() });
    }
}

/// Probes every target until `open` is false or nobody reads `lines`. Must run in the network namespace of a
/// client, with an address in the servers' subnet.
pub fn run(targets: &[ProbeTarget], open: &AtomicBool, lines: &Sender<Line>) {
    std::thread::scope(|scope| {
        for target in targets {
            let outlet = Outlet { lines: lines.clone(), open };
            scope.spawn(move || {
                if let Err(problem) = probe(target, &outlet) {
                    let source = std::error::Error::source(&problem).map(|s| format!(": {s}"));
                    outlet.broken(&target.service, &format!("{problem}{}", source.unwrap_or_default()));
                }
            });
        }
    });
}

fn probe(target: &ProbeTarget, outlet: &Outlet) -> Result<(), ProbeProblem> {
    match &target.ask {
        Ask::Address { server } => {
            tcp::probe(target, SocketAddr::new(*server, address::PORT), &address::Knock, outlet);
        }
        Ask::Owner { address } => owner::probe(target, *address, outlet),
        Ask::Dhcp { server } => {
            let at = SocketAddr::new(IpAddr::V4(*server), DHCP_SERVER_PORT);
            let socket = opened(at, udp::open_on(at, DHCP_CLIENT_PORT))?;
            let Ok(SocketAddr::V4(own)) = socket.local_addr() else {
                return Err(ProbeProblem::Family { server: at });
            };
            let inform = dhcp::Inform { client: *own.ip(), server: *server };
            udp::probe(target, &inform, (&socket, at), outlet);
        }
        Ask::Names { server, name, addresses } => {
            let kind = if server.is_ipv6() { RecordType::AAAA } else { RecordType::A };
            let fqdn = Name::from_ascii(name).map_err(|_| ProbeProblem::Name { name: name.clone() })?;
            let lookup = names::Lookup { name: fqdn, kind, addresses: addresses.clone() };
            let at = SocketAddr::new(*server, DNS_PORT);
            udp::probe(target, &lookup, (&opened(at, udp::open(at))?, at), outlet);
        }
        Ask::Time { server } => {
            let at = SocketAddr::new(*server, NTP_PORT);
            udp::probe(target, &time::Clock, (&opened(at, udp::open(at))?, at), outlet);
        }
        Ask::Http { server, port, host, path } => {
            let get = http::Get { host: host.clone(), path: path.clone() };
            tcp::probe(target, SocketAddr::new(*server, *port), &get, outlet);
        }
        Ask::NfsRpc { server, export } => {
            tcp::probe(target, SocketAddr::new(*server, nfs::PORT), &nfs::Attributes { export }, outlet);
        }
        Ask::NfsWrite { server, file } => nfs_write::probe(target, *server, file, outlet),
        Ask::Command { argv, says } => command::probe(target, argv, says, outlet),
    }
    Ok(())
}

fn opened(
    server: SocketAddr,
    socket: std::io::Result<std::net::UdpSocket>,
) -> Result<std::net::UdpSocket, ProbeProblem> {
    socket.map_err(|source| ProbeProblem::Socket { server, source })
}

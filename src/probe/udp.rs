//! One UDP service, asked on every tick over one socket; answers are matched by their id, so that a lost one
//! delays none behind it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, sockopt};
use nix::sys::time::{TimeSpec, TimeValLike};

use super::clock::{Ticker, monotonic_us};
use super::run::Outlet;
use super::{Answer, ProbeTarget, Sample};

/// An answer that comes later than this is none: no client of ours waits longer before it asks again.
const ANSWER_MAX_US: u64 = 500_000;
const DATAGRAM_BYTES: usize = 4_096;

/// What is asked over UDP.
pub(super) trait Question {
    /// The datagram that asks, with `id` in it.
    fn ask(&self, id: u16) -> Vec<u8>;
    /// The id and our verdict; none for what is no answer to us.
    fn read(&self, datagram: &[u8]) -> Option<(u16, Answer)>;
}

/// A socket that talks to `server` alone, from this machine's own address toward it.
pub(super) fn open(server: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = open_on(server, 0)?;
    socket.connect(server)?;
    Ok(socket)
}

/// A socket on `port` of this machine's own address toward `server`, which hears everybody: a DHCP server answers from whichever
/// of its addresses, and says in the answer who it is. A DHCP client may hold the same port on the wildcard address.
pub(super) fn open_on(server: SocketAddr, port: u16) -> std::io::Result<UdpSocket> {
    let family = if server.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let own = UdpSocket::bind(SocketAddr::new(unspecified(server.ip()), 0))?;
    own.connect(server)?;
    let own = SocketAddr::new(own.local_addr()?.ip(), port);
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(family, SockType::Datagram, flags, None)?;
    socket::setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(own))?;
    Ok(UdpSocket::from(fd))
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Asks until the outlet is closed.
pub(super) fn probe(
    target: &ProbeTarget,
    question: &impl Question,
    (socket, server): (&UdpSocket, SocketAddr),
    outlet: &Outlet,
) {
    let mut ticker = Ticker::new(monotonic_us(), target.tick_ms);
    let mut waiting: BTreeMap<u16, u64> = BTreeMap::new();
    let mut id: u16 = 0;
    let mut late = 0;
    while outlet.is_open() {
        wait(socket, ticker.wait_us(monotonic_us()));
        read_all(target, question, socket, &mut waiting, outlet);
        let now = monotonic_us();
        if !ticker.take(now) {
            continue;
        }
        outlet.late(&target.service, ticker.late - late);
        late = ticker.late;
        give_up(target, &mut waiting, now, outlet);
        id = id.wrapping_add(1);
        waiting.insert(id, now);
        let datagram = question.ask(id);
        // the first send may only hand over the refusal of the one before
        if socket.send_to(&datagram, server).is_err() {
            let _ = socket.send_to(&datagram, server);
        }
    }
}

fn wait(socket: &UdpSocket, us: u64) {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let timeout = TimeSpec::microseconds(i64::try_from(us).unwrap_or(i64::MAX));
    let _ = ppoll(&mut fds, Some(timeout), None);
}

fn read_all(
    target: &ProbeTarget,
    question: &impl Question,
    socket: &UdpSocket,
    waiting: &mut BTreeMap<u16, u64>,
    outlet: &Outlet,
) {
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let Some((id, answer)) = buffer.get(..length).and_then(|d| question.read(d)) else {
                    continue;
                };
                let Some(asked_us) = waiting.remove(&id) else { continue };
                outlet.sample(Sample {
                    service: target.service.clone(),
                    asked_us,
                    ended_us: monotonic_us(),
                    answer,
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => return, // a refusal: the probe that it belongs to stays without an answer
        }
    }
}

fn give_up(target: &ProbeTarget, waiting: &mut BTreeMap<u16, u64>, now: u64, outlet: &Outlet) {
    waiting.retain(|_, asked_us| {
        let keep = now - *asked_us < ANSWER_MAX_US;
        if !keep {
            let (service, asked_us) = (target.service.clone(), *asked_us);
            outlet.sample(Sample { service, asked_us, ended_us: now, answer: Answer::Silent });
        }
        keep
    });
}

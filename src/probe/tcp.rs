//! One TCP service, asked on every tick. While it answers, a standing connection is used (or a new one each tick,
//! where that is the question); while it does not, every tick opens a new one, because a SYN sent into the gap
//! would wait a second for its repetition.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};
use nix::sys::time::{TimeSpec, TimeValLike};

use super::clock::{Ticker, monotonic_us};
use super::run::Outlet;
use super::{Answer, ProbeTarget, Sample};

/// A connection that is silent for longer is given up.
pub(super) const SILENCE_MAX_US: u64 = 100_000;
const READ_BYTES: usize = 16_384;

/// What is asked over TCP.
pub(super) trait Dialogue {
    /// Whether a connection that answered is used again.
    fn stands(&self) -> bool;
    /// The bytes that ask, with `id` in them where connections stand.
    fn ask(&self, id: u32) -> Vec<u8>;
    /// Takes one whole answer off the front of `bytes`: its id (none: the only one asked) and our verdict.
    fn read(&self, bytes: &mut Vec<u8>) -> Option<(Option<u32>, Answer)>;
    /// What a refused connection says.
    fn refused(&self) -> Answer {
        Answer::NotYet("refused".to_owned())
    }
    /// Whether the connection itself is the answer.
    fn opening_answers(&self) -> bool {
        false
    }
}

struct Connection {
    stream: TcpStream,
    open: bool,
    answered: bool,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    asked: BTreeMap<u32, u64>,
}

/// Asks until the outlet is closed.
pub(super) fn probe(target: &ProbeTarget, server: SocketAddr, dialogue: &impl Dialogue, outlet: &Outlet) {
    let mut ticker = Ticker::new(monotonic_us(), target.tick_ms);
    let mut connections: Vec<Connection> = Vec::new();
    let mut client = Client { target, dialogue, outlet, id: 0 };
    let mut late = 0;
    while outlet.is_open() {
        wait(&connections, ticker.wait_us(monotonic_us()));
        connections.retain_mut(|connection| client.advance(connection));
        let now = monotonic_us();
        if ticker.take(now) {
            outlet.late(&target.service, ticker.late - late);
            late = ticker.late;
            connections.retain_mut(|connection| client.keep(connection, now));
            client.ask(&mut connections, server, now);
        }
    }
}

fn wait(connections: &[Connection], us: u64) {
    let events = |c: &Connection| {
        if c.open && c.unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    };
    let mut fds: Vec<PollFd<'_>> =
        connections.iter().map(|c| PollFd::new(c.stream.as_fd(), events(c))).collect();
    let timeout = TimeSpec::microseconds(i64::try_from(us).unwrap_or(i64::MAX));
    let _ = ppoll(&mut fds, Some(timeout), None);
}

struct Client<'a, D> {
    target: &'a ProbeTarget,
    dialogue: &'a D,
    outlet: &'a Outlet<'a>,
    id: u32,
}

impl<D: Dialogue> Client<'_, D> {
    fn ask(&mut self, connections: &mut Vec<Connection>, server: SocketAddr, now: u64) {
        self.id = self.id.wrapping_add(1);
        let request = self.dialogue.ask(self.id);
        let standing = connections.iter_mut().find(|c| self.dialogue.stands() && c.answered);
        if let Some(connection) = standing {
            connection.unsent.extend(request);
            connection.asked.insert(self.id, now);
            return;
        }
        match open(server) {
            Ok(stream) => connections.push(Connection {
                stream,
                open: false,
                answered: false,
                unsent: request,
                unread: Vec::new(),
                asked: BTreeMap::from([(self.id, now)]),
            }),
            Err(Errno::ECONNREFUSED) => self.say(now, self.dialogue.refused()),
            Err(_) => self.say(now, Answer::Silent),
        }
    }

    fn say(&self, asked_us: u64, answer: Answer) {
        let service = self.target.service.clone();
        self.outlet.sample(Sample { service, asked_us, ended_us: monotonic_us(), answer });
    }

    fn say_of_all(&self, connection: &mut Connection, answer: &Answer) {
        for (_, asked_us) in std::mem::take(&mut connection.asked) {
            self.say(asked_us, answer.clone());
        }
    }

    /// Whether the connection is still of use at a tick.
    fn keep(&self, connection: &mut Connection, now: u64) -> bool {
        let oldest = connection.asked.values().next().copied().unwrap_or(now);
        if now - oldest < SILENCE_MAX_US {
            return true;
        }
        self.say_of_all(connection, &Answer::Silent);
        false
    }

    /// Connects, sends and reads what it can; false when the connection is done with.
    fn advance(&self, connection: &mut Connection) -> bool {
        if !connection.open {
            match opened(&connection.stream) {
                Ok(false) => return true,
                Ok(true) => connection.open = true,
                Err(error) => return self.ended(connection, error.kind()),
            }
            if self.dialogue.opening_answers() {
                self.say_of_all(connection, &Answer::Good);
                return false;
            }
        }
        match exchange(connection) {
            Err(kind) => {
                self.answers(connection);
                self.ended(connection, kind)
            }
            Ok(()) => {
                self.answers(connection);
                self.dialogue.stands() || !connection.answered
            }
        }
    }

    fn ended(&self, connection: &mut Connection, kind: ErrorKind) -> bool {
        let refused = kind == ErrorKind::ConnectionRefused;
        let answer = if refused { self.dialogue.refused() } else { Answer::Silent };
        self.say_of_all(connection, &answer);
        false
    }

    fn answers(&self, connection: &mut Connection) {
        while let Some((id, answer)) = self.dialogue.read(&mut connection.unread) {
            let id = id.or_else(|| connection.asked.keys().next().copied());
            if let Some(asked_us) = id.and_then(|id| connection.asked.remove(&id)) {
                connection.answered = true;
                self.say(asked_us, answer);
            }
        }
    }
}

fn open(server: SocketAddr) -> Result<TcpStream, Errno> {
    let family = if server.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket::socket(family, SockType::Stream, flags, None)?;
    match socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(server)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(error) => Err(error),
    }
}

fn opened(stream: &TcpStream) -> std::io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => {
            let _ = stream.set_nodelay(true);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends what is unsent and reads what has come, without waiting.
fn exchange(connection: &mut Connection) -> Result<(), ErrorKind> {
    while !connection.unsent.is_empty() {
        match connection.stream.write(&connection.unsent) {
            Ok(sent) => drop(connection.unsent.drain(..sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.kind()),
        }
    }
    let mut buffer = [0; READ_BYTES];
    loop {
        match connection.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof),
            Ok(length) => connection.unread.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.kind()),
        }
    }
}

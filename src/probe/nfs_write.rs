//! A writer over NFSv4.1: it shows when an export takes state again (after grace), and which writes the server
//! said to be on its disk.
//!
//! 4.1 and not 4.0, because a client that cannot say RECLAIM_COMPLETE holds every other client in grace to its
//! end. One client id is used again and again, and nothing stays open between two writes.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::clock::{Ticker, monotonic_us};
use super::nfs::{NFS4_OK, NFS4ERR_DELAY, NFS4ERR_GRACE, PORT, compound, from_root, reply, take_message};
use super::run::Outlet;
use super::tcp::SILENCE_MAX_US;
use super::xdr::{Decoder, Encoder};
use super::{Answer, Line, ProbeTarget, Sample};

const OP_CLOSE: u32 = 4;
const OP_OPEN: u32 = 18;
const OP_WRITE: u32 = 38;
const OP_EXCHANGE_ID: u32 = 42;
const OP_CREATE_SESSION: u32 = 43;
const OP_SEQUENCE: u32 = 53;
const OP_RECLAIM_COMPLETE: u32 = 58;

const NFS4ERR_NOSPC: u32 = 28;
const NFS4ERR_EXPIRED: u32 = 10_011;
const NFS4ERR_STALE_CLIENTID: u32 = 10_022;
const NFS4ERR_BADSESSION: u32 = 10_052;
const NFS4ERR_COMPLETE_ALREADY: u32 = 10_054;
const NFS4ERR_SEQ_MISORDERED: u32 = 10_063;
const NFS4ERR_DEADSESSION: u32 = 10_078;

const WRITE_AND_NO_DELEGATION: u32 = 0x0002 | 0x0400;
const FILE_SYNC: u32 = 2;
/// The stateid of the operation before, in the same COMPOUND (RFC 8881 section 16.2.3.1.2).
const CURRENT_STATEID: [u8; 16] = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// A stable write may wait for a disk longer than a packet for its way.
const DISK_MAX: Duration = Duration::from_millis(500);
/// A record is its number in decimal, padded, and a newline: a block of its own, so that a full disk refuses the next one.
const RECORD_BYTES: usize = 4_096;

/// Why a write was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum WriteProblem {
    /// The connection did not come up, or broke.
    #[error("nfs server {server} does not talk")]
    Connection {
        /// The server.
        server: SocketAddr,
        /// What the socket said.
        #[source]
        source: std::io::Error,
    },
    /// The server refused an operation.
    #[error("nfs server refused {operation} with status {status}")]
    Status {
        /// What was asked.
        operation: &'static str,
        /// The NFS status.
        status: u32,
    },
    /// The server's answer makes no sense.
    #[error("nfs server's answer to {operation} cannot be read")]
    Garbled {
        /// What was asked.
        operation: &'static str,
    },
}

/// Record numbers of `acknowledged` that `file` does not hold at their place.
pub fn missing_records(file: &[u8], acknowledged: &[u64]) -> Vec<u64> {
    let holds = |record: &u64| {
        let at = usize::try_from(*record).unwrap_or(usize::MAX).saturating_mul(RECORD_BYTES);
        file.get(at..at.saturating_add(RECORD_BYTES)) == Some(text_of(*record).as_bytes())
    };
    acknowledged.iter().filter(|record| !holds(record)).copied().collect()
}

fn text_of(record: u64) -> String {
    format!("{record:0width$}\n", width = RECORD_BYTES - 1)
}

/// Writes one record a tick until the outlet is closed.
pub(super) fn probe(target: &ProbeTarget, server: IpAddr, file: &str, outlet: &Outlet) {
    let mut ticker = Ticker::new(monotonic_us(), target.tick_ms);
    let mut writer = Writer::new(SocketAddr::new(server, PORT), file);
    let (mut record, mut late) = (0, 0);
    while outlet.is_open() {
        std::thread::sleep(Duration::from_micros(ticker.wait_us(monotonic_us())));
        let asked_us = monotonic_us();
        if !ticker.take(asked_us) {
            continue;
        }
        outlet.late(&target.service, ticker.late - late);
        late = ticker.late;
        let answer = match writer.write(record) {
            Ok(()) => {
                outlet.line(Line::Wrote { service: target.service.clone(), record });
                record += 1;
                Answer::Good
            }
            Err(problem) => meaning(&problem),
        };
        let service = target.service.clone();
        outlet.sample(Sample { service, asked_us, ended_us: monotonic_us(), answer });
    }
}

fn meaning(problem: &WriteProblem) -> Answer {
    match problem {
        WriteProblem::Connection { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            Answer::NotYet("refused".to_owned())
        }
        WriteProblem::Connection { .. } => Answer::Silent,
        WriteProblem::Status { status: NFS4ERR_GRACE, .. } => Answer::NotYet("grace".to_owned()),
        WriteProblem::Status { status: NFS4ERR_DELAY, .. } => Answer::NotYet("delay".to_owned()),
        WriteProblem::Status { status: NFS4ERR_NOSPC, .. } => Answer::NotYet("no space left".to_owned()),
        other => Answer::Wrong(other.to_string()),
    }
}

struct Session {
    id: [u8; 16],
    client: u64,
    sequence: u32,
    /// RECLAIM_COMPLETE is said: without it every OPEN is refused as in grace.
    complete: bool,
}

struct Writer {
    server: SocketAddr,
    folder: String,
    name: String,
    owner: String,
    verifier: [u8; 8],
    stream: Option<TcpStream>,
    session: Option<Session>,
    xid: u32,
}

impl Writer {
    fn new(server: SocketAddr, file: &str) -> Self {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let started = monotonic_us();
        Self {
            server,
            folder: folder.to_owned(),
            name: name.to_owned(),
            owner: "haoscar-probe".to_owned(),
            verifier: started.to_be_bytes(),
            stream: None,
            session: None,
            xid: 0,
        }
    }

    /// Writes `record` and has it acknowledged as stable. A session that the server forgot is made anew, once.
    fn write(&mut self, record: u64) -> Result<(), WriteProblem> {
        let forgotten = |status| {
            matches!(
                status,
                NFS4ERR_BADSESSION
                    | NFS4ERR_DEADSESSION
                    | NFS4ERR_STALE_CLIENTID
                    | NFS4ERR_EXPIRED
                    | NFS4ERR_SEQ_MISORDERED
            )
        };
        match self.try_write(record) {
            Err(WriteProblem::Status { status, .. }) if forgotten(status) => {
                self.session = None;
                self.try_write(record)
            }
            other => other,
        }
    }

    fn try_write(&mut self, record: u64) -> Result<(), WriteProblem> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.begin()?,
        };
        let written = self.in_session(&mut session, record);
        self.session = Some(session);
        written
    }

    fn in_session(&mut self, session: &mut Session, record: u64) -> Result<(), WriteProblem> {
        if !session.complete {
            let operations = self.sequence(session, &[OP_RECLAIM_COMPLETE, 0]);
            match self.call("RECLAIM_COMPLETE", 2, &operations) {
                Ok(_) | Err(WriteProblem::Status { status: NFS4ERR_COMPLETE_ALREADY, .. }) => {
                    session.complete = true;
                }
                Err(problem) => return Err(problem),
            }
        }
        let (count, operations) = self.open_write_close(session, record);
        self.call("OPEN, WRITE, CLOSE", count, &operations).map(drop)
    }

    fn sequence(&self, session: &mut Session, rest: &[u32]) -> Vec<u8> {
        session.sequence += 1;
        let mut operations = Encoder::default();
        // slot 0, highest slot 0, and nothing cached
        operations.u32(OP_SEQUENCE).fixed(&session.id).all(&[session.sequence, 0, 0, 0]).all(rest);
        operations.0
    }

    fn open_write_close(&self, session: &mut Session, record: u64) -> (u32, Vec<u8>) {
        let mut operations = Encoder(self.sequence(session, &[]));
        let above = from_root(&self.folder, &mut operations);
        operations.all(&[OP_OPEN, 0, WRITE_AND_NO_DELEGATION, 0]);
        operations.u64(session.client).opaque(self.owner.as_bytes());
        // create, unchecked, mode 0666 (attribute 33), by name
        operations.all(&[1, 0, 2, 0, 1 << 1]).opaque(&0o666_u32.to_be_bytes()).u32(0);
        operations.opaque(self.name.as_bytes());
        let text = text_of(record);
        operations.u32(OP_WRITE).fixed(&CURRENT_STATEID).u64(record * RECORD_BYTES as u64);
        operations.u32(FILE_SYNC).opaque(text.as_bytes());
        operations.all(&[OP_CLOSE, 0]).fixed(&CURRENT_STATEID);
        (above + 4, operations.0)
    }

    fn begin(&mut self) -> Result<Session, WriteProblem> {
        let mut operations = Encoder::default();
        operations.u32(OP_EXCHANGE_ID).fixed(&self.verifier).opaque(self.owner.as_bytes());
        // no flags, no state protection, no implementation id
        operations.all(&[0, 0, 0]);
        let answer = self.call("EXCHANGE_ID", 1, &operations.0)?;
        let mut decoder = Decoder(&answer);
        let known = decoder.fixed::<12>().and_then(|_| Some((decoder.u64()?, decoder.u32()?)));
        let (client, sequence) = known.ok_or(WriteProblem::Garbled { operation: "EXCHANGE_ID" })?;
        let mut operations = Encoder::default();
        operations.u32(OP_CREATE_SESSION).u64(client).all(&[sequence, 0]);
        // both channels: padding, request, response and cached bytes, operations, requests, no RDMA
        operations.all(&[0, 65_536, 65_536, 4_096, 16, 1, 0]).all(&[0, 4_096, 4_096, 4_096, 2, 1, 0]);
        // the callback's program, with one way to authenticate it: none
        operations.all(&[0x4000_0000, 1, 0]);
        let answer = self.call("CREATE_SESSION", 1, &operations.0)?;
        let mut decoder = Decoder(&answer);
        let id = decoder.fixed::<12>().and_then(|_| decoder.fixed::<16>());
        let id = id.ok_or(WriteProblem::Garbled { operation: "CREATE_SESSION" })?;
        Ok(Session { id, client, sequence: 0, complete: false })
    }

    /// The result array of a COMPOUND: its count, then the first operation's number and status, then its body.
    fn call(
        &mut self,
        operation: &'static str,
        count: u32,
        operations: &[u8],
    ) -> Result<Vec<u8>, WriteProblem> {
        self.xid = self.xid.wrapping_add(1);
        let call = compound(self.xid, 1, count, operations);
        let message = self.exchange(&call).map_err(|source| {
            self.stream = None;
            WriteProblem::Connection { server: self.server, source }
        })?;
        let Some((xid, status, rest)) = reply(&message).filter(|(xid, ..)| *xid == self.xid) else {
            self.stream = None;
            return Err(WriteProblem::Garbled { operation });
        };
        let _ = xid;
        if status == NFS4_OK { Ok(rest.to_vec()) } else { Err(WriteProblem::Status { operation, status }) }
    }

    fn exchange(&mut self, call: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.write_all(call)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            if let Some(message) = take_message(&mut bytes) {
                self.stream = Some(stream);
                return Ok(message);
            }
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                length => bytes.extend(buffer.iter().take(length)),
            }
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.server, Duration::from_micros(SILENCE_MAX_US))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DISK_MAX))?;
        stream.set_write_timeout(Some(DISK_MAX))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_acknowledged_and_is_not_there_is_named() {
        let mut file: Vec<u8> = (0..4).flat_map(|n| text_of(n).into_bytes()).collect();
        assert_eq!(missing_records(&file, &[0, 1, 2, 3]), Vec::<u64>::new());
        file[2 * RECORD_BYTES] = b'x';
        file.truncate(3 * RECORD_BYTES + 5);
        assert_eq!(missing_records(&file, &[0, 1, 2, 3]), [2, 3]);
    }

    #[test]
    fn grace_and_a_full_disk_are_not_yet_and_no_error() {
        let status = |status| meaning(&WriteProblem::Status { operation: "OPEN", status });
        assert_eq!(status(NFS4ERR_GRACE), Answer::NotYet("grace".into()));
        assert_eq!(status(NFS4ERR_NOSPC), Answer::NotYet("no space left".into()));
        assert!(matches!(status(13), Answer::Wrong(_)));
    }
}

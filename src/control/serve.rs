//! The loop's own metrics for Prometheus, on a unix socket or an address: what it says of itself in `/run/haoscar`, as lines.
//!
//! One request at a time, one answer whatever is asked, then the connection ends (HTTP/1.0, RFC 1945). No library: a server that
//! knows more than that would be the larger part of the loop.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::str::FromStr;
use std::time::Duration;

use camino::Utf8PathBuf;

use crate::host::{CYCLE, FOLLOWS};
use crate::status::of_loop;

/// Somebody who asks and does not listen is left.
const LIMIT: Duration = Duration::from_secs(2);

/// No request of a scraper is longer.
const REQUEST_MAX: u64 = 8_192;

/// Where metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket that root may use.
    Socket(Utf8PathBuf),
    /// An address and a port.
    Address(SocketAddr),
}

impl FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Socket(path.into())),
            Some(_) => Err("a socket's path begins with /".to_owned()),
            None => text.parse().map(Self::Address).map_err(|_| {
                "unix:/PATH or ADDRESS:PORT is expected, for example 127.0.0.1:9750 or [::1]:9750".to_owned()
            }),
        }
    }
}

/// Serves in a thread of its own, as long as the process lives.
///
/// # Errors
/// The place cannot be taken.
pub fn serve(place: &Place) -> std::io::Result<()> {
    match place {
        Place::Socket(path) => {
            let _ = std::fs::remove_file(path); // of a loop before this one, which the lock has ended
            let listener = UnixListener::bind(path)?;
            std::thread::spawn(move || listener.incoming().flatten().for_each(|to| drop(unix(to))));
        }
        Place::Address(address) => {
            let listener = TcpListener::bind(address)?;
            std::thread::spawn(move || listener.incoming().flatten().for_each(|to| drop(tcp(to))));
        }
    }
    Ok(())
}

fn unix(mut to: UnixStream) -> std::io::Result<()> {
    to.set_read_timeout(Some(LIMIT))?;
    to.set_write_timeout(Some(LIMIT))?;
    answer(&mut to)
}

fn tcp(mut to: TcpStream) -> std::io::Result<()> {
    to.set_read_timeout(Some(LIMIT))?;
    to.set_write_timeout(Some(LIMIT))?;
    answer(&mut to)
}

/// The end of the request's head is waited for, so that nobody who is still writing is cut off.
fn answer(to: &mut (impl Read + Write)) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut bytes = [0; 1_024];
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") && (asked.len() as u64) < REQUEST_MAX {
        match to.read(&mut bytes)? {
            0 => break,
            count => asked.extend_from_slice(&bytes[..count]),
        }
    }
    let (status, body) =
        if asked.starts_with(b"GET ") { ("200 OK", text()) } else { ("400 Bad Request", String::new()) };
    let length = body.len();
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    );
    to.write_all((head + &body).as_bytes())
}

fn text() -> String {
    let cycle = std::fs::read(CYCLE).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let follows = std::fs::read(FOLLOWS).ok().and_then(|text| serde_json::from_slice(&text).ok());
    of_loop(cycle.as_ref(), follows.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_socket_or_an_address() {
        assert_eq!("unix:/run/x.sock".parse(), Ok(Place::Socket("/run/x.sock".into())));
        assert!("[::1]:9750".parse::<Place>().is_ok_and(|place| matches!(place, Place::Address(_))));
        for wrong in ["unix:x", "9750", "host:9750", ""] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_asks_gets_lines_and_who_says_something_else_is_told_so() {
        let ask = |request: &[u8]| {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            here.write_all(request).unwrap();
            answer(&mut there).unwrap();
            drop(there);
            let mut said = String::new();
            here.read_to_string(&mut said).unwrap();
            said
        };
        let said = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(said.starts_with("HTTP/1.0 200 OK\r\n"), "{said}");
        assert!(ask(b"hello\r\n\r\n").starts_with("HTTP/1.0 400 "));
    }
}

//! A question to a daemon over its unix socket: one line out, everything back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::desired::Answer;

/// The daemon's whole answer with status 0, or no status and the reason.
pub fn ask(path: &Utf8Path, send: &str, limit: Duration) -> Answer {
    match exchange(path, send, limit) {
        Ok(stdout) => Answer { status: Some(0), stdout, stderr: String::new() },
        Err(error) => Answer { status: None, stdout: String::new(), stderr: format!("{path}: {error}") },
    }
}

fn exchange(path: &Utf8Path, send: &str, limit: Duration) -> std::io::Result<String> {
    let begin = Instant::now();
    let mut stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(limit))?;
    writeln!(stream, "{send}")?;
    let (mut bytes, mut part) = (Vec::new(), [0; 65_536]);
    loop {
        let left = limit.saturating_sub(begin.elapsed()).max(Duration::from_millis(1)); // 0 would mean for ever
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            count => bytes.extend_from_slice(&part[..count]),
        }
        if begin.elapsed() > limit {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
    }
}

//! A question to a daemon over its unix socket: one line out, everything back.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::desired::Answer;

/// The daemon's whole answer with status 0, or no status and the reason.
pub fn ask(path: &Utf8Path, send: &str, limit: Duration) -> Answer {
    match exchange(path, send, limit) {
        Ok(stdout) => Answer { status: Some(0), stdout, stderr: String::new() },
        Err(error) => Answer { status: None, stdout: String::new(), stderr: format!("{path}: {error}") },
    }
}

/// Whether the daemon behind a socket serves: it answers within `limit`, or it has computed meanwhile, as one does that reads a
/// long configuration. One that is stopped, or waits for ever, does neither. What is against it is the error.
///
/// # Errors
/// Nobody listens, or the one who does neither answers nor computes.
pub fn serves(path: &Utf8Path, send: &str, limit: Duration) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{path}: {error}");
    let mut stream = UnixStream::connect(path).map_err(wrong)?;
    let peer =
        getsockopt(&stream.as_fd(), PeerCredentials).map_err(|error| format!("{path}: {error}"))?.pid();
    let before = computed(peer);
    stream.set_write_timeout(Some(limit)).map_err(wrong)?;
    stream.set_read_timeout(Some(limit)).map_err(wrong)?;
    let asked = tell(&mut stream, send).and_then(|()| stream.read(&mut [0; 1]));
    match asked {
        Ok(0) => Err(format!("{path}: it hung up without an answer")),
        Ok(_) => Ok(()),
        Err(_) if before.is_some() && computed(peer) > before => Ok(()),
        Err(error) => Err(format!("{path}: no answer within {} s: {error}", limit.as_secs_f32())),
    }
}

/// Processor time of a process so far, of its own and in the kernel, in clock ticks (proc(5): fields 14 and 15 of stat).
fn computed(process: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace(); // the name before it may hold blanks
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().sum())
}

/// In one piece: Kea answers and hangs up as soon as it has a whole JSON value, and what comes after it breaks the pipe.
fn tell(stream: &mut UnixStream, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

fn exchange(path: &Utf8Path, send: &str, limit: Duration) -> std::io::Result<String> {
    let begin = Instant::now();
    let mut stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(limit))?;
    tell(&mut stream, send)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    const SHORT: Duration = Duration::from_millis(300);

    fn listening() -> (tempfile::TempDir, camino::Utf8PathBuf, UnixListener) {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::try_from(folder.path().join("socket")).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        (folder, path, listener)
    }

    #[test]
    fn a_daemon_that_answers_serves_and_one_that_is_away_does_not() {
        let (_folder, path, listener) = listening();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = [0; 4];
            stream.read_exact(&mut line).unwrap();
            stream.write_all(b"pong").unwrap();
            line
        });
        serves(&path, "ask", SHORT).unwrap();
        assert_eq!(&answering.join().unwrap(), b"ask\n");
        std::fs::remove_file(&path).unwrap();
        assert!(serves(&path, "ask", SHORT).unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_daemon_that_computes_is_busy_and_one_that_only_listens_is_hung() {
        use std::process::Command;
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::try_from(folder.path().join("socket")).unwrap();
        let listen =
            "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9) or die;";
        let daemon = |then: &str| {
            Command::new("perl").args(["-e", &format!("{listen} {then}"), path.as_str()]).spawn()
        };
        for (then, good) in [("sleep 60", false), ("1 while 1", true)] {
            let _ = std::fs::remove_file(&path);
            let mut child = daemon(then).unwrap();
            while UnixStream::connect(&path).is_err() {
                std::thread::sleep(Duration::from_millis(10));
            }
            let found = serves(&path, "ask", SHORT);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(found.is_ok(), good, "{then}: {found:?}");
        }
    }
}

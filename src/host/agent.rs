//! One session of `haoscar agent`: a JSON line in, a JSON line out, until the other side hangs up or is silent. No state.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{Host, HostError, Local, Request, Response};

/// The other side says at least an empty line each 5 s. One that lost its power hangs up on nobody: without this its agent would
/// hold this host's lock until TCP gives up, which takes two hours.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Serves until `lines` end, or none comes for so long. An open transaction is then put back.
///
/// # Errors
/// What reading or writing said.
pub fn serve(
    mut local: Local,
    lines: Receiver<std::io::Result<String>>,
    mut output: impl Write,
    silence: Duration,
) -> std::io::Result<()> {
    loop {
        let line = match lines.recv_timeout(silence) {
            Ok(line) => line?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if line.is_empty() {
            continue; // a sign of life
        }
        let response = answer(&mut local, &line);
        serde_json::to_writer(&mut output, &response)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

fn answer(local: &mut Local, line: &str) -> Response {
    let asked = serde_json::from_str::<Request>(line).map_err(|e| HostError::failed("request", e));
    match asked.and_then(|request| local.ask(&request)) {
        Ok(response) => response,
        Err(HostError::Failed { subject, why }) => Response::Failed { subject, why },
        Err(other) => Response::Failed { subject: "agent".to_owned(), why: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn signs_of_life_keep_a_session_and_silence_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let (say, lines) = channel();
        let mut heard = Vec::new();
        std::thread::scope(|scope| {
            let heard = &mut heard;
            let local = Local::under(root.as_str());
            let session = scope.spawn(move || serve(local, lines, heard, Duration::from_secs(2)));
            for _ in 0..4 {
                say.send(Ok(String::new())).unwrap();
                std::thread::sleep(Duration::from_millis(700)); // longer than the limit together
            }
            say.send(Ok("\"hello\"".to_owned())).unwrap();
            assert!(session.join().unwrap().is_ok(), "it ends though nobody hung up");
        });
        let said = String::from_utf8(heard).unwrap();
        assert!(said.starts_with("{\"facts\"") && said.lines().count() == 1, "{said}");
        drop(say);
    }
}

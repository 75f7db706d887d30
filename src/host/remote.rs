//! Another machine, over the stdio of an agent started there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Host, HostError, PROTOCOL, Request, Response};
use crate::observed::Facts;

/// A session with an agent.
#[derive(Debug)]
pub struct Remote {
    name: String,
    child: Child,
    input: Arc<Mutex<Option<ChildStdin>>>,
    /// Goes with the session, and the signs of life end.
    _lives: Sender<()>,
    lines: Receiver<std::io::Result<String>>,
    said: Receiver<String>,
}

/// An agent that has not said who it is by then is not there: ssh itself gives up after 5 s.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// An agent that hears nothing for [`super::agent::SILENCE`] takes this side for dead.
const SIGN_EVERY: Duration = Duration::from_secs(5);

/// Longer than any step may take (a unit's job 100 s, a few units in a row).
const ANSWER_LIMIT: Duration = Duration::from_secs(600);

/// What ssh says last comes at once, if it comes; another process may hold its standard error open for ever.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(200);

/// How long an agent may take to put an open transaction back when it is hung up on.
const FAREWELL_LIMIT: Duration = Duration::from_secs(10);

impl Remote {
    /// Starts the agent with `command` (`ssh HOST haoscar agent`, or nsenter in a lab) and shakes hands.
    ///
    /// # Errors
    /// The host cannot be reached, or its agent speaks another protocol.
    pub fn start(name: &str, mut command: Command) -> Result<(Self, Facts), HostError> {
        let unreachable = |why: String| HostError::Unreachable { host: name.to_owned(), why };
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().map_err(|e| unreachable(e.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreachable("no pipes".to_owned()));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| sender.send(line)));
        let (complain, said) = channel();
        if let Some(pipe) = child.stderr.take() {
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| complain.send(line))
            });
        }
        let input = Arc::new(Mutex::new(Some(input)));
        let (lives, ended) = channel();
        let pipe = input.clone();
        std::thread::spawn(move || signs(&pipe, &ended));
        let mut remote = Self { name: name.to_owned(), child, input, _lives: lives, lines, said };
        match remote.ask(&Request::Hello)? {
            Response::Facts(facts) if facts.protocol == PROTOCOL => Ok((remote, *facts)),
            Response::Facts(facts) => {
                Err(HostError::Protocol { host: name.to_owned(), theirs: facts.protocol, ours: PROTOCOL })
            }
            _ => Err(unreachable("its agent did not say who it is".to_owned())),
        }
    }

    fn exchange(&mut self, request: &Request) -> Result<String, String> {
        let mut line = serde_json::to_vec(request).map_err(|e| e.to_string())?;
        line.push(b'\n');
        let wrote = {
            let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
            let input = input.as_mut().ok_or("the session is over")?;
            input.write_all(&line).and_then(|()| input.flush())
        };
        if wrote.is_err() {
            return Err(self.last_words());
        }
        let limit = if matches!(request, Request::Hello) { HANDSHAKE_LIMIT } else { ANSWER_LIMIT };
        match self.lines.recv_timeout(limit) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(e.to_string()),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Err(format!("its agent has not answered for {} s", limit.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.last_words()),
        }
    }

    /// Why a session ended: what ssh or the agent said last.
    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let mut last = "its agent hung up".to_owned();
        while let Ok(line) = self.said.recv_timeout(LAST_WORDS_LIMIT) {
            if !line.trim().is_empty() {
                last = line;
            }
        }
        last.trim().to_owned()
    }
}

/// An empty line from time to time, until the session is over.
fn signs(input: &Mutex<Option<ChildStdin>>, ended: &Receiver<()>) {
    while ended.recv_timeout(SIGN_EVERY) == Err(RecvTimeoutError::Timeout) {
        let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = input.as_mut() else { return };
        if pipe.write_all(b"\n").and_then(|()| pipe.flush()).is_err() {
            return; // the next request says so
        }
    }
}

impl Host for Remote {
    fn ask(&mut self, request: &Request) -> Result<Response, HostError> {
        let read = |line: String| {
            serde_json::from_str::<Response>(&line)
                .map_err(|e| format!("its agent's answer cannot be read: {e}"))
        };
        let response = self.exchange(request).and_then(read);
        response.map_err(|why| HostError::Unreachable { host: self.name.clone(), why })?.good(&self.name)
    }
}

impl Drop for Remote {
    /// Hangs up and waits for the agent, which puts an open transaction back.
    fn drop(&mut self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > FAREWELL_LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

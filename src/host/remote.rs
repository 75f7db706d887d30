//! Another machine, over the stdio of an agent started there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Host, HostError, PROTOCOL, Request, Response};
use crate::observed::Facts;

/// A session with an agent.
#[derive(Debug)]
pub struct Remote {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts the agent with `command` (`ssh HOST haoscar agent`, or nsenter in a lab) and shakes hands.
    ///
    /// # Errors
    /// The host cannot be reached, or its agent speaks another protocol.
    pub fn start(name: &str, mut command: Command) -> Result<(Self, Facts), HostError> {
        let unreachable = |why: String| HostError::Unreachable { host: name.to_owned(), why };
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = piped.spawn().map_err(|e| unreachable(e.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreachable("no pipes".to_owned()));
        };
        let mut remote =
            Self { name: name.to_owned(), child, input: Some(input), output: BufReader::new(output) };
        match remote.ask(&Request::Hello)? {
            Response::Facts(facts) if facts.protocol == PROTOCOL => Ok((remote, facts)),
            Response::Facts(facts) => {
                Err(HostError::Protocol { host: name.to_owned(), theirs: facts.protocol, ours: PROTOCOL })
            }
            _ => Err(unreachable("its agent did not say who it is".to_owned())),
        }
    }

    fn exchange(&mut self, request: &Request) -> Result<String, String> {
        let mut line = serde_json::to_vec(request).map_err(|e| e.to_string())?;
        line.push(b'\n');
        let input = self.input.as_mut().ok_or("the session is over")?;
        input.write_all(&line).and_then(|()| input.flush()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        match self.output.read_line(&mut answer) {
            Ok(0) => Err("its agent hung up".to_owned()),
            Ok(_) => Ok(answer),
            Err(e) => Err(e.to_string()),
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
        self.input.take();
        let _ = self.child.wait();
    }
}

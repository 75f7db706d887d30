//! The keeper of a lab: one process that owns it and does what fence agents ask, by a socket in every head and
//! witness. It stands for the power switches of a machine room, so it asks nobody whether fencing is wise.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::error::{LabError, io};
use super::process::Process;
use super::state::{self, Lab};
use super::{power, tree};

const SOCKET: &str = "socket";
/// A machine that is switched off and on needs a moment before its firmware is through.
const REBOOT_AFTER: Duration = Duration::from_secs(4);
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What a fence agent may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "action", content = "host")]
pub enum Ask {
    /// Every host.
    List,
    /// Whether one is on.
    Status(String),
    /// Switch it on.
    On(String),
    /// Switch it off.
    Off(String),
    /// Off, and on again by itself.
    Reboot(String),
}

/// What the keeper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Every host that can be fenced.
    Hosts(Vec<String>),
    /// Whether the host is on, now.
    On(bool),
    /// It could not be done.
    Failed(String),
}

/// The folder that hosts see.
pub(crate) fn folder(lab: &Lab) -> Utf8PathBuf {
    lab.folder().join("keeper")
}

/// Starts the keeper as a process of its own that outlives the one that asks.
pub(crate) fn start(lab: &Lab) -> Result<Process, LabError> {
    let folder = folder(lab);
    fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
    let log = lab.folder().join("keeper.log");
    let log = fs::File::create(&log).map_err(io(log.as_str()))?;
    let branch = tree::branch(&lab.name, "keeper")?;
    let mut command = Command::new("sh");
    command.args(["-c", power::JOIN, branch.as_str(), "setsid", lab.folder().join("haoscar").as_str()]);
    command.args(["lab", "keeper", &lab.name]).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(log).spawn().map_err(io("sh"))?;
    let begin = Instant::now();
    while !folder.join(SOCKET).exists() {
        let ended = child.try_wait().map_err(io("the keeper"))?.is_some();
        if ended || begin.elapsed() > READY_WITHIN {
            let said = fs::read_to_string(lab.folder().join("keeper.log")).unwrap_or_default();
            return Err(LabError::Keeper { said: format!("did not start: {}", said.trim()) });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let gone = || LabError::Keeper { said: "died at once".to_owned() };
    i32::try_from(child.id()).ok().and_then(Process::of).ok_or_else(gone)
}

/// Serves a lab until it is killed with it.
///
/// # Errors
/// The lab is not there, or its socket cannot be made.
pub fn serve(name: &str) -> Result<(), LabError> {
    let socket = folder(&state::find(name)?).join(SOCKET);
    let listener = UnixListener::bind(&socket).map_err(io(socket.as_str()))?;
    for stream in listener.incoming() {
        let name = name.to_owned();
        let Ok(stream) = stream else { continue };
        std::thread::spawn(move || answer(&name, &stream));
    }
    Ok(())
}

fn answer(lab: &str, mut stream: &UnixStream) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let answer = serde_json::from_str::<Ask>(&line)
        .map_err(|error| LabError::Keeper { said: format!("not a question: {error}") })
        .and_then(|ask| state::find(lab).and_then(|lab| carry_out(&lab, ask)))
        .unwrap_or_else(|error| Answer::Failed(error.to_string()));
    if let Ok(text) = serde_json::to_string(&answer) {
        let _ = writeln!(stream, "{text}"); // who asked may have been fenced meanwhile
    }
}

fn carry_out(lab: &Lab, ask: Ask) -> Result<Answer, LabError> {
    match ask {
        Ask::List => return Ok(Answer::Hosts(lab.layout.hosts.keys().cloned().collect())),
        Ask::Status(host) => {
            lab.host(&host)?;
            return Ok(Answer::On(lab.process(&host).is_some()));
        }
        Ask::On(host) => switch_on(lab, &host)?,
        Ask::Off(host) => {
            power::cut(lab, &host)?;
            return Ok(Answer::On(false));
        }
        Ask::Reboot(host) => {
            power::cut(lab, &host)?;
            let lab = lab.clone();
            std::thread::spawn(move || {
                std::thread::sleep(REBOOT_AFTER);
                switch_on(&lab, &host)
            });
        }
    }
    Ok(Answer::On(true))
}

/// A host that is on already is what was asked for.
fn switch_on(lab: &Lab, host: &str) -> Result<(), LabError> {
    match power::boot(lab, host) {
        Err(LabError::HostRuns { .. }) => Ok(()),
        result => result,
    }
}

/// Asks the keeper whose socket is in that folder.
///
/// # Errors
/// The keeper is not there or says something else than an answer.
pub fn ask(folder: &str, ask: &Ask) -> Result<Answer, LabError> {
    let socket = Utf8PathBuf::from(folder).join(SOCKET);
    let mut stream = UnixStream::connect(&socket).map_err(io(socket.as_str()))?;
    let wrong = |error: serde_json::Error| LabError::Keeper { said: error.to_string() };
    let text = serde_json::to_string(ask).map_err(wrong)?;
    writeln!(stream, "{text}").map_err(io(socket.as_str()))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).map_err(io(socket.as_str()))?;
    serde_json::from_str(&line).map_err(wrong)
}

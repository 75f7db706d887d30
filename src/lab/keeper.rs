//! The keeper of a lab: one process that owns it and does what fence agents ask, by a socket in every head and
//! witness. It stands for the power switches of a machine room, so it asks nobody whether fencing is wise.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use nix::sys::signal::SigSet;
use serde::{Deserialize, Serialize};

use super::error::{LabError, io};
use super::process::Process;
use super::state::{self, Lab};
use super::{power, tree};

const SOCKET: &str = "socket";
/// Power switches of machines beside the lab, below its folder.
const OUTSIDE: &str = "outside";
/// A machine that is switched off and on needs a moment before its firmware is through.
const REBOOT_AFTER: Duration = Duration::from_secs(4);
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What a fence agent may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "action", content = "switch")]
pub enum Ask {
    /// Every host.
    List,
    /// Whether one is on.
    Status(Switch),
    /// Switch it on.
    On(Switch),
    /// Switch it off.
    Off(Switch),
    /// Off, and on again by itself.
    Reboot(Switch),
}

/// One of a host's power switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The host.
    pub host: String,
    /// Its fence level, from 1.
    pub level: u32,
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

/// How often each host was ordered on or off, so that the second half of a reboot gives way to a later order.
#[derive(Debug, Clone, Default)]
struct Orders(Arc<Mutex<BTreeMap<String, u64>>>);

impl Orders {
    /// Counts an order; every earlier one is void.
    fn give(&self, host: &str) -> u64 {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.entry(host.to_owned()).or_default();
        *number += 1;
        *number
    }

    /// Whether that order is still the last one.
    fn stands(&self, host: &str, number: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host) == Some(&number)
    }
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
    let _ = SigSet::all().thread_unblock(); // `lab up` holds signals back, and children inherit that
    let socket = folder(&state::find(name)?).join(SOCKET);
    let orders = Orders::default();
    let listener = UnixListener::bind(&socket).map_err(io(socket.as_str()))?;
    for stream in listener.incoming() {
        let (name, orders) = (name.to_owned(), orders.clone());
        let Ok(stream) = stream else { continue };
        std::thread::spawn(move || answer(&name, &orders, &stream));
    }
    Ok(())
}

fn answer(lab: &str, orders: &Orders, mut stream: &UnixStream) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return;
    }
    let answer = serde_json::from_str::<Ask>(&line)
        .map_err(|error| LabError::Keeper { said: format!("not a question: {error}") })
        .and_then(|ask| state::find(lab).and_then(|lab| carry_out(&lab, orders, ask)))
        .unwrap_or_else(|error| Answer::Failed(error.to_string()));
    if let Ok(text) = serde_json::to_string(&answer) {
        let _ = writeln!(stream, "{text}"); // who asked may have been fenced meanwhile
    }
}

fn carry_out(lab: &Lab, orders: &Orders, ask: Ask) -> Result<Answer, LabError> {
    if let Ask::Status(switch) | Ask::On(switch) | Ask::Off(switch) | Ask::Reboot(switch) = &ask
        && !lab.fence_answers(&switch.host, switch.level)
    {
        let Switch { host, level } = switch;
        return Ok(Answer::Failed(format!("the fence device of {host} (level {level}) does not answer")));
    }
    if let Some(answer) = outside(lab, &ask) {
        return answer;
    }
    match ask {
        Ask::List => return Ok(Answer::Hosts(lab.layout.hosts.keys().cloned().collect())),
        Ask::Status(Switch { host, .. }) => {
            lab.host(&host)?;
            return Ok(Answer::On(lab.process(&host).is_some()));
        }
        Ask::On(Switch { host, .. }) => {
            orders.give(&host);
            switch_on(lab, &host)?;
        }
        Ask::Off(Switch { host, .. }) => {
            orders.give(&host);
            power::cut(lab, &host)?;
            return Ok(Answer::On(false));
        }
        Ask::Reboot(Switch { host, .. }) => {
            let number = orders.give(&host);
            power::cut(lab, &host)?;
            let (lab, orders) = (lab.clone(), orders.clone());
            std::thread::spawn(move || {
                std::thread::sleep(REBOOT_AFTER);
                // asked under the host's lock: an order that comes now waits for it, and has the last word
                power::boot_if(&lab, &host, || orders.stands(&host, number))
            });
        }
    }
    Ok(Answer::On(true))
}

/// The power switch of a machine that stands beside the lab (a guest on its switch): a program of whoever runs that machine, called with
/// `on`, `off` or `status`. It ends with 0; `status` of a machine that is off with 2.
fn outside(lab: &Lab, ask: &Ask) -> Option<Result<Answer, LabError>> {
    let (words, host): (&[&str], _) = match ask {
        Ask::List => return None,
        Ask::Status(switch) => (&["status"], &switch.host),
        Ask::On(switch) => (&["on"], &switch.host),
        Ask::Off(switch) => (&["off"], &switch.host),
        Ask::Reboot(switch) => (&["off", "on"], &switch.host),
    };
    let program = lab.folder().join(OUTSIDE).join(host);
    if host.contains('/') || !program.is_file() {
        return None;
    }
    let on = |word: &&str| {
        let status = Command::new(&program).arg(word).stdin(Stdio::null()).stdout(Stdio::null()).status();
        match status.map_err(io(program.as_str()))?.code() {
            Some(0) => Ok(*word != "off"),
            Some(2) if *word == "status" => Ok(false),
            _ => Err(LabError::Keeper { said: format!("{program} {word} failed") }),
        }
    };
    Some(words.iter().try_fold(false, |_, word| on(word)).map(Answer::On))
}

/// A host that is on already is what was asked for.
fn switch_on(lab: &Lab, host: &str) -> Result<(), LabError> {
    match power::boot(lab, host) {
        Err(LabError::HostRuns { .. }) => Ok(()),
        result => result,
    }
}

/// Has the keeper switch a host off; with the keeper dead or the fence device silent it is switched off from here.
pub(crate) fn order_off(lab: &Lab, host: &str) -> Result<(), LabError> {
    if !lab.owner.runs() || !lab.fence_answers(host, 1) {
        return power::cut(lab, host);
    }
    match ask(folder(lab).as_str(), &Ask::Off(Switch { host: host.to_owned(), level: 1 }))? {
        Answer::Failed(said) => Err(LabError::Keeper { said }),
        Answer::Hosts(_) | Answer::On(_) => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_order_voids_the_second_half_of_a_reboot() {
        let orders = Orders::default();
        let reboot = orders.give("head-1");
        orders.give("head-2");
        assert!(orders.stands("head-1", reboot));
        orders.give("head-1");
        assert!(!orders.stands("head-1", reboot));
    }
}

//! Switches lab hosts on and off, and reaches into those that run.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{LabError, io};
use super::process::Process;
use super::state::Lab;
use super::{state, storage, switch, tree};

const START: &str = include_str!("host.sh");
/// Joins a branch of the lab's tree before anything else, so that nothing can escape a sweep.
pub(super) const JOIN: &str = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The start script needs some 20 ms on an idle machine.
const PIVOT_WITHIN: Duration = Duration::from_secs(20);
/// The kernel needs some milliseconds to take a pid namespace down.
const DEAD_WITHIN: Duration = Duration::from_secs(20);
/// systemd gives a unit 90 s to stop (DefaultTimeoutStopSec) before it kills it; some more for those after it.
const OFF_WITHIN: Duration = Duration::from_secs(120);
/// A host whose systemd or journal does not answer a question within this time is hung.
const WORD_MAX: [&str; 3] = ["timeout", "--kill-after=2", "10"];
/// Enough of the journal to show what hangs, and not a screen full for each of many hosts.
const LAST_WORDS: &str = "journalctl --boot --no-pager --output=short-monotonic --lines=8";
const BREATH: Duration = Duration::from_millis(5);

/// Switches a host on; its systemd has the word afterwards, but is not up yet.
///
/// # Errors
/// It is on already, or does not start.
pub(crate) fn boot(lab: &Lab, host: &str) -> Result<(), LabError> {
    boot_if(lab, host, || true)
}

/// The same, if that is still wanted when it is this order's turn.
pub(crate) fn boot_if(lab: &Lab, host: &str, wanted: impl Fn() -> bool) -> Result<(), LabError> {
    let _lock = switch_lock(lab, host)?;
    if !wanted() {
        return Ok(());
    }
    if lab.process(host).is_some() {
        return Err(LabError::HostRuns { lab: lab.name.clone(), host: host.to_owned() });
    }
    let log = lab.disk(host).join("start.log");
    let mut child = start(lab, host, File::create(&log).map_err(io(log.as_str()))?)?;
    let result = finish_start(lab, host, &mut child);
    if result.is_err() {
        let _ = child.kill();
    }
    std::thread::spawn(move || child.wait()); // so that a keeper gathers no dead children
    result.map_err(|error| match std::fs::read_to_string(&log) {
        Ok(said) if !said.trim().is_empty() => {
            LabError::StartFailed { host: host.to_owned(), said: said.trim().to_owned() }
        }
        _ => error,
    })
}

fn start(lab: &Lab, host: &str, log: File) -> Result<Child, LabError> {
    let branch = tree::branch(&lab.name, &format!("host-{host}"))?;
    let disk = lab.disk(host);
    let mut command = Command::new("sh");
    command.args([
        "-c",
        JOIN,
        branch.as_str(),
        "setsid",
        "unshare",
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
    ]);
    command.args([
        "--cgroup",
        "--fork",
        "--",
        "sh",
        "-c",
        START,
        "host.sh",
        host,
        lab.root.as_str(),
        disk.as_str(),
    ]);
    command.arg(lab.folder().join("haoscar"));
    for (folder, place) in super::shared_folders(lab, host)? {
        command.args([folder, place]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().map_err(io("sh"))
}

/// Plugs the NICs in while the start script waits, then lets it go on until systemd has taken over.
fn finish_start(lab: &Lab, host: &str, child: &mut Child) -> Result<(), LabError> {
    let ended = || LabError::StartFailed { host: host.to_owned(), said: "its start script ended".to_owned() };
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().ok_or_else(ended)?);
    stdout.read_line(&mut line).map_err(io("the start script"))?;
    let pid = line.trim().parse().map_err(|_| ended())?;
    let process = Process::of(pid).ok_or_else(ended)?;
    switch::plug(lab, host, pid)?;
    lab.record_process(host, process)?;
    let mut stdin = child.stdin.take().ok_or_else(ended)?;
    stdin.write_all(b"go\n").map_err(io("the start script"))?;
    until(PIVOT_WITHIN, || pivoted(&process) || !process.runs())
        .ok_or_else(|| late(host, "started", PIVOT_WITHIN))?;
    if process.runs() { Ok(()) } else { Err(ended()) }
}

/// Cuts a host's power: nobody hears from it any more, then every process of it is killed, then it is off. Its disk
/// stays. Nothing happens to a host that is off.
///
/// # Errors
/// It did not die.
pub(crate) fn cut(lab: &Lab, host: &str) -> Result<(), LabError> {
    let _lock = switch_lock(lab, host)?;
    let Some(process) = lab.process(host) else { return Ok(()) };
    for port in &lab.host(host)?.ports {
        let _ = switch::set_port(lab, port, false); // gone already where the host has died by itself
    }
    let loops = storage::loops(lab, host);
    process.kill();
    let dead = || !process.runs() && loops.iter().all(storage::is_free);
    until(DEAD_WITHIN, dead).ok_or_else(|| late(host, "dead", DEAD_WITHIN))?;
    lab.forget_process(host);
    tree::fell(&tree::of_lab(&lab.name)?.join(format!("host-{host}")))
}

/// Has a host shut itself down, and waits until it is off.
///
/// # Errors
/// It is off already, or its units do not stop in time.
pub(crate) fn shut_down(lab: &Lab, host: &str) -> Result<(), LabError> {
    let mut poweroff = command(lab, host, &["systemctl", "--no-block", "poweroff"])?;
    let process = lab.process(host);
    let asked = super::program::finish(&mut poweroff);
    let off = || !process.is_some_and(|process| process.runs());
    if asked.is_err() && !off() {
        return asked.map(|_| ()); // it may be off before systemctl has its answer
    }
    let stays = || LabError::HostStaysOn { host: host.to_owned(), seconds: OFF_WITHIN.as_secs() };
    until(OFF_WITHIN, off).ok_or_else(stays)
}

/// The root of a host's files, as this machine sees it; none while the host is down.
pub(crate) fn outside(lab: &Lab, host: &str) -> Option<std::path::PathBuf> {
    let process = lab.process(host).filter(pivoted)?;
    Some(format!("/proc/{}/root", process.pid).into())
}

/// A command on a host, with standard input, output and error free to use.
///
/// # Errors
/// The host is down, or its first process still stands in this machine's own root.
pub(crate) fn command(lab: &Lab, host: &str, argv: &[&str]) -> Result<Command, LabError> {
    lab.host(host)?;
    let named = || (lab.name.clone(), host.to_owned());
    let process = lab.process(host).ok_or_else(|| {
        let (lab, host) = named();
        LabError::HostDown { lab, host }
    })?;
    if !pivoted(&process) {
        let (lab, host) = named();
        return Err(LabError::HostStarting { lab, host });
    }
    let mut command = Command::new("/usr/bin/nsenter");
    command.args(["-t", &process.pid.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]);
    command.args(argv).env_clear().env("PATH", PATH).env("HOME", "/root").env("LANG", "C.UTF-8");
    if let Ok(terminal) = std::env::var("TERM") {
        command.env("TERM", terminal);
    }
    Ok(command)
}

/// Waits until systemd has done what it wanted to do at boot, well or not so well, but not longer than `within` and
/// one question.
pub(crate) fn await_running(lab: &Lab, host: &str, within: Duration) -> Result<String, LabError> {
    let mut word = String::new();
    let is_up = || {
        word = said(lab, host, &["systemctl", "is-system-running", "--wait"]).unwrap_or_default();
        let up = ["running", "degraded"].contains(&word.as_str());
        if !up {
            std::thread::sleep(Duration::from_millis(50)); // its bus is not there yet
        }
        up
    };
    until(within, is_up).ok_or_else(|| host_late(lab, host, within))?;
    Ok(word)
}

/// What a host that does not come up last said.
fn host_late(lab: &Lab, host: &str, within: Duration) -> LabError {
    let state = match lab.process(host) {
        None => "off".to_owned(),
        Some(_) => said(lab, host, &["systemctl", "is-system-running"])
            .filter(|word| !word.is_empty())
            .unwrap_or_else(|| "without an answer".to_owned()),
    };
    let script = format!("systemctl list-jobs --no-pager --no-legend; {LAST_WORDS}");
    let words = said(lab, host, &["sh", "-c", &script]).filter(|words| !words.is_empty());
    let log = || std::fs::read_to_string(lab.disk(host).join("start.log")).unwrap_or_default();
    LabError::HostLate {
        host: host.to_owned(),
        seconds: within.as_secs(),
        state,
        said: words.unwrap_or_else(log).trim().to_owned(),
    }
}

/// What a question on a host printed; none if it could not be asked.
fn said(lab: &Lab, host: &str, argv: &[&str]) -> Option<String> {
    let mut question = command(lab, host, &[&WORD_MAX[..], argv].concat()).ok()?;
    let output = question.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The start script is `sh` until it becomes systemd, and stands in this machine's root for a part of that time.
fn pivoted(process: &Process) -> bool {
    process.name().as_deref() == Some("systemd")
}

/// One at a time switches a host.
pub(super) fn switch_lock(lab: &Lab, host: &str) -> Result<File, LabError> {
    lab.host(host)?;
    let path = state::folder(&lab.name).join("hosts").join(format!("{host}.lock"));
    let file = File::create(&path).map_err(io(path.as_str()))?;
    file.lock().map_err(io(path.as_str()))?;
    Ok(file)
}

fn until(within: Duration, mut done: impl FnMut() -> bool) -> Option<()> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > within {
            return None;
        }
        std::thread::sleep(BREATH);
    }
    Some(())
}

fn late(host: &str, awaited: &'static str, within: Duration) -> LabError {
    LabError::Late { subject: format!("host `{host}`"), awaited, seconds: within.as_secs() }
}

//! Switches lab hosts on and off, and reaches into those that run.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{LabError, io};
use super::process::Process;
use super::state::Lab;
use super::{state, switch, tree};

const START: &str = include_str!("host.sh");
/// Joins a branch of the lab's tree before anything else, so that nothing can escape a sweep.
pub(super) const JOIN: &str = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The start script needs some 20 ms on an idle machine.
const PIVOT_WITHIN: Duration = Duration::from_secs(20);
/// The kernel needs some milliseconds to take a pid namespace down.
const DEAD_WITHIN: Duration = Duration::from_secs(20);
const BREATH: Duration = Duration::from_millis(5);

/// Switches a host on; its systemd has the word afterwards, but is not up yet.
///
/// # Errors
/// It is on already, or does not start.
pub(crate) fn boot(lab: &Lab, host: &str) -> Result<(), LabError> {
    let _lock = switch_lock(lab, host)?;
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
    process.kill();
    until(DEAD_WITHIN, || !process.runs()).ok_or_else(|| late(host, "dead", DEAD_WITHIN))?;
    lab.forget_process(host);
    tree::fell(&tree::of_lab(&lab.name)?.join(format!("host-{host}")))
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

/// Waits until systemd has done what it wanted to do at boot, well or not so well.
pub(crate) fn await_running(lab: &Lab, host: &str, within: Duration) -> Result<String, LabError> {
    let mut word = String::new();
    let is_up = || {
        let output = command(lab, host, &["timeout", "10", "systemctl", "is-system-running", "--wait"])
            .and_then(|mut systemctl| {
                systemctl.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(io("nsenter"))
            });
        word = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
        let up = ["running", "degraded"].contains(&word.as_str());
        if !up {
            std::thread::sleep(Duration::from_millis(50)); // its bus is not there yet
        }
        up
    };
    until(within, is_up).ok_or_else(|| late(host, "up", within))?;
    Ok(word)
}

/// The start script is `sh` until it becomes systemd, and stands in this machine's root for a part of that time.
fn pivoted(process: &Process) -> bool {
    process.name().as_deref() == Some("systemd")
}

/// One at a time switches a host.
fn switch_lock(lab: &Lab, host: &str) -> Result<File, LabError> {
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

//! systemd on this machine, through systemctl; and other programs, with a time limit.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::HostError;
use super::ledger::UnitBefore;
use crate::backends;
use crate::desired::Answer;
use crate::engines;
use crate::observed::UnitFact;
use crate::plan::{UnitAction, UnitVerb};
use crate::spec::EngineKind;

/// A unit's job that has not ended by then has failed: systemd's own limit is 90 s.
const JOB_TIMEOUT_MS: u64 = 100_000;

/// Asks for all this at boot: it would stop itself.
const RECOVER: &str = "haoscar-recover.service";

/// How the named units are.
pub fn observe(units: &[String]) -> BTreeMap<String, UnitFact> {
    units.iter().map(|unit| (unit.clone(), fact(unit))).collect()
}

fn fact(unit: &str) -> UnitFact {
    let answer = shown(unit, "LoadState,ActiveState,UnitFileState");
    let value = |key: &str| value(&answer, key);
    UnitFact {
        loaded: value("LoadState") == "loaded",
        enabled: value("UnitFileState") == "enabled",
        fixed: ["static", "generated", "alias", "indirect", "transient"]
            .contains(&value("UnitFileState").as_str()),
        active: value("ActiveState"),
    }
}

fn shown(unit: &str, properties: &str) -> String {
    let argv = ["systemctl", "show", "-p", properties, unit];
    run(&argv.map(str::to_owned), "", 10_000).stdout
}

fn value(shown: &str, key: &str) -> String {
    let mut lines = shown.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// The name that systemd gave this run of a unit; empty when it does not run. Another start has another name.
pub fn invocation(unit: &str) -> String {
    let answer = shown(unit, "ActiveState,InvocationID");
    if value(&answer, "ActiveState") == "active" { value(&answer, "InvocationID") } else { String::new() }
}

/// What undoes these actions once the old files are back, last first: started is stopped, enabled is disabled, and
/// what was restarted or reloaded is so again, for it must read the old files.
pub fn inverse(actions: &[UnitAction]) -> Vec<UnitAction> {
    let back = |action: &UnitAction| {
        let verb = match action.verb {
            UnitVerb::Enable => UnitVerb::Disable,
            UnitVerb::Disable => UnitVerb::Enable,
            UnitVerb::Start => UnitVerb::Stop,
            UnitVerb::Stop => UnitVerb::Start,
            UnitVerb::Restart => UnitVerb::Restart,
            UnitVerb::Reload => UnitVerb::Reload,
            UnitVerb::DaemonReload | UnitVerb::EngineRestart => return None,
        };
        Some(UnitAction {
            verb,
            unit: action.unit.clone(),
            reason: "what was changed is put back".to_owned(),
        })
    };
    let reload = actions.iter().find(|action| action.verb == UnitVerb::DaemonReload).cloned();
    reload.into_iter().chain(actions.iter().rev().filter_map(back)).collect()
}

/// haoscar's own units, but those that serve somebody, and those of an engine.
fn carries_nothing(unit: &str) -> bool {
    let engines = [EngineKind::Pacemaker, EngineKind::Heartbeat].map(engines::units).concat();
    let own = unit == engines::LOOP_UNIT || unit.starts_with("haoscar-");
    own && !backends::OF_OUR_NAME.contains(&unit) || engines.contains(&unit)
}

/// What makes units as they were: what is done while haoscar's files are still there, and what when the old ones are
/// back. What ran before and runs now is started anew, for it has read haoscar's files; `keep`: it is left alone.
pub fn back(
    before: &BTreeMap<String, UnitBefore>,
    now: &BTreeMap<String, UnitFact>,
    keep: bool,
) -> (Vec<UnitAction>, Vec<UnitAction>) {
    let act = |verb, unit: &String| {
        let reason = "it is as before haoscar".to_owned();
        UnitAction { verb, unit: unit.clone(), reason }
    };
    let (mut stops, mut starts) = (Vec::new(), vec![act(UnitVerb::DaemonReload, &String::new())]);
    for (unit, was) in before {
        let fact = now.get(unit).cloned().unwrap_or_default();
        let runs = !["", "inactive", "failed"].contains(&fact.active.as_str());
        stops.extend((runs && (!keep || carries_nothing(unit))).then(|| act(UnitVerb::Stop, unit)));
        stops.extend((fact.enabled && !was.enabled).then(|| act(UnitVerb::Disable, unit)));
        starts.extend((was.enabled && !fact.enabled).then(|| act(UnitVerb::Enable, unit)));
        starts.extend(was.active.then(|| act(UnitVerb::Start, unit)));
    }
    (stops, starts)
}

/// One action.
///
/// # Errors
/// systemctl's words.
pub fn act(action: &UnitAction) -> Result<(), HostError> {
    let verb = match action.verb {
        UnitVerb::DaemonReload => return systemctl(&["daemon-reload"], "systemd"),
        UnitVerb::Enable => "enable",
        UnitVerb::Disable => "disable",
        UnitVerb::Start => "start",
        UnitVerb::Stop => "stop",
        UnitVerb::Reload => "reload",
        UnitVerb::Restart => "restart",
        UnitVerb::EngineRestart => return Ok(()), // the engine's to do, on the cluster as a whole
    };
    systemctl(&[verb, &action.unit], &action.unit)
}

/// What undoes a transaction of before this boot, while the machine boots: what is enabled at once, and the rest as jobs
/// that nobody waits for, since they may wait for whoever asks. What does not run is not started, unless the boot would
/// have started it.
///
/// # Errors
/// The first that would not; each is tried.
pub fn act_later(actions: &[UnitAction]) -> Result<(), HostError> {
    let at_once = |action: &&UnitAction| {
        matches!(action.verb, UnitVerb::DaemonReload | UnitVerb::Enable | UnitVerb::Disable)
    };
    let mut results: Vec<_> = actions.iter().filter(at_once).map(act).collect();
    for action in actions.iter().filter(|action| action.unit != RECOVER) {
        let unit = action.unit.as_str();
        results.push(match action.verb {
            UnitVerb::Stop if !fact(unit).loaded => Ok(()), // its file is gone, and it has never run in this boot
            UnitVerb::Stop => systemctl(&["--no-block", "stop", unit], unit),
            UnitVerb::Start if fact(unit).enabled => systemctl(&["--no-block", "start", unit], unit),
            UnitVerb::Restart => systemctl(&["--no-block", "try-restart", unit], unit),
            UnitVerb::Reload => systemctl(&["--no-block", "try-reload-or-restart", unit], unit),
            _ => Ok(()),
        });
    }
    results.into_iter().collect()
}

/// What comes for an unconfirmed change. Its units are written by hand: systemd-run waits for a bus that is not there
/// yet when a boot sets the timer anew.
const UNCONFIRMED: &str = "haoscar-unconfirmed";

/// Sets the timer that puts an unconfirmed change back, or takes it away.
///
/// # Errors
/// systemd's words.
pub fn arm(seconds: Option<u64>) -> Result<(), HostError> {
    let timer = format!("{UNCONFIRMED}.timer");
    if fact(&timer).loaded {
        systemctl(&["stop", &timer], &timer)?;
    }
    let Some(seconds) = seconds else { return Ok(()) };
    let about = "[Unit]\nDescription=haoscar: puts a change back that nobody has confirmed\n";
    let service = format!("{about}\n[Service]\nExecStart=haoscar recover --unconfirmed\n");
    let time = format!("{about}\n[Timer]\nOnActiveSec={seconds}\nAccuracySec=1s\n");
    let folder = std::path::Path::new("/run/systemd/system");
    for (name, text) in [(format!("{UNCONFIRMED}.service"), service), (timer.clone(), time)] {
        let write = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join(&name), text));
        write.map_err(|e| HostError::failed(&name, e))?;
    }
    systemctl(&["daemon-reload"], "systemd")?;
    systemctl(&["--no-block", "start", &timer], &timer)
}

fn systemctl(words: &[&str], subject: &str) -> Result<(), HostError> {
    let argv: Vec<String> =
        std::iter::once("systemctl").chain(words.iter().copied()).map(str::to_owned).collect();
    let answer = run(&argv, "", JOB_TIMEOUT_MS);
    if answer.status == Some(0) {
        return Ok(());
    }
    let journal = ["journalctl", "-u", subject, "-n", "5", "--no-pager", "-o", "cat"].map(str::to_owned);
    let said = run(&journal, "", 5_000).stdout;
    Err(HostError::failed(subject, format!("{}: {}\n{}", argv.join(" "), answer.stderr.trim(), said.trim())))
}

/// Runs a program to its end, or kills it. Standard output and error come back as text; a program that is not
/// there answers without a status.
pub fn run(argv: &[String], input: &str, timeout_ms: u64) -> Answer {
    let failed = |why: String| Answer { status: None, stdout: String::new(), stderr: why };
    let Some((program, arguments)) = argv.split_first() else { return failed("no program".to_owned()) };
    let child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMCTL_SKIP_SYSV", "1") // enable would rewrite links of init scripts that systemd does not read
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match child {
        Ok(child) => finish(child, input, Duration::from_millis(timeout_ms)),
        Err(e) => failed(format!("{program}: {e}")),
    }
}

fn finish(mut child: Child, input: &str, limit: Duration) -> Answer {
    let begin = Instant::now();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let out = scope.spawn(move || drain(stdout));
        let err = scope.spawn(move || drain(stderr));
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.code(),
                Ok(None) if begin.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
                _ => {
                    kill_group(&child); // a grandchild would hold the pipes
                    let _ = child.wait();
                    break None;
                }
            }
        };
        Answer { status, stdout: out.join().unwrap_or_default(), stderr: err.join().unwrap_or_default() }
    })
}

fn kill_group(child: &Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
    }
}

fn drain(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(verb: UnitVerb, unit: &str) -> UnitAction {
        UnitAction { verb, unit: unit.to_owned(), reason: String::new() }
    }

    #[test]
    fn actions_are_undone_last_first_after_systemd_has_read_its_units() {
        let done = [
            action(UnitVerb::Stop, "a"),
            action(UnitVerb::DaemonReload, ""),
            action(UnitVerb::Restart, "b"),
            action(UnitVerb::Enable, "c"),
            action(UnitVerb::Start, "c"),
        ];
        let back: Vec<_> = inverse(&done).into_iter().map(|action| (action.verb, action.unit)).collect();
        let expected = [
            (UnitVerb::DaemonReload, ""),
            (UnitVerb::Stop, "c"),
            (UnitVerb::Disable, "c"),
            (UnitVerb::Restart, "b"),
            (UnitVerb::Start, "a"),
        ];
        assert_eq!(back, expected.map(|(verb, unit)| (verb, unit.to_owned())));
    }

    #[test]
    fn services_that_are_kept_run_on_and_nothing_of_haoscars_own_does() {
        let units = [
            "chrony.service",
            "corosync.service",
            "haoscar.service",
            "haoscar-dhcp.service",
            "haoscar-images.service",
            "haoscar-watch.service",
        ];
        let before = units.map(|unit| (unit.to_owned(), UnitBefore { enabled: false, active: false })).into();
        let runs = UnitFact { active: "active".to_owned(), ..UnitFact::default() };
        let now = units.map(|unit| (unit.to_owned(), runs.clone())).into();
        let stopped = |keep| {
            let (stops, _) = back(&before, &now, keep);
            let stops = stops.into_iter().filter(|action| action.verb == UnitVerb::Stop);
            stops.map(|action| action.unit).collect::<Vec<_>>()
        };
        assert_eq!(stopped(true), ["corosync.service", "haoscar-watch.service", "haoscar.service"]);
        assert_eq!(stopped(false).len(), units.len());
    }
}

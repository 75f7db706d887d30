//! Asks systemd and tells the engine, by their own tools. Each has a time limit, for an engine that elects or a systemd
//! that reloads answers late.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::gauge::{Gauge, Word};
use super::judge::{PROPERTIES, UnitState};
use super::wake;
use crate::engines::watchlist::WatchedUnit;

/// Measured: 10 to 40 ms. An engine that has not answered by then elects a new coordinator, and finds the failure by
/// its own monitor.
const LIMIT_MS: u64 = 5_000;

/// How those units are, in order.
///
/// # Errors
/// systemd did not answer.
pub(super) fn states(units: &[&str]) -> Result<Vec<UnitState>, String> {
    let text = run(&[&["systemctl", "show", "-p", PROPERTIES], units].concat())?;
    let states: Vec<_> = text.split("\n\n").map(UnitState::read).collect();
    if states.len() == units.len() { Ok(states) } else { Err("systemctl: its answer is cut off".to_owned()) }
}

/// The resource has failed on this head. Answers with what was counted before.
pub(super) fn failed(host: &str, unit: &WatchedUnit) -> Result<u64, String> {
    let before = number(host, &count_of(unit))?;
    run(&["crm_resource", "--fail", "--resource", &unit.resource, "--node", host])?;
    Ok(before)
}

/// Sees to it that a failure counts once.
///
/// Pacemaker up to 2.1.5 counts [`failed`] twice (ClusterLabs/pacemaker#2947), and so would move a group after half the
/// restarts that the spec allows: the count is put right before the engine acts on it, which it does after its
/// `transition-delay`.
pub(super) fn count_once(host: &str, unit: &WatchedUnit, before: u64) -> Result<(), String> {
    let name = count_of(unit);
    let once = (before + 1).to_string();
    for pause_ms in COUNT_PAUSES_MS {
        std::thread::sleep(Duration::from_millis(pause_ms));
        if number(host, &name)? > before + 1 {
            run(&["attrd_updater", "--name", &name, "--update", &once])?;
        }
    }
    Ok(())
}

/// The second count comes about 10 ms after the first, before `crm_resource` ends (measured); on a loaded machine later.
const COUNT_PAUSES_MS: [u64; 4] = [0, 20, 100, 500];

/// Nobody but `crm_resource --fail` counts here.
fn count_of(unit: &WatchedUnit) -> String {
    format!("fail-count-{}#asyncmon_0", unit.resource)
}

/// A node attribute of that head that counts.
fn number(host: &str, name: &str) -> Result<u64, String> {
    Ok(query(host, name)?.parse().unwrap_or_default())
}

/// A node attribute of that head; empty if it was never set.
fn query(host: &str, name: &str) -> Result<String, String> {
    match run(&["attrd_updater", "--name", name, "--query", "--node", host]) {
        Ok(text) => Ok(value_of(host, &text).unwrap_or_default().to_owned()),
        Err(why) if why.contains("does not exist") => Ok(String::new()),
        Err(why) => Err(why),
    }
}

/// The generation that a member has, for the head that leads. Private: it is not kept, and the engine does not act on it.
const ACCEPTED: &str = "haoscar-accepted";

/// Has the other members know which generation this host has. The engine forgets it with each start.
pub(super) fn publish(host: &str, generation: u64) -> Result<(), String> {
    let generation = generation.to_string();
    if query(host, ACCEPTED)? == generation {
        return Ok(());
    }
    run(&["attrd_updater", "--private", "--name", ACCEPTED, "--update", &generation]).map(|_| ())
}

/// The generation that each member has said it has.
pub(super) fn published() -> Result<BTreeMap<String, u64>, String> {
    match run(&["attrd_updater", "--name", ACCEPTED, "--query", "--all"]) {
        Ok(text) => Ok(values(&text)),
        Err(why) if why.contains("does not exist") => Ok(BTreeMap::new()),
        Err(why) => Err(why),
    }
}

/// Whole numbers, by host.
fn values(answer: &str) -> BTreeMap<String, u64> {
    let host = |line: &str| Some(line.split("host=\"").nth(1)?.split('"').next()?.to_owned());
    let of = |line: &str| {
        let host = host(line)?;
        Some((host.clone(), value_of(&host, line)?.parse().ok()?))
    };
    answer.lines().filter_map(of).collect()
}

/// The answer has a line a head, whichever was asked about: `name="N" host="H" value="V"`.
fn value_of<'a>(host: &str, answer: &'a str) -> Option<&'a str> {
    let line = answer.lines().find(|line| line.contains(&format!("host=\"{host}\"")))?;
    line.split("value=\"").nth(1)?.split('"').next()
}

/// A node attribute of this head. The engine waits `delay_ms` for other heads that lose the same before it acts. One
/// that was never set is not taken away. Says whether the engine was told.
pub(super) fn attribute(host: &str, name: &str, word: Word, delay_ms: u64) -> Result<bool, String> {
    let delay = format!("{delay_ms}ms");
    if word == Word::Lost {
        return run(&["attrd_updater", "--name", name, "--update", "0", "--delay", &delay]).map(|_| true);
    }
    let held = query(host, name)? == "0";
    if held {
        run(&["attrd_updater", "--name", name, "--delete"])?;
    }
    Ok(held)
}

/// How the words of gauges reach the engine.
pub(super) struct Told<'a> {
    pub(super) host: &'a str,
    pub(super) begin: Instant,
    /// How long the engine waits for other heads that lose the same.
    pub(super) together_ms: u64,
    pub(super) say: &'a (dyn Fn(&str) + Sync),
}

impl Told<'_> {
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives a reading to its gauge, and the engine what the gauge says.
    pub(super) fn read(&self, gauge: &mut Gauge, good: bool, name: &str) {
        let known = gauge.is_lost();
        let Some(word) = gauge.read(good, self.now_ms()) else { return };
        let what = if word == Word::Lost { "lost" } else { "there" };
        match attribute(self.host, name, word, self.together_ms) {
            Ok(changed) if changed && !(known && word == Word::Lost) => {
                (self.say)(&format!("{name}: {what}"));
            }
            Ok(_) => {}
            Err(error) => {
                gauge.unheard(self.now_ms());
                (self.say)(&format!("{name}: {what}; the engine could not be told: {error}"));
            }
        }
    }
}

pub(super) fn run(argv: &[&str]) -> Result<String, String> {
    run_for(argv, LIMIT_MS)
}

/// A program with a time of its own; what it printed.
pub(super) fn run_for(argv: &[&str], limit_ms: u64) -> Result<String, String> {
    run_with(argv, "", limit_ms)
}

/// The same with a few words on its standard input: a pipe holds them, so that nobody waits.
pub(super) fn run_with(argv: &[&str], input: &str, limit_ms: u64) -> Result<String, String> {
    let name = argv[0];
    let mut child = Command::new(name)
        .args(&argv[1..])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes())); // one that does not read says why
    let process = wake::of_process(child.id());
    let output = std::thread::scope(|scope| {
        if let Some(process) = &process {
            scope.spawn(move || end_late(process, limit_ms));
        }
        child.wait_with_output()
    });
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{name} ended with {}: {said}", output.status))
}

fn end_late(process: &OwnedFd, limit_ms: u64) {
    if wake::wait(&[process.as_fd()], limit_ms) != [true] {
        let _ = rustix::process::pidfd_send_signal(process, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_this_head_is_read_and_not_anothers() {
        // attrd_updater of Pacemaker 2.1.5, asked on head-1
        let answer = "name=\"n\" host=\"head-2\" value=\"\"\nname=\"n\" host=\"head-1\" value=\"0\"\n";
        assert_eq!(value_of("head-1", answer), Some("0"));
        assert_eq!(value_of("head-2", answer), Some(""));
        assert_eq!(value_of("head-3", answer), None);
    }

    #[test]
    fn each_member_that_has_said_its_generation_is_known() {
        let answer = "name=\"n\" host=\"head-1\" value=\"7\"\nname=\"n\" host=\"head-2\" value=\"\"\nname=\"n\" host=\"arbiter\" value=\"6\"\n";
        assert_eq!(values(answer), BTreeMap::from([("arbiter".to_owned(), 6), ("head-1".to_owned(), 7)]));
    }
}

//! A scheduler, asked by its own client in a node. Each question is a process, cut after half a second: a hung
//! client would hide the return for about a second (TCP's own repetition).

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::clock::{Ticker, monotonic_us};
use super::run::Outlet;
use super::{Answer, ProbeTarget, Sample};

const COMMAND_MAX_US: u64 = 500_000;
/// How often running questions are looked at; the error of an answer's time.
const LOOK_US: u64 = 5_000;
/// What a wrong answer's text is cut to.
const TEXT_CHARS: usize = 120;

/// Asks until the outlet is closed. A slow question does not hold up the next tick.
pub(super) fn probe(target: &ProbeTarget, argv: &[String], says: &str, outlet: &Outlet) {
    let mut ticker = Ticker::new(monotonic_us(), target.tick_ms);
    let mut running: Vec<(u64, Child)> = Vec::new();
    let mut late = 0;
    while outlet.is_open() {
        std::thread::sleep(Duration::from_micros(ticker.wait_us(monotonic_us()).min(LOOK_US)));
        running.retain_mut(|(asked_us, child)| look(target, says, *asked_us, child, outlet));
        let now = monotonic_us();
        if ticker.take(now) {
            outlet.late(&target.service, ticker.late - late);
            late = ticker.late;
            match start(argv) {
                Ok(child) => running.push((now, child)),
                Err(error) => outlet.broken(&target.service, &format!("cannot start {argv:?}: {error}")),
            }
        }
    }
    for (_, mut child) in running {
        end(&mut child);
    }
}

fn start(argv: &[String]) -> std::io::Result<Child> {
    let (program, arguments) = argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// Whether the question still runs.
fn look(target: &ProbeTarget, says: &str, asked_us: u64, child: &mut Child, outlet: &Outlet) -> bool {
    let now = monotonic_us();
    let answer = match child.try_wait() {
        Ok(None) if now - asked_us < COMMAND_MAX_US => return true,
        Ok(None) | Err(_) => {
            end(child);
            Answer::Silent
        }
        Ok(Some(_)) => judge(&text_of(child), says),
    };
    outlet.sample(Sample { service: target.service.clone(), asked_us, ended_us: now, answer });
    false
}

fn text_of(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A client that reached its server and does not like what it heard prints something; one that did not reach it
/// prints nothing, or DOWN.
fn judge(text: &str, says: &str) -> Answer {
    if text.contains(says) {
        Answer::Good
    } else if text.trim().is_empty() || text.contains("DOWN") {
        Answer::NotYet("down".to_owned())
    } else {
        Answer::Wrong(text.trim().chars().take(TEXT_CHARS).collect())
    }
}

/// Kills the whole group that was started: `nsenter` leaves its child behind when only it is killed.
fn end(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    use crate::probe::{Ask, COMMAND_TICK_MS, Line, run};

    /// The first things that the prober says of `script`.
    fn watched(script: &str) -> Vec<Sample> {
        let argv: Vec<String> = ["sh", "-c", script].map(str::to_owned).into();
        let ask = Ask::Command { argv, says: " is UP".to_owned() };
        let targets = [ProbeTarget { service: "scheduler".into(), ask, tick_ms: COMMAND_TICK_MS }];
        let (sender, lines) = mpsc::channel();
        let open = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| run(&targets, &open, &sender));
            let said = lines.iter().filter_map(|l| if let Line::Sample(s) = l { Some(s) } else { None });
            let said = said.take(3).collect();
            open.store(false, std::sync::atomic::Ordering::Relaxed);
            said
        })
    }

    #[test]
    fn a_hung_client_is_cut_after_half_a_second_and_holds_up_no_tick() {
        // its own child keeps the output open, as a client behind nsenter would
        let samples = watched("sleep 30 & wait");
        for sample in &samples {
            assert_eq!(sample.answer, Answer::Silent);
            assert!(sample.ended_us - sample.asked_us >= COMMAND_MAX_US);
        }
        assert!(samples.windows(2).any(|two| two[1].asked_us < two[0].ended_us), "{samples:?}");
    }

    #[test]
    fn a_client_that_answers_is_right_whatever_its_status_is() {
        let samples = watched("echo 'Slurmctld(primary) at control is UP'; exit 1");
        assert!(samples.iter().all(|s| s.answer == Answer::Good), "{samples:?}");
    }

    #[test]
    fn the_text_is_judged_and_not_the_status() {
        assert_eq!(judge("Slurmctld(primary) at control is UP\n", " is UP"), Answer::Good);
        let down = judge("Slurmctld(primary) at control is DOWN\n", " is UP");
        assert_eq!(down, Answer::NotYet("down".into()));
        assert_eq!(judge("", " is UP"), Answer::NotYet("down".into()));
        assert!(matches!(judge("scontrol: error: munge", " is UP"), Answer::Wrong(_)));
    }
}

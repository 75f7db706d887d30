//! Each target asked until it answers once, or until the time is over: what a client sees now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::time::NOT_SYNCHRONIZED;
use super::{Answer, Line, ProbeTarget, Sample, View, Window, monotonic_us, run};
use crate::observed::Seen;

/// What each target answers within `limit`, by service. The best answer counts: one that is right ends the asking.
pub fn once(targets: &[ProbeTarget], limit: Duration) -> BTreeMap<String, Seen> {
    let silent = |target: &ProbeTarget| (target.service.clone(), Seen::Silent);
    let mut seen: BTreeMap<_, _> = targets.iter().map(silent).collect();
    let open = AtomicBool::new(true);
    let (sender, lines) = mpsc::channel();
    std::thread::scope(|scope| {
        let still_open = &open;
        scope.spawn(move || run(targets, still_open, &sender));
        let begin = Instant::now();
        let ended = |seen: &Seen| matches!(seen, Seen::Answers | Seen::NotYet(_) | Seen::NotAsked(_));
        while !seen.values().all(ended) {
            match lines.recv_timeout(limit.saturating_sub(begin.elapsed())) {
                Ok(line) => take(&line, &mut seen),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        open.store(false, Ordering::Relaxed);
    });
    seen
}

/// The longest outage of each service that `targets` saw within `window`, in seconds; none for one that did not come
/// back. What cannot be asked from here is left out.
pub fn watched(targets: &[ProbeTarget], window: Duration) -> BTreeMap<String, Option<f64>> {
    let open = AtomicBool::new(true);
    let (sender, lines) = mpsc::channel();
    let from_us = monotonic_us();
    let begin = Instant::now();
    let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    std::thread::scope(|scope| {
        let still_open = &open;
        scope.spawn(move || run(targets, still_open, &sender));
        while let Ok(line) = lines.recv_timeout(window.saturating_sub(begin.elapsed())) {
            if let Line::Sample(sample) = line {
                samples.entry(sample.service.clone()).or_default().push(sample);
            }
        }
        open.store(false, Ordering::Relaxed);
    });
    let watched = Window { from_us, to_us: monotonic_us() };
    let seen = targets.iter().filter_map(|target| {
        let view = View::of(samples.get(&target.service)?, watched, target.tick_ms);
        Some((target.service.clone(), view.outage_s()))
    });
    seen.collect()
}

fn take(line: &Line, seen: &mut BTreeMap<String, Seen>) {
    let (service, new) = match line {
        Line::Sample(sample) => (&sample.service, of(&sample.answer)),
        Line::Broken { service, reason } => (service, Seen::NotAsked(reason.clone())),
        Line::Owner { .. } | Line::Wrote { .. } | Line::Late { .. } => return,
    };
    if let Some(old) = seen.get_mut(service).filter(|old| **old != Seen::Answers && new != Seen::Silent) {
        *old = new;
    }
}

fn of(answer: &Answer) -> Seen {
    match answer {
        Answer::Good => Seen::Answers,
        Answer::Wrong(what) if what == NOT_SYNCHRONIZED => Seen::NotYet(what.clone()),
        Answer::Wrong(what) | Answer::NotYet(what) => Seen::Wrong(what.clone()),
        Answer::Silent => Seen::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Ask, COMMAND_TICK_MS};

    fn command(service: &str, program: &str, says: &str) -> ProbeTarget {
        let ask = Ask::Command { argv: vec![program.to_owned(), "is UP".to_owned()], says: says.to_owned() };
        ProbeTarget { service: service.to_owned(), ask, tick_ms: COMMAND_TICK_MS }
    }

    #[test]
    fn a_right_answer_a_wrong_one_and_a_program_that_is_not_there_are_told_apart() {
        let targets =
            [command("a", "echo", "is UP"), command("b", "echo", "is DOWN"), command("c", "/no/such", "")];
        let seen = once(&targets, Duration::from_millis(600));
        assert_eq!(seen["a"], Seen::Answers);
        assert!(matches!(&seen["b"], Seen::Wrong(text) if text.contains("is UP")), "{seen:?}");
        assert!(matches!(&seen["c"], Seen::NotAsked(why) if why.contains("cannot start")), "{seen:?}");
    }
}

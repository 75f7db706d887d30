//! Knocks at nodes that were away, a few at a time: one that answers is enough, for an apply then reaches all that are back.

use std::time::{Duration, Instant};

use super::tell::run_for;
use crate::desired::HostName;

/// Somebody who waits for a node can wait for this long.
const EVERY: Duration = Duration::from_secs(60);

/// A thousand nodes without power must not cost the head that serves: an ssh that finds nobody takes 16 ms of a core (measured).
const AT_ONCE: usize = 8;

/// ssh gives up by then.
const LIMIT_MS: u64 = 10_000;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Knock {
    last: Option<Instant>,
    next: usize,
}

impl Knock {
    /// The last time is long enough ago.
    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|at| at.elapsed() >= EVERY)
    }

    /// The first node that lets this head's root in, if one of those whose turn it is does.
    pub fn at(&mut self, names: &[HostName]) -> Option<HostName> {
        self.last = Some(Instant::now());
        let turn = turn(names, self.next);
        self.next = self.next.wrapping_add(turn.len());
        std::thread::scope(|threads| {
            let asked: Vec<_> = turn.into_iter().map(|name| threads.spawn(move || answers(name))).collect();
            asked.into_iter().filter_map(|thread| thread.join().ok().flatten()).next()
        })
    }
}

/// Those after the last ones, around and around.
fn turn(names: &[HostName], next: usize) -> Vec<&HostName> {
    let begin = if names.is_empty() { 0 } else { next % names.len() };
    names.iter().cycle().skip(begin).take(AT_ONCE.min(names.len())).collect()
}

fn answers(name: &HostName) -> Option<HostName> {
    let login = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", name, "true"];
    run_for(&login, LIMIT_MS).ok().map(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_turn_and_few_are_asked_at_once() {
        let names: Vec<_> = (0..20).map(|n| format!("node{n}")).collect();
        let (mut next, mut asked) = (0, Vec::new());
        for _ in 0..5 {
            let turn = turn(&names, next);
            assert_eq!(turn.len(), AT_ONCE);
            next += turn.len();
            asked.extend(turn);
        }
        assert!(names.iter().all(|name| asked.iter().filter(|asked| **asked == name).count() == 2));
        assert_eq!(turn(&names[..3], 7).len(), 3, "nobody is asked twice");
        assert!(turn(&[], 7).is_empty());
    }
}

//! How often the same thing is tried: a failure is tried again after a growing while, and at last left to a person;
//! what somebody else changes again and again is not fought over. Pure: time comes in as milliseconds.

use std::collections::VecDeque;

/// After so many failures of the same it is left until something changes.
const TRIES: usize = 4;

/// The first pause after a failure; each further one is five times as long.
const FIRST_PAUSE_MS: u64 = 1_000;

/// An object that was put back so often within the window has somebody who changes it.
const FIGHTS: usize = 5;

/// See [`FIGHTS`].
const WINDOW_MS: u64 = 300_000;

/// What is remembered of tries.
#[derive(Debug, Default)]
pub struct Patience {
    failed: Vec<String>,
    failures: usize,
    next_ms: u64,
    healed: VecDeque<(u64, String)>,
}

/// What is to be done with objects that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Try.
    Try,
    /// Try again after so many milliseconds.
    Later(u64),
    /// Leave it: a line for a person.
    Leave(String),
}

impl Patience {
    /// What to do about these objects.
    pub fn advice(&mut self, objects: &[String], now_ms: u64) -> Advice {
        self.healed.retain(|(at, _)| now_ms.saturating_sub(*at) < WINDOW_MS);
        let times = |object: &&String| self.healed.iter().filter(|(_, healed)| healed == *object).count();
        if let Some(fought) = objects.iter().find(|object| times(object) >= FIGHTS) {
            let minutes = WINDOW_MS / 60_000;
            return Advice::Leave(format!(
                "{fought} was put back {FIGHTS} times within {minutes} min and is changed again: somebody else writes it"
            ));
        }
        if self.failed != objects {
            return Advice::Try; // something else, or something has changed
        }
        if self.failures >= TRIES {
            return Advice::Leave(format!("it was tried {TRIES} times"));
        }
        if now_ms < self.next_ms { Advice::Later(self.next_ms - now_ms) } else { Advice::Try }
    }

    /// It went wrong. `jitter`: 0 to 1, so that hosts do not try in step.
    pub fn failed(&mut self, objects: &[String], now_ms: u64, jitter: f64) {
        if self.failed != objects {
            objects.clone_into(&mut self.failed);
            self.failures = 0;
        }
        let pause = FIRST_PAUSE_MS * 5_u64.pow(u32::try_from(self.failures).unwrap_or(TRIES as u32));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let pause = (pause as f64 * (0.75 + jitter / 2.0)) as u64;
        self.next_ms = now_ms + pause;
        self.failures += 1;
    }

    /// It went well.
    pub fn healed(&mut self, objects: &[String], now_ms: u64) {
        self.forget();
        self.healed.extend(objects.iter().map(|object| (now_ms, object.clone())));
    }

    /// Something has changed: failures of before say nothing any more.
    pub fn forget(&mut self) {
        (self.failed, self.failures) = (Vec::new(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Vec<String> {
        vec!["/etc/hosts".to_owned()]
    }

    #[test]
    fn a_failure_is_tried_again_after_longer_and_longer_pauses_and_then_left() {
        let mut patience = Patience::default();
        let (mut now, mut pauses) = (0, Vec::new());
        while patience.advice(&objects(), now) == Advice::Try {
            patience.failed(&objects(), now, 0.5);
            if let Advice::Later(pause) = patience.advice(&objects(), now) {
                pauses.push(pause);
                now += pause;
            }
        }
        assert_eq!(pauses, [1_000, 5_000, 25_000]);
        assert!(matches!(patience.advice(&objects(), now), Advice::Leave(_)));
        assert!(
            matches!(patience.advice(&objects(), now + 10 * WINDOW_MS), Advice::Leave(_)),
            "and stays so"
        );
    }

    #[test]
    fn something_that_changes_is_tried_at_once() {
        let mut patience = Patience::default();
        (0..TRIES).for_each(|_| patience.failed(&objects(), 0, 0.0));
        assert_eq!(patience.advice(&["/etc/other".to_owned()], 0), Advice::Try);
        patience.forget();
        assert_eq!(patience.advice(&objects(), 0), Advice::Try);
    }

    #[test]
    fn what_somebody_else_writes_again_and_again_is_not_fought_over() {
        let mut patience = Patience::default();
        for n in 0..FIGHTS as u64 {
            assert_eq!(patience.advice(&objects(), n), Advice::Try);
            patience.healed(&objects(), n);
        }
        assert!(matches!(patience.advice(&objects(), 9), Advice::Leave(why) if why.contains("/etc/hosts")));
        assert_eq!(patience.advice(&objects(), WINDOW_MS + 9), Advice::Try, "once the window is over");
    }
}

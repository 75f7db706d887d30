//! When the engine is told that a network or a storage is lost, and when that it is back.
//!
//! Pure: readings and times in, words out. A loss counts at once, a recovery after ten seconds; a loss is said again
//! from time to time, for an engine that was started anew has forgotten it.

/// A cable that is plugged in again may come out again; an engine that believes each touch moves services to and fro.
pub const STEADY_MS: u64 = 10_000;

/// How often a loss, or a word that did not arrive, is said again.
pub const AGAIN_MS: u64 = 5_000;

/// A word to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Set the attribute to 0.
    Lost,
    /// Take the attribute away.
    Back,
}

/// One network or storage.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    good_since: Option<u64>,
    /// The last word, and when it was said; none: an earlier watcher may have said anything.
    said: Option<(Word, u64)>,
}

impl Gauge {
    /// A reading; answers with what must be said.
    pub fn read(&mut self, good: bool, now_ms: u64) -> Option<Word> {
        if !good {
            self.good_since = None;
            let again = matches!(self.said, Some((Word::Lost, at)) if now_ms < at + AGAIN_MS);
            return (!again).then(|| self.say(Word::Lost, now_ms));
        }
        let since = *self.good_since.get_or_insert(now_ms);
        let said = matches!(self.said, Some((Word::Back, _)));
        (!said && now_ms >= since + STEADY_MS).then(|| self.say(Word::Back, now_ms))
    }

    /// The engine has been told of a loss.
    pub fn is_lost(&self) -> bool {
        matches!(self.said, Some((Word::Lost, _)))
    }

    fn say(&mut self, word: Word, now_ms: u64) -> Word {
        self.said = Some((word, now_ms));
        word
    }

    /// The last word did not arrive. A loss is said again anyway.
    pub fn unheard(&mut self, now_ms: u64) {
        if matches!(self.said, Some((Word::Back, _))) {
            self.said = None;
            self.good_since = Some((now_ms + AGAIN_MS).saturating_sub(STEADY_MS));
        }
    }

    /// When the next reading is due though nothing has happened; none: never.
    pub fn due_ms(&self) -> Option<u64> {
        match (self.good_since, self.said) {
            (Some(_), Some((Word::Back, _))) => None,
            (Some(since), _) => Some(since + STEADY_MS),
            (None, Some((_, at))) => Some(at + AGAIN_MS),
            (None, None) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_said_at_once_and_again_after_five_seconds() {
        let mut gauge = Gauge::default();
        assert_eq!(gauge.read(false, 0), Some(Word::Lost));
        assert_eq!(gauge.read(false, 4_999), None);
        assert_eq!(gauge.read(false, 5_000), Some(Word::Lost));
    }

    #[test]
    fn what_is_good_is_said_once_after_ten_steady_seconds() {
        let mut gauge = Gauge::default();
        assert_eq!(gauge.read(true, 0), None);
        assert_eq!(gauge.due_ms(), Some(10_000));
        assert_eq!(gauge.read(true, 10_000), Some(Word::Back));
        assert_eq!(gauge.read(true, 100_000), None);
        assert_eq!(gauge.due_ms(), None, "at rest nothing wakes the watcher");
    }

    #[test]
    fn a_flapping_cable_stays_lost() {
        let mut gauge = Gauge::default();
        for second in (0..60).step_by(6) {
            let now = second * 1_000;
            assert_eq!(gauge.read(false, now), Some(Word::Lost));
            assert_eq!(gauge.read(true, now + 10), None);
            assert_eq!(gauge.read(true, now + 5_999), None);
        }
    }

    #[test]
    fn a_recovery_that_the_engine_did_not_hear_is_said_again() {
        let mut gauge = Gauge::default();
        gauge.read(true, 0);
        assert_eq!(gauge.read(true, 10_000), Some(Word::Back));
        gauge.unheard(10_100);
        assert_eq!(gauge.read(true, 10_200), None);
        assert_eq!(gauge.read(true, 15_100), Some(Word::Back));
    }
}

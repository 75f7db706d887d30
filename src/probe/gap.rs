//! From samples to one client's view: its outage, its errors, its latency. Pure; it must not know what the fault
//! was.

use super::{Answer, Sample};

/// A gap shorter than this many ticks is the machine, not the cluster: it counts as none.
pub const GAP_TICKS_MIN: u64 = 4;

/// The time in which a fault could show, in microseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The fault.
    pub from_us: u64,
    /// The end of watching.
    pub to_us: u64,
}

/// What the client of one service saw in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Probes asked in the window.
    pub asked: usize,
    /// Right answers in the window.
    pub answered: usize,
    /// Wrong answers in the window.
    pub errors: usize,
    /// The last of the wrong answers, in words.
    pub last_error: Option<String>,
    /// What the service last said instead of serving, in words.
    pub said: Option<String>,
    /// Begin and end of the longest gap between two right answers; none if no gap counts. The end is none if no
    /// right answer came after it.
    pub gap: Option<(u64, Option<u64>)>,
}

impl View {
    /// What `samples` (of one service, in any order) say about `window`. A gap counts from the last right answer
    /// before it to the first one after it, if it is at least [`GAP_TICKS_MIN`] ticks long and a probe that was
    /// asked in it went without a right answer: silence of the prober itself is no outage.
    pub fn of(samples: &[Sample], window: Window, tick_ms: u64) -> Self {
        let within = |us: u64| window.from_us <= us && us <= window.to_us;
        let asked: Vec<&Sample> = samples.iter().filter(|s| within(s.asked_us)).collect();
        let wrong = |s: &&Sample| match &s.answer {
            Answer::Wrong(text) => Some(text.clone()),
            _ => None,
        };
        let not_yet = |s: &&Sample| match &s.answer {
            Answer::NotYet(text) => Some(text.clone()),
            _ => None,
        };
        let errors: Vec<String> = asked.iter().filter_map(wrong).collect();
        Self {
            asked: asked.len(),
            answered: asked.iter().filter(|s| s.answer == Answer::Good).count(),
            errors: errors.len(),
            last_error: errors.into_iter().next_back(),
            said: asked.iter().rev().find_map(not_yet),
            gap: longest_gap(samples, window, tick_ms * 1_000 * GAP_TICKS_MIN),
        }
    }

    /// The outage in seconds: 0 without a gap, none if the service never came back.
    pub fn outage_s(&self) -> Option<f64> {
        match self.gap {
            None => Some(0.0),
            Some((_, None)) => None,
            Some((begin, Some(end))) => Some(seconds(end - begin)),
        }
    }
}

fn longest_gap(samples: &[Sample], window: Window, least_us: u64) -> Option<(u64, Option<u64>)> {
    let mut good: Vec<u64> = samples
        .iter()
        .filter(|s| s.answer == Answer::Good && s.ended_us <= window.to_us)
        .map(|s| s.ended_us)
        .collect();
    good.sort_unstable();
    let before = good.iter().copied().take_while(|us| *us <= window.from_us).last().unwrap_or(window.from_us);
    let mut begin = before;
    let mut gaps = Vec::new();
    for end in good.into_iter().filter(|us| *us > window.from_us) {
        gaps.push((begin, Some(end)));
        begin = end;
    }
    gaps.push((begin, None));
    let length = |gap: &(u64, Option<u64>)| gap.1.unwrap_or(window.to_us).saturating_sub(gap.0);
    let missed = |gap: &(u64, Option<u64>)| {
        let end = gap.1.unwrap_or(window.to_us);
        samples.iter().any(|s| s.answer != Answer::Good && gap.0 <= s.asked_us && s.asked_us < end)
    };
    gaps.into_iter().filter(|gap| length(gap) >= least_us && missed(gap)).max_by_key(length)
}

/// The `share` (0.5, 0.99) of the right answers' latencies, in milliseconds; none without an answer.
pub fn latency_ms(samples: &[Sample], share: f64) -> Option<f64> {
    let mut took: Vec<u64> = samples
        .iter()
        .filter(|s| s.answer == Answer::Good)
        .map(|s| s.ended_us.saturating_sub(s.asked_us))
        .collect();
    took.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = ((took.len().checked_sub(1)?) as f64 * share.clamp(0.0, 1.0)).round() as usize;
    took.get(index).map(|us| seconds(*us) * 1_000.0)
}

/// Microseconds as seconds.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const WINDOW: Window = Window { from_us: 10 * SECOND, to_us: 20 * SECOND };

    fn sample(asked_us: u64, answer: Answer) -> Sample {
        Sample { service: "names".into(), asked_us, ended_us: asked_us + 300, answer }
    }

    /// One probe each 10 ms from 9 s to 20 s; those asked in `from..to` milliseconds end as `answer`.
    fn series(from_ms: u64, to_ms: u64, answer: &Answer) -> Vec<Sample> {
        (900..2_000)
            .map(|n| {
                (n * 10, if (from_ms..to_ms).contains(&(n * 10)) { answer.clone() } else { Answer::Good })
            })
            .map(|(ms, answer)| sample(ms * 1_000, answer))
            .collect()
    }

    #[test]
    fn an_outage_runs_from_the_last_right_answer_to_the_first_after_it() {
        let view = View::of(&series(10_000, 11_400, &Answer::Silent), WINDOW, 10);
        assert_eq!(view.gap, Some((9_990_300, Some(11_400_300))));
        assert_eq!(view.outage_s(), Some(1.41));
        assert_eq!((view.asked, view.answered, view.errors), (1_000, 860, 0));
    }

    #[test]
    fn a_gap_under_four_ticks_is_no_outage() {
        assert_eq!(View::of(&series(12_000, 12_020, &Answer::Silent), WINDOW, 10).outage_s(), Some(0.0));
        assert_eq!(View::of(&series(12_000, 12_030, &Answer::Silent), WINDOW, 10).outage_s(), Some(0.04));
    }

    #[test]
    fn a_wrong_answer_is_an_error_and_does_not_end_the_outage() {
        let mut samples = series(10_000, 11_000, &Answer::Silent);
        samples.retain(|s| s.asked_us != 10_500_000);
        samples.push(sample(10_500_000, Answer::Wrong("NXDOMAIN".into())));
        let view = View::of(&samples, WINDOW, 10);
        assert_eq!((view.errors, view.last_error.as_deref()), (1, Some("NXDOMAIN")));
        assert_eq!(view.outage_s(), Some(1.01));
    }

    #[test]
    fn a_service_that_says_not_yet_is_out_and_makes_no_error() {
        let view = View::of(&series(10_000, 15_000, &Answer::NotYet("grace".into())), WINDOW, 10);
        assert_eq!((view.errors, view.outage_s()), (0, Some(5.01)));
    }

    #[test]
    fn a_service_that_never_comes_back_has_no_outage_in_seconds() {
        let view = View::of(&series(10_000, 20_000, &Answer::Silent), WINDOW, 10);
        assert_eq!(view.gap, Some((9_990_300, None)));
        assert_eq!(view.outage_s(), None);
    }

    #[test]
    fn silence_of_the_prober_itself_is_no_outage() {
        let mut samples = series(0, 0, &Answer::Good);
        samples.retain(|s| !(12_000_000..13_000_000).contains(&s.asked_us));
        assert_eq!(View::of(&samples, WINDOW, 10).outage_s(), Some(0.0));
    }

    #[test]
    fn a_service_that_never_answered_is_out_for_the_whole_window() {
        let view = View::of(&series(0, 30_000, &Answer::Silent), WINDOW, 10);
        assert_eq!(view.gap, Some((WINDOW.from_us, None)));
    }

    #[test]
    fn of_two_outages_the_longer_counts() {
        let mut samples = series(10_000, 10_200, &Answer::Silent);
        for s in samples.iter_mut().filter(|s| (12_000_000..12_500_000).contains(&s.asked_us)) {
            s.answer = Answer::Silent;
        }
        assert_eq!(View::of(&samples, WINDOW, 10).outage_s(), Some(0.51));
    }

    #[test]
    fn latency_counts_right_answers_only() {
        let samples = series(10_000, 11_000, &Answer::Silent);
        assert_eq!(latency_ms(&samples, 0.99), Some(0.3));
        assert_eq!(latency_ms(&[], 0.5), None);
    }
}

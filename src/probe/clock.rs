//! The clock of all samples, and a tick that never catches up in a burst.

use nix::time::{ClockId, clock_gettime};

/// Microseconds of CLOCK_MONOTONIC: one clock for every process and namespace of the machine, and the one of
/// journald's `__MONOTONIC_TIMESTAMP`, so that samples and journals can be laid side by side.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or((0, 0), |t| (t.tv_sec(), t.tv_nsec()));
    u64::try_from(now.0).unwrap_or(0) * 1_000_000 + u64::try_from(now.1).unwrap_or(0) / 1_000
}

/// Ticks at `start + n * period`. One that is missed by a whole period is counted and left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticker {
    next_us: u64,
    period_us: u64,
    /// Ticks that were left out.
    pub(super) late: u64,
}

impl Ticker {
    pub(super) fn new(start_us: u64, period_ms: u64) -> Self {
        Self { next_us: start_us, period_us: period_ms.max(1) * 1_000, late: 0 }
    }

    /// Microseconds until the next tick; 0 when it is due.
    pub(super) fn wait_us(&self, now_us: u64) -> u64 {
        self.next_us.saturating_sub(now_us)
    }

    /// Whether a tick is due; if so it is taken, and those that were missed are counted.
    pub(super) fn take(&mut self, now_us: u64) -> bool {
        if now_us < self.next_us {
            return false;
        }
        let missed = (now_us - self.next_us) / self.period_us;
        self.late += missed;
        self.next_us += (missed + 1) * self.period_us;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Ticker;

    #[test]
    fn a_tick_that_is_missed_is_counted_and_never_caught_up() {
        let mut ticker = Ticker::new(1_000_000, 10);
        assert!(!ticker.take(999_999));
        assert!(ticker.take(1_000_001));
        assert!(!ticker.take(1_009_999));
        assert!(ticker.take(1_045_000));
        assert_eq!(ticker.late, 3);
        assert!(!ticker.take(1_045_001), "no burst");
        assert_eq!(ticker.wait_us(1_045_001), 4_999, "the grid stays where it was");
    }
}

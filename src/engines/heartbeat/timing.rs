//! How often heads speak and when silence means death, from `ha.detect` alone.
//!
//! The shape is the measured fast profile (200 ms, 500 ms, 1 s: 2.4 s of outage after a power cut, no false failover
//! under load), and heartbeat's stock values (2, 10, 30, 60, 30 s) where `detect` is 30 s (knowledge/heartbeat.md).

/// A lost packet or four must not kill: five are sent in the time.
const BEATS: u64 = 5;

/// heartbeat's stock keepalive: more seldom gains nothing.
const KEEPALIVE_MAX_MS: u64 = 2_000;

/// heartbeat's stock warntime.
const WARN_MAX_MS: u64 = 10_000;

/// heartbeat itself warns below it: after a boot cards and switches need some seconds.
const INITIAL_LEAST_MS: u64 = 10_000;

/// heartbeat pings once a second whatever keepalive says (its log: "interval 1000 ms"): three must be lost, or a head
/// that is merely busy gives the group away when the other one comes back.
const PING_LEAST_MS: u64 = 3_000;

/// Times of ha.cf, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between two heartbeats.
    pub keepalive: u64,
    /// Silence that is logged.
    pub warn: u64,
    /// Silence that means death.
    pub dead: u64,
    /// Silence that means death while heartbeat starts.
    pub initial: u64,
    /// Silence of the ping node that means that this head is cut off.
    pub ping: u64,
}

impl Timings {
    /// A head is declared dead `detect` milliseconds after its last heartbeat.
    pub fn of(detect: u64) -> Self {
        Self {
            keepalive: (detect / BEATS).min(KEEPALIVE_MAX_MS),
            warn: (detect / 2).min(WARN_MAX_MS),
            dead: detect,
            initial: (2 * detect).max(INITIAL_LEAST_MS),
            ping: detect.max(PING_LEAST_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timings;

    #[test]
    fn a_long_detect_gives_heartbeats_stock_times() {
        let stock = Timings { keepalive: 2_000, warn: 10_000, dead: 30_000, initial: 60_000, ping: 30_000 };
        assert_eq!(Timings::of(30_000), stock);
    }

    #[test]
    fn a_second_gives_the_measured_fast_times() {
        let fast = Timings { keepalive: 200, warn: 500, dead: 1_000, initial: 10_000, ping: 3_000 };
        assert_eq!(Timings::of(1_000), fast);
    }
}

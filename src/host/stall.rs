//! How late this machine wakes a process, and how much time its hypervisor gives away: what `ha.detect` must outlast.

use std::time::{Duration, Instant};

use super::units;
use crate::observed::{CpuTime, Stall, steal_share};

/// As long as corosync's own shortest timers here.
const NAP: Duration = Duration::from_millis(10);

/// corosync runs with SCHED_RR at the highest priority, 99; one below it, so that a look never disturbs it.
const PRIORITY: &str = "98";

const CHRT_LIMIT_MS: u64 = 2_000;

/// Sleeps over and over for so long; the longest delay.
pub fn stall(window: Duration) -> Stall {
    let measured = std::thread::spawn(move || {
        let realtime = prefer();
        let before = cpu_time();
        let longest = longest(window);
        let steal = before.zip(cpu_time()).map_or(0.0, |(before, after)| steal_share(before, after));
        Stall { longest_ms: u64::try_from(longest.as_millis()).unwrap_or(u64::MAX), steal, realtime }
    });
    measured.join().unwrap_or_default()
}

fn longest(window: Duration) -> Duration {
    let begin = Instant::now();
    let mut longest = Duration::ZERO;
    while begin.elapsed() < window {
        let asleep = Instant::now();
        std::thread::sleep(NAP);
        longest = longest.max(asleep.elapsed().saturating_sub(NAP));
    }
    longest
}

/// Gives this thread the engine's kind of priority, by util-linux's chrt. Whether it was granted.
fn prefer() -> bool {
    let thread = nix::unistd::gettid().to_string();
    let argv = ["chrt", "--rr", "--pid", PRIORITY, &thread].map(str::to_owned);
    units::run(&argv, "", CHRT_LIMIT_MS).status == Some(0)
}

fn cpu_time() -> Option<CpuTime> {
    CpuTime::parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

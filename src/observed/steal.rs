//! How much of the machine's time the hypervisor gave to others: what is measured under steal
//! shows the machine. Pure.

/// Processor time since boot, from the first line of /proc/stat (proc(5)), in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    /// All of it.
    pub total: u64,
    /// What the hypervisor took.
    pub steal: u64,
}

/// user, nice, system, idle, iowait, irq, softirq, steal; guest time is already in user time.
const FIELDS: usize = 8;

impl CpuTime {
    /// Reads /proc/stat's text; none if it has no such line.
    pub fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find(|line| line.starts_with("cpu "))?;
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(FIELDS).flat_map(str::parse).collect();
        let steal = *fields.get(FIELDS - 1)?;
        Some(Self { total: fields.iter().sum(), steal })
    }
}

/// The share of steal between two readings, 0 to 1, in steps of a thousandth.
#[allow(clippy::cast_precision_loss)]
pub fn steal_share(before: CpuTime, after: CpuTime) -> f64 {
    let total = after.total.saturating_sub(before.total).max(1);
    let share = after.steal.saturating_sub(before.steal) as f64 / total as f64;
    (share * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_figure_and_guest_time_is_not_counted_twice() {
        let before = CpuTime::parse("cpu  10 0 10 70 0 0 0 10 5 5\ncpu0 1 1\n").unwrap();
        assert_eq!(before, CpuTime { total: 100, steal: 10 });
        let after = CpuTime::parse("cpu  60 0 60 120 0 0 0 60 5 5\n").unwrap();
        assert!((steal_share(before, after) - 0.25).abs() < 1e-9);
        assert_eq!(CpuTime::parse("intr 1\n"), None);
    }
}

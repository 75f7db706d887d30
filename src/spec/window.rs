//! When a roll-out may begin: windows of the week, and days on which nothing is rolled out.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::Policy;

/// Hours of some days of the week. One that ends before it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    /// None: midnight at the day's end.
    to: Option<Time>,
}

/// Days in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    first: Date,
    last: Date,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl FromStr for Window {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a window of time");
        let (days, hours) = text.split_once(' ').ok_or_else(wrong)?;
        let parts: Option<Vec<_>> = days.split(',').map(days_of).collect();
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let to = if to == "24:00" { None } else { Some(clock(to).ok_or_else(wrong)?) };
        let window =
            Self { days: parts.ok_or_else(wrong)?.concat(), from: clock(from).ok_or_else(wrong)?, to };
        if Some(window.from) == window.to { Err(wrong()) } else { Ok(window) }
    }
}

/// One day, or the days from one to another, over Sunday too.
fn days_of(text: &str) -> Option<Vec<Weekday>> {
    let day = |text: &str| {
        let at = DAYS.iter().position(|day| *day == text)?;
        Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    Some((0..=first.until(last)).map(|n| first.wrapping_add(n)).collect())
}

/// `HH:MM`.
fn clock(text: &str) -> Option<Time> {
    let part = |text: &str| (text.len() == 2).then(|| text.parse().ok()).flatten();
    let (hour, minute) = text.split_once(':')?;
    Time::new(part(hour)?, part(minute)?, 0, 0).ok()
}

impl Window {
    fn open(&self, now: DateTime) -> bool {
        let (day, time) = (now.date().weekday(), now.time());
        let on = |day: Weekday| self.days.contains(&day);
        match self.to {
            None => on(day) && time >= self.from,
            Some(to) if to > self.from => on(day) && time >= self.from && time < to,
            Some(to) => on(day) && time >= self.from || on(day.wrapping_sub(1)) && time < to,
        }
    }
}

impl FromStr for Freeze {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are not days");
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let day = |text: &str| (text.len() == 10).then(|| text.parse().ok()).flatten();
        let (first, last) = (day(first).ok_or_else(wrong)?, day(last).ok_or_else(wrong)?);
        if first <= last { Ok(Self { first, last }) } else { Err(wrong()) }
    }
}

impl Policy {
    /// Why nothing may be rolled out at this time, by the clock on the wall; none: it may. What cannot be read, which no
    /// lint has passed, stays shut.
    pub fn shut(&self, now: DateTime) -> Option<String> {
        let frozen = |text: &&String| {
            text.parse().map_or(true, |freeze: Freeze| (freeze.first..=freeze.last).contains(&now.date()))
        };
        if let Some(freeze) = self.freezes.iter().find(frozen) {
            return Some(format!("nothing is rolled out on {freeze} (policy.freezes)"));
        }
        let open = |text: &String| text.parse().is_ok_and(|window: Window| window.open(now));
        if self.windows.is_empty() || self.windows.iter().any(open) {
            return None;
        }
        Some(format!("it is rolled out within {} (policy.windows)", self.windows.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut(windows: &[&str], freezes: &[&str], now: &str) -> bool {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let policy = Policy { windows: own(windows), freezes: own(freezes), ..Policy::default() };
        policy.shut(now.parse().unwrap()).is_some()
    }

    #[test]
    fn without_windows_it_is_always_open() {
        assert!(!shut(&[], &[], "2026-11-26T12:00"));
    }

    #[test]
    fn a_window_is_open_from_its_first_minute_to_before_its_last() {
        let sat = ["Sat 02:00-06:00"]; // 2026-11-28 is a Saturday
        assert!(shut(&sat, &[], "2026-11-28T01:59"));
        assert!(!shut(&sat, &[], "2026-11-28T02:00"));
        assert!(!shut(&sat, &[], "2026-11-28T05:59"));
        assert!(shut(&sat, &[], "2026-11-28T06:00"));
        assert!(shut(&sat, &[], "2026-11-27T03:00"));
        assert!(!shut(&["Sun 20:00-24:00"], &[], "2026-11-29T23:59"));
    }

    #[test]
    fn a_window_over_midnight_ends_on_the_next_day() {
        let nights = ["Fri-Mon 22:00-02:00"];
        assert!(!shut(&nights, &[], "2026-11-27T22:00"));
        assert!(!shut(&nights, &[], "2026-11-28T01:59"), "Friday's");
        assert!(shut(&nights, &[], "2026-11-27T01:00"), "Thursday has none");
        assert!(!shut(&nights, &[], "2026-12-01T01:00"), "Monday's, on Tuesday");
        assert!(shut(&nights, &[], "2026-12-01T22:30"));
    }

    #[test]
    fn a_freeze_shuts_every_window_on_its_days() {
        let freeze = ["2026-12-20..2027-01-06"];
        assert!(shut(&[], &freeze, "2026-12-20T00:00"));
        assert!(shut(&["Wed 00:00-24:00"], &freeze, "2027-01-06T23:59"));
        assert!(!shut(&[], &freeze, "2027-01-07T00:00"));
        assert!(shut(&[], &["2026-11-26"], "2026-11-26T12:00"), "one day");
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_stays_shut() {
        for text in [
            "Sat",
            "Sat 2:00-6:00",
            "Caturday 02:00-06:00",
            "Sat 02:00-02:00",
            "Sat 02:00-25:00",
            "Sat 24:00-03:00",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text}");
            assert!(shut(&[text], &[], "2026-11-28T03:00"), "{text}");
        }
        for text in ["Christmas", "2026-12-24..2026-12-20", "2026-02-30", "20261224"] {
            assert!(text.parse::<Freeze>().is_err(), "{text}");
            assert!(shut(&[], &[text], "2026-11-28T03:00"), "{text}");
        }
    }
}

//! A length of time as people write it: `1100ms`, `5s`, `5m`, `2h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::address::written_as_string;

/// A length of time, kept in whole milliseconds and shown in the largest unit that is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);
written_as_string!(Span, "Span", "span", "A length of time: a whole number with ms, s, m, h or d.", "1100ms");

const UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// From milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// In whole milliseconds.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// As the standard library's type.
    pub fn as_duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.as_millis();
        let (unit, size) =
            UNITS_MS.into_iter().rev().find(|(_, size)| ms.is_multiple_of(*size)).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", ms / size)
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a length of time: a whole number with ms, s, m, h or d is expected");
        let digits = text.chars().take_while(char::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, size) = UNITS_MS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(size).map(Self::from_millis).ok_or_else(wrong)
    }
}

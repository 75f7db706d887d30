//! Time by NTP.

mod chrony;

pub use chrony::Chrony;

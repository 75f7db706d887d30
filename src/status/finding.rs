//! What `haoscar doctor` found: one sentence each, with its weight and its mend. Pure.

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// A failover may fail.
    Error,
    /// A failover would go well today, and this should be looked at.
    Warning,
    /// Worth knowing.
    Note,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// Whether the host answers, and how the engine sees it.
    Standby,
    /// Whether its objects are as the spec asks.
    Step,
    /// haoscar's own version.
    Version,
    /// Versions of packages.
    Package,
    /// A storage and its token.
    Storage,
    /// A fence device.
    Fence,
    /// A daemon's own validator.
    Validator,
    /// The last rehearsal.
    Rehearsal,
    /// A clock.
    Clock,
    /// Whether the machine can hold `ha.detect`.
    Detect,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its weight.
    pub weight: Weight,
    /// What was looked at.
    pub about: About,
    /// The host or group.
    pub subject: String,
    /// One sentence, lower case.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

impl Finding {
    /// A failover may fail.
    pub fn error(about: About, subject: &str, message: String, mend: impl Into<String>) -> Self {
        Self { weight: Weight::Error, about, subject: subject.to_owned(), message, mend: mend.into() }
    }

    /// It should be looked at.
    pub fn warning(about: About, subject: &str, message: String, mend: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, ..Self::error(about, subject, message, mend) }
    }

    /// Worth knowing.
    pub fn note(about: About, subject: &str, message: String, mend: impl Into<String>) -> Self {
        Self { weight: Weight::Note, ..Self::error(about, subject, message, mend) }
    }
}

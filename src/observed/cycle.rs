//! What the loop of a head said last, and what happened there.

use serde::{Deserialize, Serialize};

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// All is as the accepted generation asks.
    InStep,
    /// Something was put back.
    Healed,
    /// Something differs and is not healed now; it will be looked at again.
    Waits,
    /// Something differs, and a person must say or do something.
    Degraded,
}

/// One cycle of the loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// When it ended, RFC 3339 in UTC.
    pub at: String,
    /// How.
    pub word: Word,
    /// One sentence.
    pub sentence: String,
    /// The accepted generation; 0: none.
    pub generation: u64,
    /// The spec's commit, where it has one.
    pub commit: Option<String>,
    /// What differs or was put back.
    pub objects: Vec<String>,
    /// This head carries the first group, and so leads.
    pub leads: bool,
    /// Objects that were put back since the loop was started.
    #[serde(default)]
    pub healed: u64,
}

/// How the newest commit of the followed branch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is accepted.
    InStep,
    /// It will be rolled out, or waits for a person's `haoscar apply`.
    Waits,
    /// It is not rolled out until a person says what is meant.
    Held,
    /// It is not signed as it must be, is no valid spec, or its roll-out failed.
    Refused,
    /// The repository does not answer: nobody knows.
    Unreachable,
}

/// What the head that leads says of the branch that it follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// The newest commit that is known, its full name; empty: none.
    pub commit: String,
    /// How it stands.
    pub standing: Standing,
    /// One sentence.
    pub sentence: String,
}

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The loop started.
    Started,
    /// An object was put back.
    Healed,
    /// An object differs, and is not put back now.
    Drift,
    /// All is in step again.
    InStep,
    /// A commit of the followed branch begins to be rolled out.
    RollOut,
    /// A commit waits.
    Waits,
    /// A commit is held.
    Held,
    /// A commit is refused.
    Refused,
    /// The followed repository does not answer.
    Unreachable,
    /// The engine saw something: a member lost or back, a fencing.
    Engine,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "started",
            Self::Healed => "healed",
            Self::Drift => "drift",
            Self::InStep => "in step",
            Self::RollOut => "roll-out",
            Self::Waits => "waits",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Engine => "engine",
        })
    }
}

/// Something that happened on a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one with each event of a head.
    pub number: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Why it is told.
    pub reason: Reason,
    /// What it is about: a path, a unit, a commit; empty: the head.
    pub object: String,
    /// The accepted generation.
    pub generation: u64,
    /// The spec's commit, where it has one.
    pub commit: Option<String>,
    /// One sentence.
    pub text: String,
}

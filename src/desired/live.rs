//! Objects that a running service holds itself: queues, nodes, attributes of a server. Plain data and a verdict.
//!
//! This says what such objects are and who compares them; it must not ask anybody: [`crate::apply`] asks and feeds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Answer, HostName, Question};

/// What a statement does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It makes the object, or a part of one that is just made.
    Add,
    /// It changes an object that is there.
    Change,
    /// It takes an object away.
    Remove,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Remove => "-",
        })
    }
}

/// One statement in the service's own words, as its program takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What it does.
    pub sign: Sign,
    /// The words: `create queue batch`.
    pub text: String,
}

/// The live objects of one service: read and fed on the head where it is, as a rule the one that carries its group.
#[derive(Debug, Clone)]
pub struct Live {
    /// The service's name in the spec.
    pub service: String,
    /// The group that carries it.
    pub group: String,
    /// Heads where it may be, beside the one that carries the group: it moves by itself.
    pub elsewhere: Vec<HostName>,
    /// What the running service is asked, in order.
    pub ask: Vec<Question>,
    /// The objects that the spec wants, in the service's own words.
    pub wanted: String,
    /// Statements that lead from the answers to what is wanted, in the order in which they must be fed; or why the
    /// answers say nothing, and the objects wait.
    pub changes: fn(&str, &[Answer]) -> Result<Vec<Statement>, String>,
    /// The program that takes one statement as its last argument.
    pub feed: Vec<String>,
    /// What an exit status of that program means; empty when it is not known.
    pub means: fn(i32) -> &'static str,
}

//! Images of whole machines: taken from one that runs, kept in versions, proven, compared. Effects.
//!
//! An image is a file system in pieces and a signed manifest that names them. What is one machine's own never gets into it:
//! `rules` says what that is. A ticket lets one machine have it, once; `install` runs there. This room decides nothing about a cluster, and changes nothing on the machine that it takes.
#![allow(clippy::disallowed_methods)]

pub mod asking;
mod capture;
mod difference;
mod entries;
mod error;
mod install;
mod manifest;
mod overlay;
pub mod prepare;
mod program;
mod rules;
mod seal;
mod serve;
mod starting;
mod store;
pub mod ticket;
mod tree;

pub use capture::{Order, capture};
pub use difference::{Difference, difference};
pub use error::ImageError;
pub use install::{InstallError, PUBLIC_KEY, install, introduce, say_up};
pub use manifest::{FileLine, LeftOut, Manifest, Piece};
pub use rules::{Keep, Rule, rules};
pub use seal::{Seal, prove_by};
pub use serve::serve;
pub use starting::STARTING;
pub use store::{Pruned, Store, Verified, parse_name};

/// How far a long work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: &'static str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 where nobody knows.
    pub total: u64,
}

/// Who hears how far a work is.
pub type Say<'a> = &'a mut dyn FnMut(Progress);

//! What the work on a machine needs of it: a disk, systemd, programs. [`super::Real`] is the true one, and
//! [`super::Memory`] the tests', whose power can be cut.
//!
//! Each disk method is one step that may be lost at a power cut until it is synced; order and syncs are the caller's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use crate::desired::{Answer, Mode, Owner, Question};
use crate::observed::UnitFact;
use crate::plan::UnitAction;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// A folder, else a file.
    pub folder: bool,
    /// Whose it is.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
}

/// Held by whoever changes the machine; the kernel lets a file's go with the process, memory its own with the session.
#[derive(Debug)]
pub enum Lock {
    /// Of a file.
    File(File),
    /// Of a machine in memory.
    Memory(Arc<()>),
}

/// A machine. Paths are absolute, as on the machine itself.
pub trait Machine: std::fmt::Debug + Send + Sync {
    /// A file's bytes, through links.
    ///
    /// # Errors
    /// What the system said.
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>>;
    /// What is there, through links.
    ///
    /// # Errors
    /// What the system said.
    fn look(&self, path: &Utf8Path) -> io::Result<Look>;
    /// Where a symbolic link points; none where there is no link.
    fn link_of(&self, path: &Utf8Path) -> Option<Utf8PathBuf>;
    /// Names in a folder; none where there is no folder.
    fn list(&self, folder: &Utf8Path) -> Vec<String>;
    /// Makes a file that is not there yet. Neither its bytes nor its name are durable.
    ///
    /// # Errors
    /// What the system said, or an owner that the machine does not have.
    fn create(&self, path: &Utf8Path, bytes: &[u8], owner: &Owner, mode: Mode) -> io::Result<()>;
    /// Makes a file's bytes, or the names in a folder, durable.
    ///
    /// # Errors
    /// What the system said.
    fn sync(&self, path: &Utf8Path) -> io::Result<()>;
    /// Makes all on the disk of this folder durable.
    ///
    /// # Errors
    /// What the system said.
    fn sync_disk(&self, folder: &Utf8Path) -> io::Result<()>;
    /// Gives a file another name in its folder, over whatever has it.
    ///
    /// # Errors
    /// What the system said.
    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()>;
    /// Takes a file or a link away.
    ///
    /// # Errors
    /// What the system said.
    fn remove(&self, path: &Utf8Path) -> io::Result<()>;
    /// Takes a folder away with all that is in it.
    ///
    /// # Errors
    /// What the system said.
    fn remove_tree(&self, path: &Utf8Path) -> io::Result<()>;
    /// Makes a symbolic link.
    ///
    /// # Errors
    /// What the system said.
    fn link(&self, target: &Utf8Path, path: &Utf8Path) -> io::Result<()>;
    /// Makes one folder.
    ///
    /// # Errors
    /// What the system said.
    fn make_folder(&self, path: &Utf8Path) -> io::Result<()>;
    /// Gives a folder to somebody.
    ///
    /// # Errors
    /// What the system said, or an owner that the machine does not have.
    fn give(&self, path: &Utf8Path, owner: &Owner, mode: Mode) -> io::Result<()>;
    /// Whether the machine has this user and group.
    ///
    /// # Errors
    /// The one that it does not have.
    fn knows(&self, owner: &Owner) -> Result<(), HostError>;
    /// Whether the bytes are as some package brought this configuration file.
    fn packaged(&self, path: &Utf8Path, bytes: &[u8]) -> bool;
    /// The lock of whoever changes this machine; none: somebody else holds it, and `wait` is not wanted.
    ///
    /// # Errors
    /// What the system said.
    fn lock(&self, wait: bool) -> Result<Option<Lock>, HostError>;
    /// The path as a program on this machine names it.
    fn place(&self, path: &Utf8Path) -> Utf8PathBuf;
    /// How units are.
    fn units(&self, names: &[String]) -> BTreeMap<String, UnitFact>;
    /// systemd's name of this run of a unit; empty when it does not run.
    fn invocation(&self, unit: &str) -> String;
    /// One action on a unit, to its end.
    ///
    /// # Errors
    /// systemd's words.
    fn act(&self, action: &UnitAction) -> Result<(), HostError>;
    /// Undoes a transaction of before this boot while the machine boots: what is enabled at once, the rest as jobs that
    /// nobody waits for.
    ///
    /// # Errors
    /// systemd's words.
    fn act_later(&self, actions: &[UnitAction]) -> Result<(), HostError>;
    /// Comes back after so many seconds to put an unconfirmed change back (none: does not), also when this process is
    /// gone; not over a reboot.
    ///
    /// # Errors
    /// systemd's words.
    fn arm(&self, seconds: Option<u64>) -> Result<(), HostError>;
    /// Seconds since the epoch, as this machine's clock has them.
    fn now(&self) -> u64;
    /// Runs a program.
    fn run(&self, argv: &[String], input: &str, timeout_ms: u64) -> Answer;
    /// Asks a program or a socket.
    fn ask(&self, question: &Question) -> Answer;
}

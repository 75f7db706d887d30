//! In a machine that has booted from the network to be built: from its ticket to its own disk. Nothing of the cluster is
//! decided here; the ticket says all.
//!
//! Stages, as they are said to the head: `begun`, `image`, `disk`, `partitioning`, `writing`, `proving`, `identity`, `loader`,
//! `restarting`; the built machine says `up` itself. Of a node: `begun`, `image`, `memory` or `disk` and what comes of that, `identity`, `overlay`,
//! `starting`. A stage that fails says why, and the machine goes off: nothing boots
//! half a system, and `haoscar build` can be said again.

mod fetch;
mod identity;
mod medium;
mod node;
mod stranger;
mod write;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::ImageError;
use super::manifest::Manifest;
use super::program::ran;
use super::ticket::{Becomes, LOG_BYTES_MAX, Word};
use crate::spec::Mac;
use fetch::Head;

use medium::choose;
pub use stranger::introduce;

/// Where the image's file system is mounted while it is made a machine's own.
const TARGET: &str = "/target";

/// The public key that signed manifests are proven with, in the initramfs.
pub const PUBLIC_KEY: &str = "/etc/haoscar/image-key.pub";

/// On the built machine: where to say that it is up, once.
pub const SAY_UP: &str = "/etc/haoscar/built";

/// Why a machine was not built.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The head does not answer, or says no.
    #[error("{url}: {why}")]
    Head {
        /// What was asked.
        url: String,
        /// What came of it.
        why: String,
    },
    /// No disk is the one that may be wiped, or more than one is.
    #[error("{0}")]
    Medium(String),
    /// The image is not good.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A piece that came is not the one that was asked for.
    #[error("piece {piece} is damaged: {why}")]
    Piece {
        /// Its name.
        piece: String,
        /// What is wrong.
        why: String,
    },
    /// What was written is not what is read.
    #[error("{disk} does not give back what was written to it, {at} bytes after its beginning")]
    Lost {
        /// The partition.
        disk: Utf8PathBuf,
        /// Where the piece begins.
        at: u64,
    },
    /// The disk or the kernel refuses.
    #[error("{subject}: {why}")]
    System {
        /// A path or a program.
        subject: String,
        /// What it said.
        why: String,
    },
}

impl InstallError {
    /// Whether the same may go well when it is tried again: the head was not heard.
    pub fn retry(&self) -> bool {
        matches!(self, Self::Head { .. })
    }
}

fn system(subject: impl ToString) -> impl FnOnce(std::io::Error) -> InstallError {
    move |error| InstallError::System { subject: subject.to_string(), why: error.to_string() }
}

/// Builds this machine by the ticket at `url`. Says each stage to the head and to `told`.
///
/// # Errors
/// Why it was not built; the head has been told.
pub fn install(url: &str, told: &(dyn Fn(&str) + Sync)) -> Result<(), InstallError> {
    let head = Head::at(url, told);
    let mut stage = "begun";
    let built = stages(&head, &mut stage);
    if let Err(error) = &built {
        let text = format!("{error}");
        told(&format!("{stage} failed: {text}"));
        // of nodes, which are many and have a card for a token, none is kept
        if url.rsplit('/').next().is_none_or(|token| token.parse::<Mac>().is_err()) {
            let log = ran("dmesg", &[], "").unwrap_or_else(|error| error.to_string());
            head.keep_log(last_bytes(log.as_bytes()));
        }
        head.say(&Word { stage: stage.to_owned(), text, failed: true, ..Word::default() });
    }
    built
}

/// The end of what is too long for the head.
fn last_bytes(log: &[u8]) -> &[u8] {
    &log[log.len().saturating_sub(LOG_BYTES_MAX)..]
}

fn stages(head: &Head<'_>, stage: &mut &'static str) -> Result<(), InstallError> {
    let mut enter = |name: &'static str, text: String| {
        *stage = name;
        head.say(&Word { stage: name.to_owned(), text, ..Word::default() });
    };
    enter("begun", String::new());
    let ticket = head.ticket()?;
    if ticket.becomes != Becomes::Head {
        return node::stages(head, &ticket, &mut enter);
    }
    enter("image", ticket.image.clone());
    let manifest: Manifest = head.manifest(Utf8Path::new(PUBLIC_KEY))?;
    enter("disk", String::new());
    let medium = choose(&medium::found(), &ticket.disk, manifest.bytes).map_err(InstallError::Medium)?;
    enter("disk", format!("{} ({}) is wiped", medium.path, medium.about()));
    enter("partitioning", String::new());
    let (parts, _held) = medium::partition(&medium, &ticket.disk.layout)?;
    enter("writing", manifest.title());
    write::write(head, &manifest, &parts.root, false)?;
    enter("proving", String::new());
    write::prove(head, &manifest, &parts.root)?;
    enter("identity", ticket.head.clone());
    let target = identity::Target::mount(&parts, node::Stays::Nothing)?;
    target.make_own(&ticket, head.url())?;
    enter("loader", String::new());
    let keys = std::thread::scope(|threads| {
        let keys = threads.spawn(|| target.make_keys()); // a key of RSA takes 8 s where it is emulated
        let installed = target.boot_loader(&medium);
        let keys = keys.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        installed.and(keys)
    })?;
    head.say(&Word { stage: "loader".to_owned(), keys, ..Word::default() });
    target.leave()?;
    enter("restarting", String::new());
    Ok(())
}

/// On the built machine: says to the head that it runs on its own disk, once.
///
/// # Errors
/// The head was not heard.
pub fn say_up(told: &(dyn Fn(&str) + Sync)) -> Result<(), InstallError> {
    let Ok(url) = std::fs::read_to_string(SAY_UP) else { return Ok(()) };
    let head = Head::at(url.trim(), told);
    head.must_say(&Word { stage: super::ticket::UP.to_owned(), ..Word::default() })?;
    std::fs::remove_file(SAY_UP).map_err(system(SAY_UP))
}

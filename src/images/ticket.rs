//! What one machine may be built of, once: bound to its MACs, with an end. And what that machine says while it is built. A node has
//! one without an end, made of the spec's list whenever it asks.
//!
//! A ticket lies in `builds/HEAD/` of the store: `ticket.json`, what the machine boots (`vmlinuz`, `initrd`), and `said`, one
//! line of JSON a word. It is used as soon as the machine has said anything.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use camino::Utf8PathBuf;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::{ImageError, disk};
use super::store::{MANIFEST, SIGNATURE, Store, parse_name};
use crate::backends::boot::nodes::{self, Run};
use crate::desired::HostName;
use crate::spec::{Disk, Mac};

/// What a machine is built of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The head that it becomes, or the node that it is.
    pub head: HostName,
    /// Which of both.
    #[serde(default)]
    pub becomes: Becomes,
    /// `NAME@VERSION`.
    pub image: String,
    /// Where pieces of the image lie, beside the head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// What it says to be let in; nobody else knows it.
    pub token: String,
    /// Its cards: no other machine gets anything.
    pub macs: Vec<Mac>,
    /// Seconds since the epoch after which it is nothing.
    pub expires: u64,
    /// The disk that is wiped.
    pub disk: Disk,
    /// What makes it itself.
    pub identity: Identity,
    /// The kernel's console, beside the screen: `ttyS0,115200`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
}

/// What a machine becomes of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// A head that boots from its own disk, once.
    #[default]
    Head,
    /// A node, each time that it starts: it runs the image in memory.
    NodeInMemory,
    /// A node, each time that it starts: it runs the image on its disk, and writes that where it holds another one.
    NodeOnDisk,
}

/// What makes a machine itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its host name.
    pub host: HostName,
    /// Its cards.
    pub cards: Vec<Card>,
    /// Public keys of ssh that may come in as root: that of the head which brings it into the cluster.
    pub authorized: Vec<String>,
}

/// A card of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The interface's name.
    pub name: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its own addresses.
    pub addresses: Vec<IpNet>,
    /// Where the rest is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// Something that a machine says while it is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Seconds since the epoch, by the head's clock.
    #[serde(default)]
    pub at: u64,
    /// Where it is: `disk`, `writing`, …; `up` is the last one.
    pub stage: String,
    /// Bytes done.
    #[serde(default)]
    pub done: u64,
    /// Bytes in all.
    #[serde(default)]
    pub total: u64,
    /// What people should know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// It goes no further.
    #[serde(default)]
    pub failed: bool,
    /// Its own public keys of ssh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// The last stage: it runs on its own disk.
pub const UP: &str = "up";

/// A node's last stage: it goes on into its image.
pub const STARTS: &str = "starting";

/// Where what a machine boots lies, beside its ticket.
pub const KERNEL: &str = nodes::KERNEL;
/// See there.
pub const INITRAMFS: &str = nodes::INSTALLER;

const BUILDS: &str = "builds";
const TICKET: &str = "ticket.json";
const SAID: &str = "said";
/// What the machine's kernel said until a stage failed, beside its ticket.
pub const LOG: &str = "log";
/// The kernel's own ring holds no more on most machines.
pub const LOG_BYTES_MAX: usize = 256 << 10;

impl Ticket {
    /// That of a node, which it has whenever it asks with its own card; none where there is no such image.
    pub fn of_node(store: &Store, name: &str, mac: Mac, run: &Run) -> Option<Self> {
        let version = store.find(&run.image).ok()?;
        let becomes = if run.disk.is_some() { Becomes::NodeOnDisk } else { Becomes::NodeInMemory };
        Some(Self {
            head: name.to_owned(),
            becomes,
            image: format!("{}@{}", parse_name(&run.image).0, version.file_name()?),
            servers: run.servers.clone(),
            token: mac.to_string(),
            macs: vec![mac],
            expires: u64::MAX,
            disk: run.disk.clone().unwrap_or_default(),
            identity: Identity { host: name.to_owned(), cards: Vec::new(), authorized: Vec::new() },
            console: None,
        })
    }

    /// What the kernel is told of consoles, with a blank before it; nothing where it has the screen alone.
    pub fn consoles(&self) -> String {
        self.console.as_ref().map(|console| format!(" console=tty0 console={console}")).unwrap_or_default()
    }

    /// Whether a machine may still begin with it.
    pub fn is_open(&self, now: u64, said: &[Word]) -> bool {
        now < self.expires && said.is_empty()
    }
}

/// The folder of a head's build.
pub fn folder(store: &Store, head: &str) -> Utf8PathBuf {
    store.folder().join(BUILDS).join(head)
}

/// Writes a ticket in place of what was there before, with nothing said.
///
/// # Errors
/// The disk refuses.
pub fn open(store: &Store, ticket: &Ticket) -> Result<(), ImageError> {
    let folder = folder(store, &ticket.head);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(disk(&folder))?;
    for old in [SAID, LOG] {
        let _ = fs::remove_file(folder.join(old));
    }
    let text = serde_json::to_vec_pretty(ticket).unwrap_or_default(); // strings and numbers: it cannot fail
    let (path, beside) = (folder.join(TICKET), folder.join("ticket.new"));
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&folder)?.sync_all()
    };
    write().map_err(disk(&path))
}

/// Takes a head's build away; answers whether there was one.
///
/// # Errors
/// The disk refuses.
pub fn close(store: &Store, head: &str) -> Result<bool, ImageError> {
    let folder = folder(store, head);
    match fs::remove_dir_all(&folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk(&folder)(error)),
    }
}

/// A head's ticket; none: it is not being built.
pub fn of(store: &Store, head: &str) -> Option<Ticket> {
    serde_json::from_slice(&fs::read(folder(store, head).join(TICKET)).ok()?).ok()
}

/// Every ticket.
pub fn all(store: &Store) -> Vec<Ticket> {
    let entries = store.folder().join(BUILDS).read_dir_utf8().into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.filter_map(|entry| of(store, entry.file_name())).collect();
    all.sort_by(|a, b| a.head.cmp(&b.head));
    all
}

/// Of several machines that are built at once one joins after the other: held by the one whose turn it is, waited for by the others.
///
/// # Errors
/// The disk refuses.
pub fn turn(store: &Store) -> Result<File, ImageError> {
    let path = store.folder().join(BUILDS).join(".joining");
    let file = File::create(&path).map_err(disk(&path))?;
    file.lock().map_err(disk(&path))?;
    Ok(file)
}

/// What a machine has said so far.
pub fn said(store: &Store, head: &str) -> Vec<Word> {
    let text = fs::read_to_string(folder(store, head).join(SAID)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Keeps a word.
///
/// # Errors
/// The disk refuses.
pub fn say(store: &Store, head: &str, word: &Word) -> Result<(), ImageError> {
    let path = folder(store, head).join(SAID);
    let mut line = serde_json::to_vec(word).unwrap_or_default();
    line.push(b'\n');
    let append = || OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?.write_all(&line);
    append().map_err(disk(&path))
}

/// Keeps what a machine's kernel said; once, for whoever knows the token could fill the disk.
///
/// # Errors
/// The disk refuses, or there is one.
pub fn keep_log(store: &Store, head: &str, log: &[u8]) -> Result<(), ImageError> {
    let path = folder(store, head).join(LOG);
    let write = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(log);
    write().map_err(disk(&path))
}

/// The file of a store that a build may read, if its name is one of them.
pub fn file(store: &Store, ticket: &Ticket, name: &str) -> Option<Utf8PathBuf> {
    let image = || store.find(&ticket.image).ok();
    match name {
        KERNEL | INITRAMFS if ticket.becomes == Becomes::Head => Some(folder(store, &ticket.head).join(name)),
        KERNEL | INITRAMFS => Some(image()?.join(name)),
        MANIFEST | SIGNATURE => Some(image()?.join(name)),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ticket of one card.
    pub fn sample(expires: u64) -> Ticket {
        let mac: Mac = "52:54:00:20:00:02".parse().unwrap();
        Ticket {
            head: "head-2".to_owned(),
            becomes: Becomes::Head,
            image: "head@1".to_owned(),
            servers: Vec::new(),
            token: "secret".to_owned(),
            macs: vec![mac],
            expires,
            disk: Disk { serial: Some("A1".to_owned()), ..Disk::default() },
            identity: Identity {
                host: "head-2".to_owned(),
                cards: vec![Card {
                    name: "eno1".to_owned(),
                    mac,
                    addresses: vec!["192.0.2.12/24".parse().unwrap()],
                    gateway: Some("192.0.2.1".parse().unwrap()),
                }],
                authorized: vec!["ssh-ed25519 AAAA root@head-1".to_owned()],
            },
            console: None,
        }
    }

    #[test]
    fn a_ticket_is_open_until_its_machine_has_said_a_word_or_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let ticket = sample(100);
        open(&store, &ticket).unwrap();
        assert_eq!(of(&store, "head-2"), Some(ticket.clone()));
        assert!(ticket.is_open(99, &said(&store, "head-2")));
        assert!(!ticket.is_open(100, &said(&store, "head-2")));
        say(&store, "head-2", &Word { stage: "begun".to_owned(), ..Word::default() }).unwrap();
        assert!(!ticket.is_open(99, &said(&store, "head-2")));
        open(&store, &ticket).unwrap();
        assert!(ticket.is_open(99, &said(&store, "head-2")), "another build begins anew");
        assert_eq!(file(&store, &ticket, "../../secrets"), None);
        assert!(close(&store, "head-2").unwrap() && !close(&store, "head-2").unwrap());
    }
}

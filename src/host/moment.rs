//! The memory host's machine at one moment: what programs see, what is on the disk for good, and what of it a power cut
//! may take.
//!
//! A cut keeps any subset of what was not synced: of a file's bytes all, half or none; of changed names in a folder
//! (made, renamed, taken away) each by itself. Real file systems lose less, in less order than one would wish.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::desired::{Mode, Owner};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A file's content, by its number.
    File(u64),
    /// Where a symbolic link points.
    Link(Utf8PathBuf),
    /// A folder.
    Folder(Owner, Mode),
}

impl Node {
    fn file(&self) -> Option<u64> {
        if let Self::File(id) = self { Some(*id) } else { None }
    }
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Arc<[u8]>,
    pub(super) owner: Owner,
    pub(super) mode: Mode,
    pub(super) synced: bool,
}

/// One change of names in one folder.
#[derive(Debug, Clone)]
pub(super) struct Change {
    number: u64,
    folder: String,
    names: Vec<(String, Option<Node>)>,
}

/// By path, as text: paths compare by their parts, and that takes long.
pub(super) type Names = BTreeMap<String, Node>;

pub(super) fn above(path: &str) -> &str {
    path.rfind('/').filter(|at| *at > 0).map_or("/", |at| &path[..at])
}

fn apply(names: &mut Names, change: &Change) {
    for (path, node) in &change.names {
        match node {
            Some(node) => drop(names.insert(path.clone(), node.clone())),
            None => drop(names.remove(path)),
        }
    }
}

/// A machine at one moment.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    pub(super) live: Names,
    pub(super) durable: Names,
    pub(super) contents: BTreeMap<u64, Content>,
    pub(super) pending: Vec<Change>,
    /// Grows with every sync.
    pub(super) version: u64,
    pub(super) next: u64,
    pub(super) running: BTreeMap<String, u64>,
}

impl Moment {
    /// What is there after a power cut now and the next boot. Seed 0 loses all that was not synced, seed 1 nothing,
    /// any other some of it.
    #[must_use]
    pub fn cut(&self, seed: u64) -> Self {
        let mut names = self.durable.clone();
        for (i, change) in (0..).zip(&self.pending) {
            if kept(seed, i) {
                apply(&mut names, change);
            }
        }
        let mut live = Names::new();
        for (path, node) in names {
            let folder = above(&path);
            let there = folder == "/" || matches!(live.get(folder), Some(Node::Folder(..)));
            if there && !path.starts_with("/run/") {
                live.insert(path, node); // /run is a tmpfs
            }
        }
        let named: BTreeSet<u64> = live.values().filter_map(Node::file).collect();
        let mut contents = self.contents.clone();
        contents.retain(|id, _| named.contains(id));
        for (id, content) in contents.iter_mut().filter(|(_, content)| !content.synced) {
            content.bytes = content.bytes[..length(seed, *id, content)].into();
            content.synced = true;
        }
        Self { durable: live.clone(), live, contents, next: self.next, ..Self::default() }
    }

    /// Two cuts of one history that have the same print leave the same.
    pub fn print(&self, seed: u64) -> Vec<u64> {
        let changes =
            (0..).zip(&self.pending).filter(|(i, _)| kept(seed, *i)).map(|(_, change)| change.number);
        let unsynced = self.contents.iter().filter(|(_, content)| !content.synced);
        let cut = unsynced.flat_map(|(id, content)| [*id, length(seed, *id, content) as u64]);
        [self.version].into_iter().chain(changes).chain([0]).chain(cut).collect()
    }

    fn resolve(&self, path: &Utf8Path) -> Utf8PathBuf {
        let mut path = path.to_owned();
        while let Some(Node::Link(target)) = self.live.get(path.as_str()) {
            path = path.with_file_name(target); // the tests' links point into their own folder
        }
        path
    }

    pub(super) fn content(&self, path: &Utf8Path) -> io::Result<&Content> {
        match self.live.get(self.resolve(path).as_str()) {
            Some(Node::File(id)) => self.contents.get(id).ok_or_else(|| ErrorKind::NotFound.into()),
            Some(_) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn change(&mut self, path: &Utf8Path, names: Vec<(String, Option<Node>)>) -> io::Result<()> {
        let folder = above(path.as_str()).to_owned();
        if folder != "/" && !matches!(self.live.get(&folder), Some(Node::Folder(..))) {
            return Err(ErrorKind::NotFound.into());
        }
        self.next += 1;
        let change = Change { number: self.next, folder, names };
        apply(&mut self.live, &change);
        self.pending.push(change);
        Ok(())
    }

    pub(super) fn set(&mut self, path: &Utf8Path, node: Option<Node>) -> io::Result<()> {
        self.change(path, vec![(path.to_string(), node)])
    }

    pub(super) fn fresh(&self, path: &Utf8Path) -> io::Result<()> {
        if self.live.contains_key(path.as_str()) { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }

    pub(super) fn sync(&mut self, wanted: impl Fn(&str) -> bool) {
        let (now, later) = self.pending.drain(..).partition(|change| wanted(&change.folder));
        self.pending = later;
        self.version += 1;
        let now: Vec<Change> = now;
        now.iter().for_each(|change| apply(&mut self.durable, change));
    }
}

/// Whether a cut keeps the change of that number.
fn kept(seed: u64, number: u64) -> bool {
    match seed {
        0 => false,
        1 => true,
        _ => mixed(seed, number) & 1 == 1,
    }
}

/// How much a cut keeps of a file that was not synced.
fn length(seed: u64, id: u64, content: &Content) -> usize {
    match seed {
        0 => 0,
        1 => content.bytes.len(),
        _ => content.bytes.len() * usize::try_from(mixed(seed, !id) % 3).unwrap_or(0) / 2,
    }
}

/// A number that looks like chance, the same each time (splitmix64).
pub fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

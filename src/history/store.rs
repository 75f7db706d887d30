//! A bare repository with one tag a generation. Commits have no parents, so that old ones can go without rewriting what
//! stays; `git diff generation/4 generation/5` works all the same.
//!
//! Objects are durable before the tag that names them is made. A repository that cannot be opened is put aside, never
//! removed, and a new one begun.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use git2::build::TreeUpdateBuilder;
use git2::{Commit, FileMode, ObjectType, Oid, Repository, Signature, Time, TreeWalkMode, TreeWalkResult};

use super::HistoryError;
use crate::observed::{Chronicle, Generation, Record};

/// What a commit says of itself, beside the files.
const ABOUT: &str = "generation.json";

/// Below it lie the files of a generation.
const FILES: &str = "files";

const TAGS: &str = "refs/tags/generation/";

/// Old generations go in batches of a tenth of the limit: the repository is written anew for it.
const SLACK: usize = 10;

/// A history in a folder of this machine.
#[derive(Debug)]
pub struct Store {
    folder: Utf8PathBuf,
}

type Sync<'a> = &'a dyn Fn() -> io::Result<()>;

impl Store {
    /// In this folder, which need not be there yet.
    pub fn under(folder: &Utf8Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Keeps a generation, and of all of them the newest `limit`.
    ///
    /// # Errors
    /// What git or the disk said.
    pub fn keep(&self, record: &Record, limit: usize, sync: Sync<'_>) -> Result<(), HistoryError> {
        let number = record.generation.number;
        let subject = format!("generation {number}");
        let repository = self.open_or_begin()?;
        let durable = || sync().map_err(disk(&subject));
        let id = commit(&repository, record).map_err(git(&subject))?;
        durable()?;
        repository.reference(&tag(number), id, true, "accepted").map_err(git(&subject))?;
        durable()?;
        let pruned = self.prune(&repository, limit.max(1)).map_err(git("pruning"))?;
        let Some(fresh) = pruned else { return Ok(()) };
        durable()?; // what is to stay is on the disk before the old repository goes
        self.exchange(&fresh).map_err(disk("pruning"))?;
        durable()
    }

    /// What is kept, oldest first, and what of it cannot be read.
    pub fn chronicle(&self) -> Chronicle {
        let mut found = Chronicle::default();
        if !self.folder.exists() {
            return found;
        }
        let tags = Repository::open_bare(&self.folder).and_then(|it| tags(&it).map(|tags| (it, tags)));
        let (repository, tags) = match tags {
            Ok(opened) => opened,
            Err(error) => {
                found.broken.push(format!("{}: {}", self.folder, error.message()));
                return found;
            }
        };
        for (number, id) in tags {
            match read(&repository, number, id) {
                Ok(record) => found.generations.push(record.generation),
                Err(error) => found.broken.push(error.to_string()),
            }
        }
        found
    }

    /// One generation; none where it is not kept.
    ///
    /// # Errors
    /// It is kept and cannot be read.
    pub fn recall(&self, number: u64) -> Result<Option<Record>, HistoryError> {
        if !self.folder.exists() {
            return Ok(None);
        }
        let subject = self.folder.to_string();
        let repository = Repository::open_bare(&self.folder).map_err(git(&subject))?;
        let id = tags(&repository).map_err(git(&subject))?.get(&number).copied();
        id.map(|id| read(&repository, number, id)).transpose()
    }

    fn open_or_begin(&self) -> Result<Repository, HistoryError> {
        if let Ok(repository) = Repository::open_bare(&self.folder) {
            return Ok(repository);
        }
        if self.folder.exists() {
            let aside = (1..).map(|n| self.beside(&format!("broken-{n}"))).find(|path| !path.exists());
            let aside = aside.unwrap_or_else(|| self.beside("broken"));
            fs::rename(&self.folder, aside).map_err(disk(self.folder.as_str()))?;
        }
        Repository::init_bare(&self.folder).map_err(git(self.folder.as_str()))
    }

    fn beside(&self, mark: &str) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.{mark}", self.folder))
    }

    /// A new repository beside the old one that has the newest `limit` generations; none where few are over it.
    fn prune(&self, repository: &Repository, limit: usize) -> Result<Option<Utf8PathBuf>, git2::Error> {
        let tags = tags(repository)?;
        if tags.len() <= limit + limit / SLACK {
            return Ok(None);
        }
        let stays: BTreeMap<_, _> = tags.into_iter().rev().take(limit).collect();
        let folder = self.beside("new");
        let _ = fs::remove_dir_all(&folder); // of a try that was cut short
        let fresh = Repository::init_bare(&folder)?;
        let mut pack = repository.packbuilder()?;
        stays.values().try_for_each(|id| pack.insert_commit(*id))?;
        pack.write(folder.join("objects/pack").as_std_path(), 0)?;
        for (number, id) in stays {
            fresh.reference(&tag(number), id, true, "accepted")?;
        }
        Ok(Some(folder))
    }

    /// A cut between the two leaves no history here until the next generation; the other heads have it.
    fn exchange(&self, fresh: &Utf8Path) -> io::Result<()> {
        let old = self.beside("old");
        let _ = fs::remove_dir_all(&old);
        fs::rename(&self.folder, &old)?;
        fs::rename(fresh, &self.folder)?;
        fs::remove_dir_all(&old)
    }
}

fn git(subject: &str) -> impl Fn(git2::Error) -> HistoryError + '_ {
    move |source| HistoryError::Git { subject: subject.to_owned(), source }
}

fn disk(subject: &str) -> impl Fn(io::Error) -> HistoryError + '_ {
    move |source| HistoryError::Disk { subject: subject.to_owned(), source }
}

fn tag(number: u64) -> String {
    format!("{TAGS}{number}")
}

fn tags(repository: &Repository) -> Result<BTreeMap<u64, Oid>, git2::Error> {
    let mut found = BTreeMap::new();
    for reference in repository.references_glob(&format!("{TAGS}*"))? {
        let reference = reference?;
        let number = reference.name().ok().and_then(|name| name.strip_prefix(TAGS)?.parse().ok());
        found.extend(number.zip(reference.target()));
    }
    Ok(found)
}

fn commit(repository: &Repository, record: &Record) -> Result<Oid, git2::Error> {
    let mut tree = TreeUpdateBuilder::new();
    for (path, text) in &record.files {
        tree.upsert(format!("{FILES}/{path}"), repository.blob(text.as_bytes())?, FileMode::Blob);
    }
    let about = Record { files: BTreeMap::new(), ..record.clone() };
    let about = serde_json::to_vec_pretty(&about).unwrap_or_default(); // strings and numbers: it cannot fail
    tree.upsert(ABOUT, repository.blob(&about)?, FileMode::Blob);
    let empty = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let tree = repository.find_tree(tree.create_updated(repository, &empty)?)?;
    let Generation { number, at, who, commit, what } = &record.generation;
    let seconds = at.parse().map_or(0, jiff::Timestamp::as_second);
    let author = Signature::new(who, who, &Time::new(seconds, 0))?;
    let spec = commit.as_deref().unwrap_or("-");
    let message = format!("{what}\n\nGeneration: {number}\nSpec: {spec}\n");
    repository.commit(None, &author, &author, &message, &tree, &[])
}

fn read(repository: &Repository, number: u64, id: Oid) -> Result<Record, HistoryError> {
    let wrong = |why: String| HistoryError::Unreadable { number, why };
    let said = |error: git2::Error| wrong(error.message().to_owned());
    let tree = repository.find_commit(id).and_then(|found: Commit<'_>| found.tree()).map_err(said)?;
    let about = tree.get_name(ABOUT).ok_or_else(|| wrong(format!("{ABOUT} is missing")))?;
    let about = repository.find_blob(about.id()).map_err(said)?;
    let mut record: Record = serde_json::from_slice(about.content()).map_err(|e| wrong(e.to_string()))?;
    let mut paths = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let name = entry.name().unwrap_or_default();
        let path = format!("{folder}{name}");
        if entry.kind() == Some(ObjectType::Blob)
            && let Some(path) = path.strip_prefix(&format!("{FILES}/"))
        {
            paths.push((Utf8PathBuf::from(path), entry.id()));
        }
        TreeWalkResult::Ok
    })
    .map_err(said)?;
    for (path, id) in paths {
        let blob = repository.find_blob(id).map_err(said)?;
        record.files.insert(path, String::from_utf8_lossy(blob.content()).into_owned());
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        let generation = Generation {
            number,
            at: "2026-11-25T22:00:00Z".to_owned(),
            who: "root@admin".to_owned(),
            commit: Some("4f2c1aa".to_owned()),
            what: format!("change {number}"),
        };
        let files = BTreeMap::from([
            ("plan.txt".into(), format!("plan {number}\n")),
            ("spec/cluster.yaml".into(), "name: oscar\n".to_owned()),
            ("hosts/head-1/etc/hosts".into(), "127.0.0.1 localhost\n".to_owned()),
        ]);
        Record { generation, root: "cluster.yaml".into(), files }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap().join("history.git");
        (folder, Store::under(&at))
    }

    fn kept(store: &Store) -> Vec<u64> {
        store.chronicle().generations.iter().map(|generation| generation.number).collect()
    }

    #[test]
    fn what_was_kept_is_recalled_to_the_letter() {
        let (_folder, store) = store();
        assert_eq!(store.chronicle(), Chronicle::default());
        assert_eq!(store.recall(1).unwrap(), None);
        store.keep(&record(1), 9, &|| Ok(())).unwrap();
        store.keep(&record(2), 9, &|| Ok(())).unwrap();
        assert_eq!(kept(&store), [1, 2]);
        assert_eq!(store.recall(2).unwrap(), Some(record(2)));
        assert_eq!(store.recall(3).unwrap(), None);
    }

    #[test]
    fn the_newest_stay_and_can_still_be_read() {
        let (_folder, store) = store();
        for number in 1..=9 {
            store.keep(&record(number), 4, &|| Ok(())).unwrap();
        }
        assert_eq!(kept(&store), [6, 7, 8, 9]);
        assert_eq!(store.recall(6).unwrap(), Some(record(6)));
        assert_eq!(store.recall(5).unwrap(), None);
    }

    #[test]
    fn a_damaged_generation_is_named_and_the_others_can_be_read() {
        let (_folder, store) = store();
        store.keep(&record(1), 9, &|| Ok(())).unwrap();
        store.keep(&record(2), 9, &|| Ok(())).unwrap();
        let repository = Repository::open_bare(&store.folder).unwrap();
        let id = tags(&repository).unwrap()[&1].to_string();
        fs::remove_file(store.folder.join(format!("objects/{}/{}", &id[..2], &id[2..]))).unwrap();
        let found = store.chronicle();
        assert_eq!(found.generations, [record(2).generation]);
        assert_eq!(found.broken.len(), 1);
        assert!(found.broken[0].starts_with("generation 1 cannot be read: "), "{:?}", found.broken);
        assert!(store.recall(1).is_err());
    }

    #[test]
    fn a_repository_that_cannot_be_opened_is_put_aside_and_a_new_one_begun() {
        let (folder, store) = store();
        store.keep(&record(1), 9, &|| Ok(())).unwrap();
        fs::remove_file(store.folder.join("HEAD")).unwrap();
        assert_eq!(store.chronicle().broken.len(), 1);
        store.keep(&record(2), 9, &|| Ok(())).unwrap();
        assert_eq!(kept(&store), [2]);
        assert!(folder.path().join("history.git.broken-1/objects").is_dir(), "nothing was removed");
    }

    #[test]
    fn a_tag_is_made_only_when_what_it_names_is_on_the_disk() {
        let (_folder, store) = store();
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert!(store.keep(&record(1), 9, &full).is_err());
        assert!(kept(&store).is_empty());
    }
}

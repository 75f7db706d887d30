//! A folder in place of a repository: what lies in it, named by what it holds, so that every head names the same the same.
//!
//! The name is that of a git commit without parents, date or author, so that all that is done with a commit is done with it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use git2::{ObjectType, Oid, Repository};

use super::HistoryError;
use crate::spec::{BYTES_MAX, Sources};

/// Rights of others than the owner to write.
const OTHERS_WRITE: u32 = 0o022;

/// The spec at a path, a folder or its root document, with the lists, keys and templates beside it.
///
/// # Errors
/// The root document cannot be read. What else cannot is left out, and the loader says so where the spec names it.
pub fn gather(root: &Utf8Path) -> std::io::Result<Sources> {
    let root = if root.is_dir() { root.join(Sources::ROOT) } else { root.to_owned() };
    let name = Utf8PathBuf::from(root.file_name().unwrap_or(Sources::ROOT));
    let mut sources = Sources::of_text(name, read(&root)?);
    let folder = root.parent().filter(|folder| !folder.as_str().is_empty());
    beside(folder.unwrap_or(Utf8Path::new(".")), Utf8Path::new(""), &mut sources);
    Ok(sources)
}

/// Adds the templates of this machine's own that the spec has none in place of.
pub fn gather_machine(sources: &mut Sources) {
    let mut own = Sources::default();
    beside(Utf8Path::new(Sources::OF_MACHINE), Utf8Path::new(Sources::TEMPLATES), &mut own);
    for (name, bytes) in own.files {
        let within = name.strip_prefix(Sources::TEMPLATES).unwrap_or(&name);
        if !sources.files.contains_key(&name) {
            sources.files.insert(Utf8Path::new(Sources::OF_MACHINE).join(within), bytes);
        }
    }
}

/// One byte more than the loader takes is enough for it to say so.
///
/// # Errors
/// What the system said.
pub fn limited(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(path: &Utf8Path) -> std::io::Result<Vec<u8>> {
    limited(&mut std::fs::File::open(path)?)
}

/// Links are not followed, so that a spec cannot point elsewhere.
fn beside(folder: &Utf8Path, below: &Utf8Path, sources: &mut Sources) {
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let name = below.join(entry.file_name());
        if kind.is_dir() && Sources::may_lead(&name) {
            beside(entry.path(), &name, sources);
        } else if kind.is_file()
            && Sources::may_hold(&name)
            && let Ok(bytes) = read(entry.path())
        {
            sources.files.entry(name).or_insert(bytes);
        }
    }
}

/// The full name of what a spec holds.
///
/// # Errors
/// git's.
pub fn content_of(sources: &Sources) -> Result<String, HistoryError> {
    let failed = |source| HistoryError::Git { subject: sources.root.to_string(), source };
    let name = commit(sources, &mut |kind, bytes| Oid::hash_object(kind, bytes)).map_err(failed)?;
    Ok(name.to_string())
}

/// Puts what lies in a folder into a repository; its name.
///
/// # Errors
/// It cannot be read, or others than root may write there: nobody signs what lies in a folder, so who may write is believed.
pub(super) fn take(repository: &Repository, folder: &Utf8Path) -> Result<Oid, HistoryError> {
    let disk = |source| HistoryError::Disk { subject: folder.to_string(), source };
    let sources = gather(folder).map_err(disk)?;
    let files = sources.files.keys().map(|name| folder.join(name));
    let folders = files.clone().flat_map(|file| {
        let parents: Vec<_> = file.ancestors().skip(1).map(Utf8Path::to_owned).collect();
        parents.into_iter().take_while(|parent| parent.starts_with(folder))
    });
    for path in folders.chain(files.clone()) {
        let found = std::fs::metadata(&path).map_err(disk)?;
        if found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & OTHERS_WRITE != 0 {
            let why = format!("{path} can be written by others than root: chown root, chmod go-w");
            return Err(HistoryError::Source { why });
        }
    }
    let git = |source| HistoryError::Git { subject: folder.to_string(), source };
    let odb = repository.odb().map_err(git)?;
    commit(&sources, &mut |kind, bytes| odb.write(kind, bytes)).map_err(git)
}

type Put<'a> = &'a mut dyn FnMut(ObjectType, &[u8]) -> Result<Oid, git2::Error>;

fn commit(sources: &Sources, put: Put<'_>) -> Result<Oid, git2::Error> {
    let files = sources.beside().map(|(path, bytes)| {
        let path = if *path == sources.root { Utf8Path::new(Sources::ROOT) } else { path.as_path() };
        (path, bytes.as_slice())
    });
    let tree = tree(&files.collect(), put)?;
    let who = "root <root> 0 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nwhat lies in the folder\n");
    put(ObjectType::Commit, text.as_bytes())
}

/// git's tree: mode, name and object of each entry, folders in the order of their names with a `/` (gitformat: fsck).
fn tree(files: &BTreeMap<&Utf8Path, &[u8]>, put: Put<'_>) -> Result<Oid, git2::Error> {
    let mut below: BTreeMap<String, BTreeMap<&Utf8Path, &[u8]>> = BTreeMap::new();
    let mut entries: BTreeMap<String, (&str, Oid)> = BTreeMap::new();
    for (path, bytes) in files {
        match path.as_str().split_once('/') {
            Some((folder, rest)) => {
                below.entry(folder.to_owned()).or_default().insert(Utf8Path::new(rest), bytes);
            }
            None => {
                entries.insert(path.to_string(), ("100644", put(ObjectType::Blob, bytes)?));
            }
        }
    }
    for (name, files) in below {
        entries.insert(format!("{name}/"), ("40000", tree(&files, put)?));
    }
    let mut text = Vec::new();
    for (name, (mode, object)) in entries {
        text.extend(format!("{mode} {}\0", name.trim_end_matches('/')).as_bytes());
        text.extend(object.as_bytes());
    }
    put(ObjectType::Tree, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_lies_in_a_folder_has_one_name_wherever_it_lies_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap();
        let (spec, copy) = (at.join("spec"), at.join("copy.git"));
        std::fs::create_dir_all(spec.join("a")).unwrap();
        for (name, text) in
            [("cluster.yaml", "name: one\n"), ("a/b.csv", "x\n"), ("a.csv", "y\n"), ("other", "z")]
        {
            std::fs::write(spec.join(name), text).unwrap();
        }
        let repository = Repository::init_bare(&copy).unwrap();
        let name = take(&repository, &spec).unwrap();
        assert_eq!(name.to_string(), content_of(&gather(&spec).unwrap()).unwrap());
        let checked = std::process::Command::new("git")
            .args(["--git-dir", copy.as_str(), "fsck", "--strict", "--no-dangling", &name.to_string()])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let tree = repository.find_commit(name).unwrap().tree().unwrap();
        let names: Vec<_> = tree.iter().map(|entry| entry.name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a.csv", "a", "cluster.yaml"], "and nothing that is no part of a spec");
        std::fs::write(spec.join("a/b.csv"), "other\n").unwrap();
        assert_ne!(take(&repository, &spec).unwrap(), name);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap();
        let spec = at.join("spec");
        std::fs::create_dir(&spec).unwrap();
        std::fs::write(spec.join("cluster.yaml"), "name: one\n").unwrap();
        let repository = Repository::init_bare(at.join("copy.git")).unwrap();
        for path in [spec.join("cluster.yaml"), spec.clone()] {
            let mode = std::fs::metadata(&path).unwrap().permissions();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
            let why = take(&repository, &spec).unwrap_err().to_string();
            assert_eq!(why, format!("{path} can be written by others than root: chown root, chmod go-w"));
            std::fs::set_permissions(&path, mode).unwrap();
        }
        assert!(take(&repository, &spec).is_ok());
    }
}

//! Files of a machine: written beside, synced, renamed, so that a reader or a power cut sees old or new, never half.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::machine::{Look, Machine};
use crate::desired::{Directory, Mode, Owner};

/// Puts bytes at a path: beside, fsync, rename, fsync of the folder. Folders above are made.
///
/// # Errors
/// What the system said, with the path.
pub fn put(
    machine: &dyn Machine,
    path: &Utf8Path,
    bytes: &[u8],
    owner: &Owner,
    mode: Mode,
) -> Result<(), HostError> {
    let beside = beside(path);
    let write = || -> io::Result<()> {
        make_folders(machine, above(path))?;
        let _ = machine.remove(&beside);
        machine.create(&beside, bytes, owner, mode)?;
        machine.sync(&beside)?;
        machine.rename(&beside, path)?;
        machine.sync(above(path))
    };
    write().map_err(|e| HostError::failed(path, e))
}

/// Takes a file away, for good: not there is as good, and stays so after a power cut.
///
/// # Errors
/// What the system said, with the path.
pub fn take_away(machine: &dyn Machine, path: &Utf8Path) -> Result<(), HostError> {
    let gone = match machine.remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()), // by another hand, or by a try before this one
        other => other,
    };
    gone.and_then(|()| match machine.sync(above(path)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()), // its folder is gone, too
        other => other,
    })
    .map_err(|e| HostError::failed(path, e))
}

/// Puts a symbolic link at a path.
///
/// # Errors
/// What the system said, with the path.
pub fn put_link(machine: &dyn Machine, path: &Utf8Path, target: &Utf8Path) -> Result<(), HostError> {
    let beside = beside(path);
    let _ = machine.remove(&beside);
    let write = || {
        machine.link(target, &beside)?;
        machine.rename(&beside, path)?;
        machine.sync(above(path))
    };
    write().map_err(|e| HostError::failed(path, e))
}

fn above(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new("/"))
}

/// Makes a folder and those above it, where they are not there; what is made is durable.
fn make_folders(machine: &dyn Machine, folder: &Utf8Path) -> io::Result<()> {
    if machine.look(folder).is_ok() {
        return Ok(());
    }
    make_folders(machine, above(folder))?;
    match machine.make_folder(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another was faster
        other => other.and_then(|()| machine.sync(above(folder))),
    }
}

/// The name beside `path` that a write goes to first.
pub fn beside(path: &Utf8Path) -> Utf8PathBuf {
    let name = path.file_name().unwrap_or("file");
    path.with_file_name(format!(".{name}.haoscar-new"))
}

/// Makes a folder as wanted; what is in it is not touched.
///
/// # Errors
/// What the system said, with the path.
pub fn make_folder(machine: &dyn Machine, directory: &Directory) -> Result<(), HostError> {
    let path = &directory.path;
    make_folders(machine, path)
        .and_then(|()| machine.give(path, &directory.owner, directory.mode))
        .map_err(|e| HostError::failed(path, e))
}

/// Whether a folder is as wanted.
pub fn folder_is(machine: &dyn Machine, directory: &Directory) -> bool {
    let wanted = Look { folder: true, owner: directory.owner.clone(), mode: directory.mode };
    machine.look(&directory.path).is_ok_and(|look| look == wanted)
}

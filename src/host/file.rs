//! Files of this machine: written beside, synced, renamed, so that a reader or a power cut sees old or new, never half.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::HostError;
use crate::desired::{Directory, Mode, Owner};

/// sha256 of bytes, in hex.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex as bytes; none where it is not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len().is_multiple_of(2) { digits.chunks(2).map(pair).collect() } else { None }
}

/// Numeric ids of an owner.
///
/// # Errors
/// A user or group that this machine does not have.
pub fn ids(owner: &Owner) -> Result<(u32, u32), HostError> {
    let user = nix::unistd::User::from_name(&owner.user).ok().flatten();
    let group = nix::unistd::Group::from_name(&owner.group).ok().flatten();
    let missing = |what: &str, name: &str| {
        HostError::failed(format!("{what} {name}"), "is not known on this host: is its package installed?")
    };
    let user = user.ok_or_else(|| missing("user", &owner.user))?;
    let group = group.ok_or_else(|| missing("group", &owner.group))?;
    Ok((user.uid.as_raw(), group.gid.as_raw()))
}

/// The owner of what is there, by name where names are known.
pub fn owner_of(meta: &fs::Metadata) -> Owner {
    let user = nix::unistd::User::from_uid(meta.uid().into()).ok().flatten().map(|u| u.name);
    let group = nix::unistd::Group::from_gid(meta.gid().into()).ok().flatten().map(|g| g.name);
    Owner {
        user: user.unwrap_or_else(|| meta.uid().to_string()),
        group: group.unwrap_or_else(|| meta.gid().to_string()),
    }
}

/// Permission bits of what is there.
pub fn mode_of(meta: &fs::Metadata) -> Mode {
    Mode(meta.mode() & 0o7777)
}

/// Puts bytes at a path: beside, fsync, rename, fsync of the folder. Folders above are made.
///
/// # Errors
/// What the system said, with the path.
pub fn put(path: &Utf8Path, bytes: &[u8], owner: &Owner, mode: Mode) -> Result<(), HostError> {
    let (user, group) = ids(owner)?;
    let beside = beside(path);
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Utf8Path::new("/"));
        fs::create_dir_all(folder)?;
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
        file.set_permissions(fs::Permissions::from_mode(mode.0))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(folder)
    };
    write().map_err(|e| HostError::failed(path, e))
}

/// The name beside `path` that a write goes to first.
fn beside(path: &Utf8Path) -> Utf8PathBuf {
    let name = path.file_name().unwrap_or("file");
    path.with_file_name(format!(".{name}.haoscar-new"))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// What the system said.
pub fn sync_folder(folder: &Utf8Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder as wanted; what is in it is not touched.
///
/// # Errors
/// What the system said, with the path.
pub fn make_folder(directory: &Directory) -> Result<(), HostError> {
    let (user, group) = ids(&directory.owner)?;
    let make = || -> std::io::Result<()> {
        fs::create_dir_all(&directory.path)?;
        std::os::unix::fs::chown(&directory.path, Some(user), Some(group))?;
        fs::set_permissions(&directory.path, fs::Permissions::from_mode(directory.mode.0))
    };
    make().map_err(|e| HostError::failed(&directory.path, e))
}

/// Whether a folder is as wanted.
pub fn folder_is(directory: &Directory) -> bool {
    fs::metadata(&directory.path).is_ok_and(|meta| {
        meta.is_dir() && owner_of(&meta) == directory.owner && mode_of(&meta) == directory.mode
    })
}

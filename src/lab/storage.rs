//! Storages that hosts of a lab share: a file system each, so that one can be full while everything else has space.

use std::fs;

use camino::Utf8PathBuf;
use nix::sys::statvfs::statvfs;

use super::error::{LabError, io};
use super::program;
use super::state::Lab;

/// As much as the machine has; the lab's own limit is above it.
const ROOMY: &str = "90%";
/// Somebody may write between the look at what is used and the order that leaves no more than that.
const TRIES: usize = 20;

/// The folder of a storage.
pub(super) fn folder(lab: &Lab, storage: &str) -> Utf8PathBuf {
    lab.folder().join("storage").join(storage)
}

/// Makes a storage, empty, unless it is there.
pub(super) fn prepare(lab: &Lab, storage: &str) -> Result<(), LabError> {
    let folder = folder(lab, storage);
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
    let options = format!("mode=755,size={ROOMY}");
    program::run(&["mount", "-t", "tmpfs", "-o", &options, "haoscar-storage", folder.as_str()]).map(|_| ())
}

/// The disk of a storage that one head at a time mounts: a file.
pub(super) fn disk(lab: &Lab, storage: &str) -> Utf8PathBuf {
    lab.folder().join("disks").join(storage)
}

/// The smallest disk that has a journal of a usual size.
const DISK_BYTES: u64 = 256 << 20;

/// Makes a disk with an empty ext4, unless it is there.
pub(super) fn prepare_disk(lab: &Lab, storage: &str) -> Result<(), LabError> {
    let path = disk(lab, storage);
    if path.exists() {
        return Ok(());
    }
    let folder = lab.folder().join("disks");
    fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
    let file = fs::File::create(&path).map_err(io(path.as_str()))?;
    file.set_len(DISK_BYTES).map_err(io(path.as_str()))?;
    program::run(&["mke2fs", "-q", "-t", "ext4", path.as_str()]).map(|_| ())
}

/// Loop devices by which a running host has a disk of the lab mounted.
pub(super) fn loops(lab: &Lab, host: &str) -> Vec<String> {
    let Some(process) = lab.process(host) else { return Vec::new() };
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", process.pid)).unwrap_or_default();
    let sources = mounts.lines().filter_map(|line| line.split_whitespace().next()?.strip_prefix("/dev/"));
    let mut loops: Vec<_> = sources.filter(|name| name.starts_with("loop")).map(str::to_owned).collect();
    loops.sort();
    loops.dedup();
    loops
}

/// Whether a loop device has nothing behind it: the kernel takes a dead host's file systems down by itself, a moment later.
pub(super) fn is_free(device: &String) -> bool {
    !std::path::Path::new("/sys/block").join(device).join("loop").exists()
}

/// Leaves a storage no byte more than it holds, or as much as before.
///
/// # Errors
/// The lab has no such storage, or it resists.
pub(super) fn set_full(lab: &Lab, storage: &str, full: bool) -> Result<(), LabError> {
    let all = lab.layout.hosts.values().flat_map(|host| host.storage.keys());
    if !all.clone().any(|name| name == storage) {
        let (lab, storage) = (lab.name.clone(), storage.to_owned());
        let storages: std::collections::BTreeSet<_> = all.cloned().collect();
        let storages = storages.into_iter().collect::<Vec<_>>().join(", ");
        return Err(LabError::StorageMissing { lab, storage, storages });
    }
    let folder = folder(lab, storage);
    if !full {
        return resize(&folder, ROOMY);
    }
    let mut resized = resize_to_used(&folder);
    for _ in 1..TRIES {
        if resized.is_ok() {
            break;
        }
        resized = resize_to_used(&folder);
    }
    resized
}

fn resize_to_used(folder: &Utf8PathBuf) -> Result<(), LabError> {
    let stat = statvfs(folder.as_std_path()).map_err(|error| io(folder.as_str())(error.into()))?;
    let used = (stat.blocks() - stat.blocks_free()) * stat.fragment_size();
    resize(folder, &used.to_string())
}

fn resize(folder: &Utf8PathBuf, size: &str) -> Result<(), LabError> {
    program::run(&["mount", "-o", &format!("remount,size={size}"), folder.as_str()]).map(|_| ())
}

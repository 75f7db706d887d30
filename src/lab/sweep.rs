//! Takes a lab away until nothing of it is left, whatever of it has died before: processes by the cgroup tree, then
//! mounts, the switch, folders.

use std::fs;
use std::time::Duration;

use super::error::{LabError, io};
use super::{program, state, switch, tree};

/// Takes the lab of that name away.
///
/// # Errors
/// Something of it resists; what is left is swept by the next try.
pub(crate) fn remove(lab: &str) -> Result<(), LabError> {
    state::check_name(lab)?;
    let felled = fell(lab);
    let without_mounts = unmount(lab).and_then(|()| forget(lab));
    felled.and(without_mounts).and(switch::remove(lab))
}

/// Takes away every lab whose owner is dead, and what is left of labs without a state.
///
/// # Errors
/// The first trouble.
pub(crate) fn dead() -> Result<Vec<String>, LabError> {
    let mut swept = Vec::new();
    for name in state::names() {
        // only who owns it is read: the rest may be another version's
        if !state::owner(&name).is_some_and(|owner| owner.runs()) {
            remove(&name)?;
            swept.push(name);
        }
    }
    Ok(swept)
}

fn fell(lab: &str) -> Result<(), LabError> {
    let own = tree::of_lab(lab)?;
    tree::fell(&own)?;
    if let Some(all) = own.parent() {
        let _ = fs::remove_dir(all); // another lab may be in it
    }
    Ok(())
}

/// The folder is a mount point once, or more often after a race; never a lazy unmount, which would hide a leak.
fn unmount(lab: &str) -> Result<(), LabError> {
    let folder = state::folder(lab);
    for _ in 0..100 {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(io("/proc/self/mountinfo"))?;
        let inside = |line: &&str| {
            let place = line.split(' ').nth(4).unwrap_or_default();
            place == folder.as_str() || place.starts_with(&format!("{folder}/"))
        };
        let Some(place) = mounts.lines().rfind(inside).and_then(|line| line.split(' ').nth(4)) else {
            return Ok(());
        };
        if program::run(&["umount", place]).is_err() {
            std::thread::sleep(Duration::from_millis(50)); // a namespace that has just died holds it for a moment
        }
    }
    Err(LabError::Late { subject: format!("{folder}"), awaited: "unmounted", seconds: 5 })
}

fn forget(lab: &str) -> Result<(), LabError> {
    let folder = state::folder(lab);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(folder.as_str())(error)),
        _ => Ok(()),
    }
}

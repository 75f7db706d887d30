//! The cgroup tree of a lab: whatever a lab started is in it, so one write ends all of it.

use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::error::{LabError, io};

/// The unified hierarchy: alone on newer machines, beside the old ones on hybrid machines.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// A killed process is gone within this time even on a loaded machine.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// The tree of one lab.
pub(crate) fn of_lab(lab: &str) -> Result<Utf8PathBuf, LabError> {
    let base =
        HIERARCHIES.map(Utf8PathBuf::from).into_iter().find(|base| base.join("cgroup.controllers").exists());
    let missing = || io("the unified cgroup hierarchy")(std::io::ErrorKind::NotFound.into());
    Ok(base.ok_or_else(missing)?.join("haoscar-lab").join(lab))
}

/// A branch of the lab's tree, made if it is not there; processes join it by its `cgroup.procs`.
pub(crate) fn branch(lab: &str, name: &str) -> Result<Utf8PathBuf, LabError> {
    let folder = of_lab(lab)?.join(name);
    fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
    Ok(folder)
}

/// Ends every process of a branch and takes the branch away.
pub(crate) fn fell(branch: &Utf8Path) -> Result<(), LabError> {
    if !branch.exists() {
        return Ok(());
    }
    let kill = branch.join("cgroup.kill");
    fs::write(&kill, "1").map_err(io(kill.as_str()))?;
    let start = Instant::now();
    while populated(branch) {
        if start.elapsed() > GONE_WITHIN {
            let subject = format!("cgroup {branch}");
            return Err(LabError::Late { subject, awaited: "empty", seconds: GONE_WITHIN.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    remove(branch)
}

fn populated(branch: &Utf8Path) -> bool {
    fs::read_to_string(branch.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
}

/// Leaves first: systemd made its own branches inside.
fn remove(branch: &Utf8Path) -> Result<(), LabError> {
    let entries = branch.read_dir_utf8().map_err(io(branch.as_str()))?;
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(entry.path())?;
    }
    fs::remove_dir(branch).map_err(io(branch.as_str()))
}

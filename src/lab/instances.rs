//! How many inotify instances the machine has left: every systemd of a lab takes some, and the default is 128 a user.

use std::fs;

use super::error::LabError;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";

/// A host's systemd, journald, udevd and daemons took 5 or 6 (counted on 2026-11-24); with a login on top.
const A_HOST: usize = 7;

/// Refuses a lab that could not start: its hosts would hang half up, each with another complaint.
///
/// # Errors
/// How many are missing, and what to set.
pub(crate) fn check(hosts: usize) -> Result<(), LabError> {
    let Some(limit) = fs::read_to_string(LIMIT).ok().and_then(|text| text.trim().parse::<usize>().ok())
    else {
        return Ok(()); // a kernel that does not tell
    };
    verdict(hosts, used(), limit)
}

fn verdict(hosts: usize, used: usize, limit: usize) -> Result<(), LabError> {
    let needed = used + hosts * A_HOST;
    if needed <= limit { Ok(()) } else { Err(LabError::Instances { hosts, used, limit, needed }) }
}

/// Instances of processes of root, labs that run already included.
fn used() -> usize {
    let entries = |path: &std::path::Path| fs::read_dir(path).into_iter().flatten().flatten();
    let processes =
        entries("/proc".as_ref()).filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let descriptors =
        processes.flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten());
    descriptors
        .filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_does_not_fit_is_refused_with_the_number_that_would_do() {
        assert!(verdict(18, 2, 128).is_ok());
        let said = verdict(19, 2, 128).unwrap_err().to_string();
        assert!(said.contains("19 hosts") && said.contains("135"), "{said}");
    }
}

//! What Pacemaker's alert agent leaves for this loop: read once, told as events, and taken away.
//!
//! The agent runs as the engine's user, so what it left is read with care: small files only, and no links.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::Path;

use super::wake;
use crate::engines::pacemaker::alert;

const FOLDER: &str = "/run/haoscar/alerts";

/// Whom Pacemaker runs its agents as.
const USER: &str = "hacluster";

/// A description of fencing has some hundred characters.
const BYTES_MAX: u64 = 4096;

/// The folder, with notices of it.
#[derive(Debug)]
pub struct Alerts(Option<wake::Marks>);

impl Alerts {
    /// Makes the folder for the engine's user. Where there is no such user (heartbeat), or no more notices are to be had, none come.
    pub fn listen() -> Self {
        Self(Self::open().ok().flatten())
    }

    fn open() -> std::io::Result<Option<wake::Marks>> {
        let Some(user) = nix::unistd::User::from_name(USER)? else { return Ok(None) };
        let folder = Path::new(FOLDER);
        if !folder.is_dir() {
            fs::DirBuilder::new().mode(0o700).create(folder)?;
        }
        chown(folder, Some(user.uid.as_raw()), None)?;
        wake::Marks::of(folder).map(Some)
    }

    /// What can be waited for.
    pub fn source(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Takes the notices.
    pub fn drain(&self) {
        self.0.iter().for_each(wake::Marks::drain);
    }

    /// What has come since the last time, in its order: whom it is about, and one sentence.
    pub fn take(&self) -> Vec<(String, String)> {
        if self.0.is_some() { read(Path::new(FOLDER)) } else { Vec::new() }
    }
}

fn read(folder: &Path) -> Vec<(String, String)> {
    let written = |path: &Path| path.symlink_metadata().and_then(|found| found.modified()).ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let mut paths: Vec<_> = entries.filter(|path| !hidden(path)).collect();
    paths.sort_by_cached_key(|path| (written(path), path.clone()));
    let told = paths.iter().filter_map(|path| alert::told(&text(path)?)).collect();
    paths.iter().for_each(|path| drop(fs::remove_file(path)));
    told
}

fn text(path: &Path) -> Option<String> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK; // neither a link nor a pipe that nobody writes to
    let file = fs::File::options().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(
        String::from_utf8_lossy(&bytes)
            .chars()
            .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_read_once_in_order_and_links_and_pipes_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let secret = at.join(".secret");
        fs::write(&secret, "node\nx\n\nsecret\n").unwrap();
        fs::write(at.join("2-1"), "node\nhead-1\n\nlost\n").unwrap();
        std::os::unix::fs::symlink(&secret, at.join("3-1")).unwrap();
        nix::unistd::mkfifo(&at.join("4-1"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(at.join("1-1"), "fencing\nhead-1\n0\nby\x1b[31m head-2\n").unwrap();
        let said: Vec<_> = read(at).into_iter().map(|(_, sentence)| sentence).collect();
        assert_eq!(said, ["head-1 is lost to the engine", "head-1 was fenced: by [31m head-2"]);
        assert!(read(at).is_empty());
        assert!(secret.is_file());
    }
}

//! A storage's token: a small file that one head writes and the others read, so that all are known to see one storage.
//!
//! A file system that hangs holds whoever asks it, so a thread of its own asks, which may hang; the session goes on.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::libc::O_NOFOLLOW;

use super::HostError;

/// Its name in the storage.
pub const TOKEN: &str = ".haoscar-token";

/// A storage that has not answered by then would hold a service as long: the watcher calls it lost after the same time.
const WITHIN: Duration = Duration::from_secs(3);

/// How a storage is called that does not answer.
pub const HANGS: &str = "it has not answered";

/// A network file system may show another head's write late: read this often, this far apart.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// Writes the token in the storage at that place, or reads it and compares.
///
/// # Errors
/// It is not mounted, cannot be written, holds something else, or does not answer.
pub fn token(storage: &Path, text: &str, write: bool) -> Result<(), HostError> {
    let root = Path::new("/");
    answers(storage, move |storage| {
        let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).map_err(|e| e.to_string());
        if device(storage)? == device(root)? {
            return Err("it is not mounted: the path lies on the root file system".to_owned());
        }
        Ok(())
    })?;
    let text = text.to_owned();
    answers(storage, move |storage| if write { put(storage, &text) } else { get(storage, &text) })
}

/// Asks in a thread of its own, with a time limit.
fn answers(
    storage: &Path,
    ask: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
) -> Result<(), HostError> {
    let (sender, answer) = channel();
    let path: PathBuf = storage.to_owned();
    std::thread::spawn(move || sender.send(ask(&path)));
    let late = || Err(format!("{HANGS} for {} s", WITHIN.as_secs()));
    let said = answer.recv_timeout(WITHIN).unwrap_or_else(|_| late());
    said.map_err(|why| HostError::failed(storage.display(), why))
}

/// In place and not renamed: a client of NFS may know the old file by that name for a while.
fn put(storage: &Path, text: &str) -> Result<(), String> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(O_NOFOLLOW);
    let written = options.open(storage.join(TOKEN)).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| format!("its token cannot be written: {e}"))
}

/// A head that only reads must be able to write too, for one day it will carry the group.
fn get(storage: &Path, text: &str) -> Result<(), String> {
    nix::unistd::access(storage, nix::unistd::AccessFlags::W_OK)
        .map_err(|e| format!("it cannot be written: {e}"))?;
    for attempt in 1..=TRIES {
        let mut held = String::new();
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).custom_flags(O_NOFOLLOW).open(storage.join(TOKEN));
        let read = file.and_then(|file| file.take(4096).read_to_string(&mut held));
        match read {
            Ok(_) if held == text => return Ok(()),
            _ if attempt < TRIES => std::thread::sleep(PAUSE),
            Ok(_) => break,
            Err(e) => return Err(format!("the token that another head has written cannot be read: {e}")),
        }
    }
    Err("it holds another token than another head has just written: the heads do not see one storage"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_another_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(put(folder.path(), "long one"), Ok(()));
        assert_eq!(put(folder.path(), "one"), Ok(()));
        assert_eq!(get(folder.path(), "one"), Ok(()));
        assert!(get(folder.path(), "two").unwrap_err().contains("do not see one storage"));
    }

    #[test]
    fn a_path_on_the_root_file_system_is_no_storage() {
        let error = token(Path::new("/"), "one", true).unwrap_err().to_string();
        assert!(error.contains("it is not mounted"), "{error}");
    }

    #[test]
    fn a_storage_that_hangs_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&folder.path().join(TOKEN), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = answers(folder.path(), |path| put(path, "one")).unwrap_err().to_string();
        assert!(error.contains("it has not answered for 3 s"), "{error}");
    }
}

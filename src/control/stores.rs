//! Storages of this head: one is lost when its file system does not answer, is read-only, or is not there.
//!
//! A file system that hangs holds whoever asks it, so it is asked by a thread of its own, which may hang.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::gauge::Gauge;
use super::tell::Told;
use crate::engines::watchlist::WatchedStore;

/// How often a storage is asked: it gives no notices.
const EVERY: Duration = Duration::from_secs(1);

/// An answer that comes later is a loss.
const WITHIN: Duration = Duration::from_secs(3);

/// Heads that lose one file server each say so at their own second: equal loss moves nothing.
const TOGETHER_MS: u64 = 2_000;

/// Watches one storage for ever.
pub(super) fn run(host: &str, store: &WatchedStore, say: &(dyn Fn(&str) + Sync)) {
    let (ask, asked) = sync_channel(0);
    let (answer, answers) = sync_channel(1);
    let path = PathBuf::from(store.path.as_str());
    std::thread::spawn(move || serve(&path, &asked, &answer)); // not in the scope: it may never end
    let mut gauge = Gauge::default();
    let told = Told { host, begin: Instant::now(), together_ms: TOGETHER_MS, say };
    let mut waits = false;
    loop {
        let good = reading(&ask, &answers, &mut waits, WITHIN);
        told.read(&mut gauge, good, &store.attribute);
        std::thread::sleep(EVERY);
    }
}

fn serve(path: &Path, asked: &Receiver<()>, answer: &SyncSender<bool>) {
    while asked.recv().is_ok() && answer.send(is_there(path)).is_ok() {}
}

/// Asks, unless the last question is still open, and waits for the answer.
fn reading(ask: &SyncSender<()>, answers: &Receiver<bool>, waits: &mut bool, within: Duration) -> bool {
    if !*waits && ask.send(()).is_err() {
        return true; // the thread that asks is gone: nothing is known, so nothing is lost
    }
    match answers.recv_timeout(within) {
        Ok(good) => {
            *waits = false;
            good
        }
        Err(RecvTimeoutError::Timeout) => {
            *waits = true;
            false
        }
        Err(RecvTimeoutError::Disconnected) => true,
    }
}

/// Mounted (not on the root file system), answering and writable.
fn is_there(path: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta));
    let mounted = matches!((device(path), device(Path::new("/"))), (Ok(own), Ok(root)) if own != root);
    mounted && statvfs(path).is_ok_and(|stat| !stat.flags().contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn a_storage_that_hangs_is_lost_and_asked_once_until_it_answers() {
        let (ask, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let mut waits = false;
        for _ in 0..3 {
            assert!(!reading(&ask, &answers, &mut waits, SOON));
        }
        assert_eq!(asked.try_iter().count(), 1, "a hanging file system is not asked again and again");
        answer.send(true).unwrap();
        assert!(reading(&ask, &answers, &mut waits, SOON));
        assert!(!waits);
    }

    #[test]
    fn a_path_on_the_root_file_system_or_nowhere_is_no_storage() {
        assert!(is_there(Path::new("/proc")));
        assert!(!is_there(Path::new("/")));
        assert!(!is_there(Path::new("/nowhere")));
    }
}

//! Notices of something new in a followed source that lies on this machine: a folder, or a repository by its path. What is
//! elsewhere, or was written by another host to shared storage, is found by the timer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::spec::Source;

/// Who copies a spec writes one file after the other.
const QUIET: Duration = Duration::from_secs(1);

/// A folder that is never quiet is looked at all the same.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    places: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    last: Arc<Mutex<Option<Instant>>>,
}

impl Arrivals {
    /// Watches this source from now on; none: nothing. `ring` is called at each notice.
    pub(super) fn watch(&mut self, source: Option<&Source>, ring: impl Fn() + Send + 'static) {
        let places = source.map(places).unwrap_or_default();
        if places == self.places && self.watcher.is_some() != places.is_empty() {
            return;
        }
        let last = self.last.clone();
        let heard = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                ring();
            }
        };
        self.watcher = notify::recommended_watcher(heard).ok().filter(|_| !places.is_empty());
        if let Some(watcher) = &mut self.watcher {
            for place in &places {
                let _ = watcher.watch(place, RecursiveMode::Recursive); // the timer looks in any case
            }
        }
        self.places = places;
    }

    /// Waits until nothing new has come for a moment.
    pub(super) fn settle(&self) {
        let begin = Instant::now();
        let last = || *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        while begin.elapsed() < QUIET_MAX && last().is_some_and(|last| last.elapsed() < QUIET) {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A look at a file is a notice too, and each of our own would be the next one's cause.
fn is_change(kind: EventKind) -> bool {
    !kind.is_access() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

/// Of a repository the folder of its branches: that of all its objects may hold thousands.
fn places(source: &Source) -> Vec<PathBuf> {
    let place = Path::new(source.place().trim_start_matches("file://"));
    let places = if source.folder.is_some() {
        vec![place.to_owned()]
    } else {
        vec![place.join("refs/heads"), place.join(".git/refs/heads")]
    };
    places.into_iter().filter(|path| path.is_absolute() && path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Span;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn source(repository: Option<&Path>, folder: Option<&Path>) -> Source {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        Source {
            repository: repository.map(text),
            folder: folder.map(|path| text(path).into()),
            branch: "main".to_owned(),
            path: camino::Utf8PathBuf::new(),
            every: Span::from_millis(60_000),
        }
    }

    /// How many notices come of what is done, within two seconds.
    fn heard(source: &Source, act: impl Fn()) -> usize {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let mut arrivals = Arrivals::default();
        arrivals.watch(Some(source), move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        act();
        let begin = Instant::now();
        while count.load(Ordering::Relaxed) == 0 && begin.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(20));
        }
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn a_file_that_is_written_in_a_folder_or_below_is_noticed_and_one_that_is_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lists")).unwrap();
        let file = folder.path().join("lists/macs.csv");
        std::fs::write(&file, "a").unwrap();
        let source = source(None, Some(folder.path()));
        assert_eq!(heard(&source, || drop(std::fs::read(&file).unwrap())), 0);
        assert!(heard(&source, || std::fs::write(&file, "b").unwrap()) > 0);
    }

    #[test]
    fn a_commit_to_a_repository_on_this_machine_is_noticed_and_one_elsewhere_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init(folder.path()).unwrap();
        let commit = || {
            let tree = repository.find_tree(repository.index().unwrap().write_tree().unwrap()).unwrap();
            let me = git2::Signature::now("tester", "tester@example").unwrap();
            repository.commit(Some("HEAD"), &me, &me, "one", &tree, &[]).unwrap();
        };
        assert!(heard(&source(Some(folder.path()), None), commit) > 0);
        assert_eq!(
            places(&source(Some(Path::new("ssh://git@git.example/x.git")), None)),
            Vec::<PathBuf>::new()
        );
    }
}

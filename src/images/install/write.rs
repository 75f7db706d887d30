//! Writes an image to a partition, and reads it back.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};

use super::fetch::Head;
use super::{InstallError, system};
use crate::desired::fingerprint;
use crate::images::manifest::{Manifest, Piece};
use crate::images::ticket::Word;

/// How often the head is told how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// Every piece from its beginning to its end; zeros too where it is not `blank`, for the disk was somebody's.
pub(super) fn write(
    head: &Head<'_>,
    manifest: &Manifest,
    to: &Utf8Path,
    blank: bool,
) -> Result<(), InstallError> {
    let disk = OpenOptions::new().write(true).open(to).map_err(system(to))?;
    each(head, manifest, "writing", |piece, at| {
        if piece.is_zeros() && blank {
            return Ok(());
        }
        if piece.is_zeros() {
            return zeros(&disk, at, piece.bytes).map_err(system(to));
        }
        disk.write_all_at(&head.piece(piece)?, at).map_err(system(to))
    })?;
    disk.sync_all().map_err(system(to))
}

/// What is read from the disk is what was written to it.
pub(super) fn prove(head: &Head<'_>, manifest: &Manifest, from: &Utf8Path) -> Result<(), InstallError> {
    let disk = File::open(from).map_err(system(from))?;
    // not what memory still knows of it
    posix_fadvise(&disk, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .map_err(|e| system(from)(e.into()))?;
    each(head, manifest, "proving", |piece, at| {
        let mut bytes = vec![0; piece.bytes as usize];
        disk.read_exact_at(&mut bytes, at).map_err(system(from))?;
        let same = match piece.is_zeros() {
            true => bytes.iter().all(|byte| *byte == 0),
            false => fingerprint(&bytes) == piece.sha256,
        };
        if same { Ok(()) } else { Err(InstallError::Lost { disk: from.to_owned(), at }) }
    })
}

/// Several at once: a processor unpacks or proves one while the network or the disk has another. The first error ends all.
fn each(
    head: &Head<'_>,
    manifest: &Manifest,
    stage: &str,
    work: impl Fn(&Piece, u64) -> Result<(), InstallError> + Sync,
) -> Result<(), InstallError> {
    let starts = manifest.pieces.iter().scan(0, |at, piece| {
        let begins = *at;
        *at += u64::from(piece.bytes);
        Some((piece, begins))
    });
    let (left, done) = (Mutex::new(starts), AtomicU64::new(0));
    let (told, wrong) = (Mutex::new(Instant::now()), Mutex::new(None));
    let one = || {
        while let Some((piece, at)) = next(&left).filter(|_| held(&wrong).is_none()) {
            if let Err(error) = work(piece, at) {
                held(&wrong).get_or_insert(error);
                return;
            }
            let done = done.fetch_add(u64::from(piece.bytes), Ordering::Relaxed) + u64::from(piece.bytes);
            if held(&told).elapsed() > EVERY {
                *held(&told) = Instant::now();
                head.say(&Word { stage: stage.to_owned(), done, total: manifest.bytes, ..Word::default() });
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
    wrong.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Each holds a piece twice, packed and not; more are waited for by the disk.
const THREADS_MAX: usize = 4;

fn next<T>(left: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    held(left).next()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The disk makes them itself where it can.
fn zeros(disk: &File, at: u64, bytes: u32) -> std::io::Result<()> {
    let (from, length) = (i64::try_from(at).unwrap_or(i64::MAX), i64::from(bytes));
    let flags = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if fallocate(disk, flags, from, length).is_ok() {
        return Ok(());
    }
    disk.write_all_at(&vec![0; bytes as usize], at)
}

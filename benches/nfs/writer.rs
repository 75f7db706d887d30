//! What an application with an open file sees of a failover, in the guest of `benches/nfs.sh`. Built by that script with rustc
//! alone, static, for a guest that has nothing but busybox.
//!
//! One thread holds a file open, and locked, and appends a line each 100 ms, with fsync; one makes a new file each 100 ms and
//! removes it. Whatever takes longer than 300 ms is printed when it ends, and whatever fails with its number: all other lines
//! were acknowledged.
//! Usage: writer FOLDER SECONDS

use std::fs::{File, OpenOptions, remove_file};
use std::io::{Error, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
const STALL: Duration = Duration::from_millis(300);

static ERRORS: AtomicU64 = AtomicU64::new(0);

fn timed(what: &str, number: u64, begin: Instant, done: Result<(), Error>) -> bool {
    let took = begin.elapsed();
    if took > STALL {
        println!("STALL {what} {}", took.as_millis());
    }
    if let Err(error) = &done {
        ERRORS.fetch_add(1, Ordering::Relaxed);
        println!("ERROR {what} {number} {error}");
    }
    done.is_ok()
}

fn append(file: &mut File, number: u64) -> Result<(), Error> {
    file.write_all(format!("{number:08}\n").as_bytes())?;
    file.sync_all()
}

fn open_new(folder: &str, number: u64) -> Result<(), Error> {
    let path = format!("{folder}/new-{}", number % 10);
    drop(OpenOptions::new().write(true).create(true).truncate(true).open(&path)?);
    remove_file(path)
}

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().collect();
    let [_, folder, seconds] = words.as_slice() else {
        return Err(Error::other("usage: writer FOLDER SECONDS"));
    };
    let seconds = seconds.parse().map_err(|_| Error::other(format!("SECONDS is no number: {seconds}")))?;
    let ends = Instant::now() + Duration::from_secs(seconds);
    let mut held = File::create(format!("{folder}/held"))?;
    held.lock()?;
    println!("READY");
    let opener = spawn({
        let folder = folder.clone();
        move || {
            for number in 0.. {
                if Instant::now() > ends {
                    return;
                }
                let begin = Instant::now();
                timed("open", number, begin, open_new(&folder, number));
                sleep(TICK);
            }
        }
    });
    let (mut number, mut acknowledged) = (0, 0);
    while Instant::now() < ends {
        let begin = Instant::now();
        let done = append(&mut held, number);
        acknowledged += u64::from(timed("append", number, begin, done));
        number += 1;
        sleep(TICK);
    }
    let _ = opener.join();
    println!("ENDED {number} appended {acknowledged} acknowledged {} errors", ERRORS.load(Ordering::Relaxed));
    Ok(())
}

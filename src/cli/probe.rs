//! `haoscar lab-probe`: the lab's prober, started in a client's network namespace. One JSON list of targets comes
//! in as the first line; JSON lines go out until the input ends.

use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use clap::Args;

use super::{Common, Exit, Failure};
use crate::probe::{self, Line, ProbeTarget};

/// Options of `haoscar lab-probe`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    let targets = targets()?;
    let open = AtomicBool::new(true);
    let (sender, lines) = mpsc::channel();
    std::thread::scope(|scope| {
        // ends with the process: a read of standard input cannot be called back
        std::thread::spawn(move || {
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            CLOSED.store(true, Ordering::Relaxed);
        });
        let still_open = &open;
        scope.spawn(move || print(&lines, still_open));
        probe::run(&targets, &open, &sender);
        drop(sender);
    });
    Ok(Exit::Done)
}

/// Standard input has ended.
static CLOSED: AtomicBool = AtomicBool::new(false);

fn targets() -> Result<Vec<ProbeTarget>, Failure> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|e| Failure::new(Exit::Missing, format!("standard input cannot be read: {e}")))?;
    serde_json::from_str(&line)
        .map_err(|e| Failure::new(Exit::Usage, format!("the first line is no list of probe targets: {e}")))
}

/// Prints until the probes have ended; closes `open` when standard input ends or nobody reads.
fn print(lines: &mpsc::Receiver<Line>, open: &AtomicBool) {
    const LOOK: std::time::Duration = std::time::Duration::from_millis(20);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let first = match lines.recv_timeout(LOOK) {
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            first => first.ok(),
        };
        let said = first.into_iter().chain(lines.try_iter()).try_for_each(|line| say(&mut out, &line));
        if CLOSED.load(Ordering::Relaxed) || said.and_then(|()| out.flush()).is_err() {
            open.store(false, Ordering::Relaxed);
        }
    }
}

fn say(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

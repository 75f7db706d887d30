//! The prober as a process in a client's network namespace, and everything that it has said so far.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::probe::{Answer, Line, ProbeTarget, Sample, monotonic_us};

use super::DrillProblem;

/// More samples of one target than can come in the seconds that are looked back at.
const RECENT_MAX: usize = 1_000;

/// What the prober said.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By target.
    pub(super) samples: BTreeMap<String, Vec<Sample>>,
    /// Acknowledged records.
    pub(super) wrote: Vec<u64>,
    /// When who answered for an address of the group, at each change: microseconds and MAC, by address.
    pub(super) holders: BTreeMap<IpAddr, Vec<(u64, String)>>,
    /// When ticks were left out, and how many.
    pub(super) late: Vec<(u64, u64)>,
    /// Targets that cannot be asked, with the reason.
    pub(super) broken: BTreeMap<String, String>,
}

impl Record {
    fn add(&mut self, line: Line) {
        match line {
            Line::Sample(sample) => self.samples.entry(sample.service.clone()).or_default().push(sample),
            Line::Wrote { record, .. } => self.wrote.push(record),
            Line::Owner { at_us, address, mac } => {
                self.holders.entry(address).or_default().push((at_us, mac));
            }
            Line::Late { at_us, ticks, .. } => self.late.push((at_us, ticks)),
            Line::Broken { service, reason } => drop(self.broken.insert(service, reason)),
        }
    }

    /// Names of targets that did not answer right, without a break, since `since_us`.
    pub(super) fn unwell(&self, targets: &[ProbeTarget], since_us: u64) -> Vec<String> {
        let well = |target: &&ProbeTarget| {
            let samples = self.samples.get(&target.service).map(Vec::as_slice).unwrap_or_default();
            let recent: Vec<&Sample> =
                samples.iter().rev().take(RECENT_MAX).filter(|s| s.asked_us >= since_us).collect();
            let bad = recent.iter().filter(|s| s.answer != Answer::Good).count();
            // one lost probe in twenty is the machine's
            !recent.is_empty() && bad * 20 <= recent.len()
        };
        targets.iter().filter(|t| !well(t)).map(|t| t.service.clone()).collect()
    }
}

/// A running prober. It ends when this is dropped.
pub(super) struct Prober {
    child: Child,
    input: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    record: Arc<Mutex<Record>>,
}

impl Prober {
    /// Starts `argv`, which must be `haoscar lab-probe` in a client's network namespace.
    pub(super) fn start(argv: &[String], targets: &[ProbeTarget]) -> Result<Self, DrillProblem> {
        let problem = |source| DrillProblem::Prober { argv: argv.join(" "), source };
        let (program, arguments) =
            argv.split_first().ok_or_else(|| problem(std::io::ErrorKind::InvalidInput.into()))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(problem)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let record = Arc::<Mutex<Record>>::default();
        let mut prober = Self { child, input, reader: None, record };
        let list = serde_json::to_string(targets).map_err(|e| problem(e.into()))?;
        if let Some(input) = &mut prober.input {
            writeln!(input, "{list}").map_err(problem)?;
        }
        let record = Arc::clone(&prober.record);
        prober.reader = output.map(|output| std::thread::spawn(move || read(output, &record)));
        Ok(prober)
    }

    /// What it said so far.
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, and waits for its last line.
    pub(super) fn end(&mut self) {
        drop(self.input.take());
        let limit = monotonic_us() + 2_000_000;
        while matches!(self.child.try_wait(), Ok(None)) && monotonic_us() < limit {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(output: ChildStdout, record: &Mutex<Record>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str(&line) {
            record.lock().unwrap_or_else(PoisonError::into_inner).add(line);
        }
    }
}

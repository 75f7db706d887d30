//! The loop of a head: waits for a notice or for its timer, looks at the world, puts back what drifted, says one sentence.
//!
//! Level-triggered: what a notice says is not read, and a lost one costs time only. It changes nothing by starting, stopping
//! or being killed; what a kill leaves half done is ended by the next session with this host, its own next cycle too.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use sd_notify::NotifyState;

use super::alerts::Alerts;
use super::cycle::{Memory, Said, cycle};
use super::events::Events;
use super::follow::Follower;
use super::links::Carriers;
use super::notices::{Files, Signals, Units};
use super::serve::{Place, serve};
use super::{WatchProblem, system, tell, wake};
use crate::desired::Accepted;
use crate::host::{CYCLE, EVENTS, accepted_here};
use crate::observed::{Reason, Word};

/// Held by the one loop of a host.
const LOCK: &str = "/run/haoscar/loop.lock";

/// A world that is in step, or that waits for a person, is looked at again after this time, for what gives no notice.
const QUIET_MS: u64 = 300_000;

/// A world that waits for something is looked at sooner.
const WAITING_MS: u64 = 5_000;

/// An editor writes a file in several steps: this long after the last notice it is done.
const SETTLED_MS: u64 = 50;

/// And so long after the first one it is looked at anyway.
const SETTLED_MAX: Duration = Duration::from_millis(500);

/// systemd kills the loop when it has not heard from it for two minutes (its unit): half of that, and a slow cycle fits.
const ALIVE_MS: u64 = 30_000;

/// Runs until it is told to end. `metrics`: where what it says of itself is served.
///
/// # Errors
/// Something that it needs is not there; nothing is looked at then.
pub fn run(metrics: Option<&Place>, say: &'static (dyn Fn(&str) + Sync)) -> Result<(), WatchProblem> {
    let kernel = |subject| move |error: nix::errno::Errno| system(subject)(error.into());
    std::fs::create_dir_all("/run/haoscar").map_err(system("/run/haoscar"))?;
    let lock = std::fs::File::create(LOCK).map_err(system(LOCK))?;
    lock.try_lock().map_err(|_| WatchProblem::Taken)?;
    let mut signals = Signals::hold().map_err(kernel("signals"))?;
    let units = Units::listen(move |text| say(text)).map_err(kernel("an event descriptor"))?;
    let mut turn = Turn::new(say);
    let follower = Follower::start(turn.events.clone()).map_err(kernel("an event descriptor"))?;
    let alerts = Alerts::listen();
    metrics.map_or(Ok(()), serve).map_err(system("--metrics"))?;
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        let (accepted, files) = turn.watched(&units).map_err(kernel("inotify"))?;
        let mut carriers = Carriers::here();
        let said = turn.look(accepted.as_ref());
        let known = accepted.as_ref().is_none_or(|accepted| turn.publish(accepted));
        let quiet = known && matches!(said, Word::InStep | Word::Degraded);
        let wait_ms = if quiet { QUIET_MS } else { WAITING_MS };
        let mut notices = Notices {
            files: &files,
            units: &units,
            signals: &mut signals,
            alerts: &alerts,
            carriers: &mut carriers,
        };
        let notice = notices.until(wait_ms);
        for (node, sentence) in alerts.take() {
            turn.event(accepted.as_ref(), Reason::Engine, &node, &sentence);
        }
        match notice {
            Notice::End => return Ok(()), // between two cycles: nothing is half done
            Notice::Called => follower.wake(true),
            Notice::Changed => follower.wake(false), // the engine names another commit, or this head leads now
            Notice::Time => {}
        }
    }
}

/// What stays over cycles.
struct Turn {
    begin: Instant,
    events: Arc<Mutex<Events>>,
    memory: Memory,
    last: Option<Said>,
    generation: u64,
    healed: u64,
    say: &'static (dyn Fn(&str) + Sync),
}

impl Turn {
    fn new(say: &'static (dyn Fn(&str) + Sync)) -> Self {
        let events = Arc::new(Mutex::new(Events::at(Utf8Path::new(EVENTS), say)));
        Self {
            begin: Instant::now(),
            events,
            memory: Memory::default(),
            last: None,
            generation: 0,
            healed: 0,
            say,
        }
    }

    /// What this host must be now, with notices of it: made before it is looked at, so that no change falls in between.
    fn watched(&mut self, units: &Units) -> nix::Result<(Option<Accepted>, Files)> {
        let accepted = accepted_here().unwrap_or_else(|error| {
            (self.say)(&error.to_string());
            None
        });
        let generation = accepted.as_ref().map_or(0, |accepted| accepted.generation);
        if generation != self.generation {
            self.memory.patience.forget(); // what failed may go well now
        }
        self.generation = generation;
        units.only(accepted.as_ref());
        let files = Files::of(accepted.as_ref())?;
        Ok((accepted, files))
    }

    fn look(&mut self, accepted: Option<&Accepted>) -> Word {
        let now_ms = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let said = match accepted {
            Some(accepted) => cycle(accepted, &mut self.memory, now_ms),
            None => nothing(),
        };
        self.tell(accepted, &said);
        if said.word == Word::Healed {
            self.healed += said.objects.len() as u64;
        }
        let shown = said.clone().cycle(accepted, self.healed);
        replace(CYCLE, &shown);
        let _ = sd_notify::notify(&[NotifyState::Status(&shown.sentence)]);
        let word = said.word;
        self.last = Some(said);
        word
    }

    fn event(&self, accepted: Option<&Accepted>, reason: Reason, object: &str, text: &str) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).tell(accepted, reason, object, text);
    }

    /// Whether the other members know what this host has, if there is an engine that could tell them.
    fn publish(&self, accepted: &Accepted) -> bool {
        !self.memory.answers || tell::publish(&accepted.host, accepted.generation).is_ok()
    }

    /// What is new is told, once.
    fn tell(&self, accepted: Option<&Accepted>, said: &Said) {
        if said.word == Word::Healed {
            for object in &said.objects {
                let text = format!("{object} was put back as generation {} has it", self.generation);
                self.event(accepted, Reason::Healed, object, &text);
            }
            return;
        }
        if self.last.as_ref().is_some_and(|last| last.sentence == said.sentence) {
            return;
        }
        let reason = match (said.word, &self.last) {
            (Word::InStep, None) => Reason::Started,
            (Word::InStep, _) => Reason::InStep,
            _ => Reason::Drift,
        };
        self.event(accepted, reason, said.objects.first().map_or("", String::as_str), &said.sentence);
    }
}

fn nothing() -> Said {
    let sentence = "nothing was applied here yet".to_owned();
    Said { word: Word::Waits, sentence, objects: Vec::new(), leads: false }
}

/// Why the loop looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// It does not: it must end.
    End,
    /// SIGHUP.
    Called,
    /// Something has changed.
    Changed,
    /// Its time has come.
    Time,
}

/// All that wakes the loop but its timer.
struct Notices<'a> {
    files: &'a Files,
    units: &'a Units,
    signals: &'a mut Signals,
    alerts: &'a Alerts,
    carriers: &'a mut Carriers,
}

impl Notices<'_> {
    /// Waits so long for a notice; whether one matters, and what a signal asks for.
    fn wait(&mut self, limit_ms: u64) -> (bool, Option<Notice>) {
        let mut sources = vec![self.files.as_fd(), self.units.as_fd(), self.signals.as_fd()];
        let (alerts, carriers) = (self.alerts.source(), self.carriers.source());
        sources.extend(alerts);
        sources.extend(carriers);
        let woken = wake::wait(&sources, limit_ms);
        let alerted = alerts.is_some() && woken[3];
        let carried = carriers.is_some() && woken[woken.len() - 1];
        if woken[2] {
            let (ends, called) = self.signals.drain();
            if ends || called {
                return (false, Some(if ends { Notice::End } else { Notice::Called }));
            }
        }
        let mut matters = woken[0] && self.files.drain();
        if woken[1] {
            self.units.drain();
            matters = true;
        }
        if alerted {
            self.alerts.drain();
            matters = true;
        }
        (matters | (carried && self.carriers.drain()), None)
    }

    /// Waits for a notice that matters, and until no more come for a moment.
    fn until(&mut self, wait_ms: u64) -> Notice {
        let begin = Instant::now();
        let mut first: Option<Instant> = None;
        loop {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            let waited = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            let left = wait_ms.saturating_sub(waited);
            let limit = if first.is_some() { SETTLED_MS } else { left.min(ALIVE_MS) };
            let (matters, asked) = self.wait(limit);
            if let Some(asked) = asked {
                return asked;
            }
            first = first.or(matters.then(Instant::now));
            let quiet = !matters && first.is_some();
            if quiet || first.is_some_and(|first| first.elapsed() > SETTLED_MAX) || left == 0 {
                return if first.is_some() { Notice::Changed } else { Notice::Time };
            }
        }
    }
}

/// For `haoscar status`; gone with each boot.
pub(super) fn replace(path: &str, said: &impl serde::Serialize) {
    let text = serde_json::to_string(said).unwrap_or_default(); // strings and numbers: it cannot fail
    let new = format!("{path}.new");
    let _ = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
}

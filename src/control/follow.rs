//! The head that leads hands out turns: a host that was away is brought to what is accepted, and where the spec names a
//! repository its newest commit is judged, and rolled out when nothing speaks against it. The other heads do neither.
//!
//! A thread of its own, since a fetch or a roll-out takes its time and drift must not wait for it. [`super::tip`] decides;
//! what is remembered over a failover (the accepted commit, a hold) lies in the engine.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::arrivals::Arrivals;
use super::cycle::{self, Ground};
use super::events::Events;
use super::knock::Knock;
use super::patience::{Advice, Patience};
use super::rollout::{self, Outcome};
use super::tip::{Seen, standing};
use super::{believe, tell, wake};
use crate::apply::{self, Crew};
use crate::desired::{Accepted, HostName};
use crate::engines::alive::{Alive, PLANNED_MS, against};
use crate::engines::pacemaker::{self, Hold};
use crate::history::{Followed, Tip, short};
use crate::host::{FOLLOWS, Real, accepted_here, unconfirmed_seconds, undecided};
use crate::observed::{Following, Reason, Standing};
use crate::spec::{self, Rollout, Source};

/// Below it lie the copy and the spec that is rolled out.
pub(super) const FOLDER: &str = "/var/lib/haoscar/follow";

/// Where nothing is accepted: a wake comes when that changes, and this is for one that was lost.
const IDLE_MS: u64 = 300_000;

/// Which head leads, and whether a member is behind, is known after this time at the latest.
const LEADS_MS: u64 = 60_000;

/// An apply that has just ended has told every member, and they say so a moment later.
const BEHIND: Duration = Duration::from_secs(15);

/// What waits for the cluster is looked at so often.
const WAITING_MS: u64 = 10_000;

/// Somebody else applies, or something waits for its confirmation.
const BUSY: Duration = Duration::from_secs(30);

/// Several notices come at once.
const SETTLED: Duration = Duration::from_millis(200);

/// Wakes the thread.
#[derive(Debug)]
pub struct Follower {
    woken: Arc<EventFd>,
    called: Arc<AtomicBool>,
}

impl Follower {
    /// Starts it.
    ///
    /// # Errors
    /// The kernel has no event descriptor.
    pub fn start(events: Arc<Mutex<Events>>) -> nix::Result<Self> {
        let woken = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let called = Arc::new(AtomicBool::new(false));
        let (bell, ask) = (woken.clone(), called.clone());
        std::thread::spawn(move || {
            let mut turn = Turn::new(events);
            let mut arrivals = Arrivals::default();
            loop {
                let wait_ms = turn.look(ask.swap(false, Ordering::Relaxed));
                let (bell_too, ask_too) = (bell.clone(), ask.clone());
                arrivals.watch(turn.source.as_ref(), move || {
                    ask_too.store(true, Ordering::Relaxed);
                    let _ = bell_too.write(1);
                });
                if wake::wait(&[bell.as_fd()], wait_ms)[0] {
                    std::thread::sleep(SETTLED);
                    arrivals.settle();
                    let _ = bell.read();
                }
            }
        });
        Ok(Self { woken, called })
    }

    /// Something may have changed; `called`: a person or a webhook says that there is a new commit.
    pub fn wake(&self, called: bool) {
        self.called.fetch_or(called, Ordering::Relaxed);
        let _ = self.woken.write(1);
    }
}

/// What is known of the branch.
struct Turn {
    begin: Instant,
    copy: Followed,
    events: Arc<Mutex<Events>>,
    shown: Option<Following>,
    judged: believe::Judged,
    fetched: Option<Instant>,
    unreachable: Option<String>,
    /// With commits.
    patience: Patience,
    /// With members that are behind.
    turns: Patience,
    /// With nodes that were away.
    nodes: Patience,
    knock: Knock,
    /// Not before then, and why.
    later: Option<(Instant, String)>,
    /// What is followed by this head now.
    source: Option<Source>,
    /// A member with an older generation, which one, and since when that is so.
    behind: Option<((HostName, u64), Instant)>,
}

/// All that one look needs.
struct World<'a> {
    accepted: &'a Accepted,
    ground: Ground,
    named: (u64, Option<String>),
}

impl Turn {
    fn new(events: Arc<Mutex<Events>>) -> Self {
        let copy = Followed::under(&Utf8Path::new(FOLDER).join("copy.git"));
        // an earlier loop of this boot has told what it says
        let shown = std::fs::read(FOLLOWS).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            begin: Instant::now(),
            copy,
            events,
            shown,
            judged: believe::Judged::default(),
            fetched: None,
            unreachable: None,
            patience: Patience::default(),
            turns: Patience::default(),
            nodes: Patience::default(),
            knock: Knock::default(),
            later: None,
            source: None,
            behind: None,
        }
    }

    /// One look; the milliseconds until the next.
    fn look(&mut self, called: bool) -> u64 {
        let Some(accepted) = accepted_here().ok().flatten() else { return self.nothing(IDLE_MS) };
        let mut crew = Crew::here(&accepted.host);
        let ground = cycle::ground(&accepted, &mut crew);
        let named = ground.cib.as_deref().map(pacemaker::accepted).filter(|_| ground.leads);
        let Some(named) = named else { return self.nothing(LEADS_MS) };
        if called {
            (self.patience, self.turns, self.later) = (Patience::default(), Patience::default(), None);
            (self.nodes, self.knock) = (Patience::default(), Knock::default());
        }
        let world = World { accepted: &accepted, ground, named };
        if let Some(wait_ms) = self.catch_up(&world).or_else(|| self.fetch_nodes(&world)) {
            return wait_ms;
        }
        if self.source != accepted.policy.source {
            self.source.clone_from(&accepted.policy.source);
            self.fetched = None; // what was fetched is of another one
        }
        let wait_ms = match &accepted.policy.source {
            Some(source) => self.follow(&world, source, &mut crew, called),
            None => self.nothing(LEADS_MS),
        };
        let soon = self.behind.as_ref().is_some_and(|(_, since)| since.elapsed() < BEHIND);
        wait_ms.min(if soon { WAITING_MS } else { LEADS_MS })
    }

    /// A member that was away when something was accepted has its turn now. The milliseconds until the next look; none: it was
    /// nobody's turn, and a newer commit need not wait for one that fails.
    fn catch_up(&mut self, world: &World<'_>) -> Option<u64> {
        let behind = behind(world);
        let since = match (&self.behind, &behind) {
            (Some((known, since)), Some(found)) if known == found => *since,
            _ => Instant::now(),
        };
        self.behind = behind.clone().map(|behind| (behind, since));
        let (host, has) = behind?;
        let (accepted, named) = (world.accepted, world.named.0);
        let objects = [format!("{host} {named}")];
        let now_ms = ms(self.begin.elapsed());
        if since.elapsed() < BEHIND
            || self.turns.advice(&objects, now_ms) != Advice::Try
            || rollout::at_work()
        {
            return None;
        }
        let text = format!("{host} has generation {has}, and is brought to what is accepted");
        self.tell(accepted, Reason::RollOut, &host, &text);
        if let Some(why) = hinders(|| arrived(&host, named)) {
            self.turns.failed(&objects, now_ms, cycle::jitter());
            self.tell(accepted, Reason::Waits, &host, &format!("{host} keeps generation {has}: {why}"));
        }
        Some(1)
    }

    /// The same for a node: it runs no loop, so that nobody but an apply brings it what it has missed.
    fn fetch_nodes(&mut self, world: &World<'_>) -> Option<u64> {
        let (accepted, named) = (world.accepted, world.named.0);
        let now_ms = ms(self.begin.elapsed());
        let names: Vec<_> = accepted.away.iter().cloned().collect();
        if names.is_empty()
            || !may_change_nodes(world)
            || !self.knock.is_due()
            || self.nodes.advice(&names, now_ms) != Advice::Try
            || rollout::at_work()
        {
            return None;
        }
        let back = self.knock.at(&names)?;
        let text = format!("{back} was away, and is brought to what is accepted");
        self.tell(accepted, Reason::RollOut, &back, &text);
        if let Some(why) = hinders(|| !away_now().contains(&back)) {
            self.nodes.failed(&names, now_ms, cycle::jitter());
            let text = format!("{back} is not as generation {named} asks: {why}");
            self.tell(accepted, Reason::Waits, &back, &text);
        }
        Some(1)
    }

    fn follow(&mut self, world: &World<'_>, source: &Source, crew: &mut Crew, called: bool) -> u64 {
        let (accepted, every) = (world.accepted, source.every.as_duration());
        if called || self.fetched.is_none_or(|at| at.elapsed() >= every) {
            self.unreachable = self.copy.fetch(source).err().map(|error| error.to_string());
            self.fetched = Some(Instant::now());
        }
        match self.decide(world, source) {
            Ok(following) => self.show(accepted, following),
            Err(tip) => return self.roll_out(accepted, source, &tip, crew),
        }
        let next = self.fetched.map_or(every, |at| every.saturating_sub(at.elapsed()));
        let waits = self.shown.as_ref().is_some_and(|shown| shown.standing == Standing::Waits);
        let policy = &accepted.policy;
        let soon = waits && policy.rollout == Rollout::Auto && policy.shut(now()).is_none();
        if soon { ms(next).min(WAITING_MS) } else { ms(next).max(1) }
    }

    /// How the newest commit stands; the commit itself where it is to be rolled out now.
    fn decide(&mut self, world: &World<'_>, source: &Source) -> Result<Following, Tip> {
        let World { accepted, ground, named } = world;
        let tip = self.copy.tip();
        if let Some(why) = &self.unreachable {
            let commit = tip.map(|tip| tip.commit).unwrap_or_default();
            let sentence = format!("{} cannot be fetched: {why}", source.place());
            return Ok(Following { commit, standing: Standing::Unreachable, sentence });
        }
        let Some(tip) = tip else {
            let sentence = format!("{} has no commit on {}", source.place(), source.name());
            return Ok(Following { commit: String::new(), standing: Standing::Unreachable, sentence });
        };
        let is_accepted = named.1.as_ref().is_some_and(|commit| tip.commit.starts_with(commit));
        let doubt = if is_accepted {
            None
        } else {
            self.judged.doubt(&self.copy, accepted, named.1.as_deref(), &tip)
        };
        if doubt.is_none() && self.copy.believed().as_ref() != Some(&tip.commit) {
            let _ = self.copy.believe(&tip.commit); // without it a rewritten branch is found by the accepted commit
        }
        let seen = Seen {
            named: format!("commit {} of {}", tip.short, source.name()),
            commit: tip.commit.clone(),
            accepted: is_accepted.then_some(named.0),
            doubt,
            held: ground.cib.as_deref().and_then(pacemaker::held),
            rollout: accepted.policy.rollout,
            shut: accepted.policy.shut(now()),
            against: self.against(world, &tip),
        };
        standing(&seen).ok_or(tip)
    }

    /// What speaks against a roll-out now, beside the commit itself.
    fn against(&mut self, world: &World<'_>, tip: &Tip) -> Vec<String> {
        let World { accepted, ground, named } = world;
        let mut found = Vec::new();
        if let Some(seconds) = unconfirmed_seconds(&Real::under("/")) {
            found.push(format!("a change waits {seconds} s for `haoscar confirm`"));
        }
        if named.0 != accepted.generation {
            let own = accepted.generation;
            found.push(format!("generation {} is accepted and this head has {own}", named.0));
        }
        match (&ground.engine, accepted.engine.as_ref()) {
            (Some(state), Some(engine)) => {
                let whole = Alive::of(&accepted.host, accepted.group.as_deref().unwrap_or_default(), engine);
                found.extend(against(&whole, state, PLANNED_MS));
            }
            _ => found.push("the engine does not answer".to_owned()),
        }
        if let Some((until, why)) = &self.later
            && Instant::now() < *until
        {
            found.push(why.clone());
        }
        let now_ms = ms(self.begin.elapsed());
        match self.patience.advice(std::slice::from_ref(&tip.commit), now_ms) {
            Advice::Try => {}
            Advice::Later(ms) => found.push(format!("it is tried again in {} s", ms.div_ceil(1_000))),
            Advice::Leave(why) => found.push(format!("{why}; `systemctl reload haoscar` tries again")),
        }
        if found.is_empty() && rollout::at_work() {
            found.push("its roll-out is at work".to_owned());
        }
        found
    }

    /// Has the commit rolled out, and waits for the end. The milliseconds until the next look.
    fn roll_out(&mut self, accepted: &Accepted, source: &Source, tip: &Tip, crew: &mut Crew) -> u64 {
        let named = format!("commit {} of {}", tip.short, source.name());
        let text = format!("{named} is being rolled out: {} ({})", tip.subject, tip.author);
        self.tell(accepted, Reason::RollOut, &tip.short, &text);
        let commit = tip.commit.clone();
        self.keep(Some(Following { commit, standing: Standing::Waits, sentence: text }));
        match rollout::run(&self.copy, &tip.commit, &source.path) {
            Outcome::Done => self.patience = Patience::default(),
            Outcome::Busy(why) => self.later = Some((Instant::now() + BUSY, why)),
            Outcome::Unreachable(why) => {
                let now_ms = ms(self.begin.elapsed());
                self.patience.failed(std::slice::from_ref(&tip.commit), now_ms, cycle::jitter());
                self.later = Some((Instant::now() + BUSY, why));
            }
            Outcome::Failed(why) => hold_if_it_could_not(accepted, tip, &why, crew),
        }
        1 // the world is another one now
    }

    /// Nothing is followed here.
    fn nothing(&mut self, wait_ms: u64) -> u64 {
        self.fetched = None;
        self.source = None;
        self.keep(None);
        wait_ms
    }

    fn show(&mut self, accepted: &Accepted, following: Following) {
        let reason = match following.standing {
            Standing::InStep => Reason::InStep,
            Standing::Waits => Reason::Waits,
            Standing::Held => Reason::Held,
            Standing::Refused => Reason::Refused,
            Standing::Unreachable => Reason::Unreachable,
        };
        let new =
            |shown: &Following| shown.standing != following.standing || shown.commit != following.commit;
        if self.shown.as_ref().is_none_or(new) {
            self.tell(accepted, reason, short(&following.commit), &following.sentence);
        }
        self.keep(Some(following));
    }

    fn tell(&self, accepted: &Accepted, reason: Reason, object: &str, text: &str) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).tell(Some(accepted), reason, object, text);
    }

    /// For `haoscar status`, and for an apply by hand, which must know the newest commit.
    fn keep(&mut self, following: Option<Following>) {
        match &following {
            Some(_) if following == self.shown => {}
            Some(said) => super::daemon::replace(FOLLOWS, said),
            None => drop(std::fs::remove_file(FOLLOWS)),
        }
        self.shown = following;
    }
}

/// Has what is accepted applied once more for a host that is back; why it is not there all the same.
fn hinders(is_there: impl FnOnce() -> bool) -> Option<String> {
    match rollout::again() {
        Outcome::Done if is_there() => None,
        Outcome::Done => Some("it was not reached (root's ssh from this head to it)".to_owned()),
        Outcome::Busy(why) | Outcome::Unreachable(why) | Outcome::Failed(why) => Some(why),
    }
}

/// Hosts are brought to what is accepted never while somebody holds the engine still.
fn may_bring(world: &World<'_>) -> bool {
    let still = world.ground.engine.as_ref().is_none_or(|state| state.maintenance);
    !still && world.accepted.policy.heal == spec::Heal::Auto
}

/// Healing nodes leads to the generation that the engine names.
fn may_change_nodes(world: &World<'_>) -> bool {
    may_bring(world) && world.named.0 == world.accepted.generation
}

/// Nodes that are still away, as this head has been told now.
fn away_now() -> BTreeSet<HostName> {
    accepted_here().ok().flatten().map(|accepted| accepted.away).unwrap_or_default()
}

/// The first member that is there with an older generation than the accepted one, if it may be changed without a person. This
/// head before others: it may have come to lead after its session with the one that applied was lost.
fn behind(world: &World<'_>) -> Option<(HostName, u64)> {
    let World { accepted, ground, named } = world;
    let state = ground.engine.as_ref().filter(|_| may_bring(world))?;
    if accepted.generation != named.0 {
        let own = (accepted.host.clone(), accepted.generation);
        return Some(own).filter(|(_, has)| *has < named.0 && !undecided(&Real::under("/")));
    }
    let there = |name: &HostName| state.nodes.get(name).is_some_and(|node| node.online && !node.unclean);
    let known = tell::published().unwrap_or_default();
    known.into_iter().find(|(name, generation)| *generation < named.0 && there(name))
}

/// Whether a member says before long that it has this generation, or a higher one.
fn arrived(host: &str, generation: u64) -> bool {
    let has = || tell::published().is_ok_and(|known| known.get(host).is_some_and(|has| *has >= generation));
    (0..BEHIND.as_secs()).any(|second| {
        std::thread::sleep(Duration::from_secs(second.min(1)));
        has()
    })
}

/// `haoscar apply` has the engine hold what it could not roll out; one that was killed could not say so.
fn hold_if_it_could_not(accepted: &Accepted, tip: &Tip, why: &str, crew: &mut Crew) {
    let cib = apply::read_cib(crew, &accepted.host).unwrap_or_default();
    let is_accepted = pacemaker::accepted(&cib).1.is_some_and(|commit| tip.commit.starts_with(&commit));
    if is_accepted || pacemaker::held(&cib).is_some_and(|hold| hold.holds(&tip.commit)) {
        return;
    }
    let hold = Hold { commit: tip.commit.clone(), refused: true, why: why.to_owned() };
    let _ = apply::hold(crew, &accepted.host, Some(&hold)); // then it is tried again, and fails or not
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// By the clock on the wall: windows are people's.
fn now() -> jiff::civil::DateTime {
    jiff::ZonedDateTime::now().datetime()
}

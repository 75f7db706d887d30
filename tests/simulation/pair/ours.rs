//! haoscar on one head: the mender and the recovery policy. Here is only what looks and acts; what is decided is the real
//! code's, by way of [`Rules`](crate::simulation::rules::Rules).

use haoscar::control::duty::{Ground, Read};
use haoscar::engines::heartbeat::{Hang, Mend, Pair as Known, Seen};
use haoscar::recovery::{Action, Event, Fact, Phase, State};

use super::heartbeat::{self, Hold};
use super::{Is, Pair};

const LOOK_MS: u64 = 2_000;

pub struct Ours {
    hang: Hang,
    next_look: u64,
    /// Kept in a file: what is killed and comes back knows it.
    pub states: Vec<State>,
    dead: Vec<u32>,
    watched: Vec<u32>,
    /// A start under way, until then.
    pub starting: Vec<Option<u64>>,
    away_until: u64,
    /// All restarts, and when the group went because of a unit.
    restarts: Vec<Vec<u64>>,
    went: Vec<Vec<u64>>,
}

impl Ours {
    pub fn new(units: usize) -> Self {
        Self {
            hang: Hang::default(),
            next_look: 0,
            states: vec![State::default(); units],
            dead: vec![0; units],
            watched: vec![0; units],
            starting: vec![None; units],
            away_until: 0,
            restarts: vec![Vec::new(); units],
            went: vec![Vec::new(); units],
        }
    }

    /// Killed, and started again by systemd then. A start under way goes on: it is systemd's.
    pub fn killed(&mut self, until: u64) {
        self.away_until = until;
        self.hang = Hang::default();
        self.dead.fill(0);
        self.watched.fill(0);
    }
}

pub fn tick(world: &mut Pair, me: usize) {
    let now = world.now;
    if !world.heads[me].works(now) {
        return;
    }
    for unit in 0..world.policies.len() {
        end_start(world, me, unit);
    }
    if now < world.heads[me].ours.away_until {
        return;
    }
    if now >= world.heads[me].ours.next_look {
        world.heads[me].ours.next_look = now + LOOK_MS;
        mend(world, me);
    }
    for unit in 0..world.policies.len() {
        watch(world, me, unit);
        recover(world, me, unit);
    }
}

/// As `control::mend` looks.
fn mend(world: &mut Pair, me: usize) {
    let now = world.now;
    let known = Known {
        made_by: String::new(),
        peer: "other".to_owned(),
        preferred: me == 0,
        resource: "group".to_owned(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        units: Vec::new(),
    };
    let (head, other) = (&world.heads[me], &world.heads[1 - me]);
    let hold = head.engine.hold;
    let answers = other.up && other.address && world.linked();
    let seen = if head.address || !head.engine.runs {
        Seen::Well
    } else if world.rules.claims(&known, hold.word()) {
        Seen::Claimed
    } else if hold == Hold::Transition && head.engine.peer_active(now) {
        Seen::Undecided
    } else {
        Seen::Well
    };
    let seen = if head.engine.work.is_some() || answers { Seen::Well } else { seen };
    let rules = world.rules;
    let Some(mend) = rules.look(&mut world.heads[me].ours.hang, seen, now) else { return };
    if world.heads[me].engine.coming.is_some() {
        world.wrong(format!("{mend:?} in the middle of what heartbeat does itself"));
    }
    match mend {
        Mend::Take => {
            world.heads[me].engine.hangs = false;
            heartbeat::begin_start(world, me);
        }
        Mend::Ask => heartbeat::take_over(world, me),
    }
}

/// A pidfd: it tells of the end of a process that was seen running.
fn watch(world: &mut Pair, me: usize, unit: usize) {
    let head = &mut world.heads[me];
    let is = &head.units[unit];
    let watched = head.ours.watched[unit];
    if watched != 0 && (is.pid != watched || !is.runs()) {
        (head.ours.dead[unit], head.ours.watched[unit]) = (watched, 0);
    }
    if is.is == Is::Running {
        head.ours.watched[unit] = is.pid;
    }
}

fn ground(world: &Pair, me: usize) -> Ground {
    let head = &world.heads[me];
    Ground { engine: head.engine.runs, here: head.address, busy: head.engine.work.is_some() }
}

fn recover(world: &mut Pair, me: usize, unit: usize) {
    let (rules, now) = (world.rules, world.now);
    let ground = ground(world, me);
    let head = &world.heads[me];
    let (mut said, state) = (head.units[unit].said(), head.ours.states[unit].clone());
    said.job |= head.ours.starting[unit].is_some();
    let read = Read { unit: &said, dead: head.ours.dead[unit], engine_stops: head.units[unit].marked() };
    let Some(event) = rules.event(ground, read, state.phase()) else { return };
    if event == Event::Failed && state.phase() != Phase::Restarting && head.units[unit].ordered {
        world.wrong(format!("unit {unit}: an ordered stop counts as a failure"));
    }
    if event != Event::Ended {
        world.heads[me].ours.dead[unit] = 0;
    }
    if (state.phase(), event) == (Phase::FailingOver, Event::Left) {
        went(world, me, unit);
    }
    if (state.phase(), event) == (Phase::Restarting, Event::Left) {
        world.heads[me].ours.starting[unit] = None; // as `control::keep` withdraws it
        world.heads[me].units[unit].stop(now, 50, false, false);
    }
    take(world, (me, unit), event);
    if world.heads[me].ours.states[unit].phase() == Phase::Alert && event != Event::Ended {
        world.wrong(format!("unit {unit}: alert though {event:?} was known at {now}"));
    }
}

fn take(world: &mut Pair, (me, unit): (usize, usize), event: Event) {
    let policy = world.policies[unit].clone();
    let fact = Fact { at_ms: world.now, event };
    let (next, action) = world.rules.step(&world.heads[me].ours.states[unit], fact, &policy);
    world.heads[me].ours.states[unit] = next;
    match action {
        Action::Restart => restart(world, me, unit),
        Action::FailOver if world.heads[me].engine.peer_active(world.now) => heartbeat::give_away(world, me),
        Action::FailOver => take(world, (me, unit), Event::Stayed),
        Action::Nothing | Action::Alert | Action::Stop => {}
    }
}

fn restart(world: &mut Pair, me: usize, unit: usize) {
    let (now, until) = (world.now, world.now + world.chance.between(20, 600));
    let truth = ground(world, me);
    if !truth.engine || !truth.here || truth.busy {
        world.wrong(format!("unit {unit} is started by us where it may not be: {truth:?}"));
    }
    let policy = &world.policies[unit];
    let (many, within) = (policy.restarts as usize, policy.within.as_millis());
    let ours = &mut world.heads[me].ours;
    ours.starting[unit] = Some(until);
    ours.restarts[unit].push(now);
    let counted = ours.restarts[unit].iter().filter(|at| **at + within > now).count();
    if counted > many {
        world.wrong(format!("unit {unit}: {counted} restarts within {within} ms, {many} are allowed"));
    }
}

fn end_start(world: &mut Pair, me: usize, unit: usize) {
    let now = world.now;
    if world.heads[me].ours.starting[unit].is_none_or(|at| now < at) {
        return;
    }
    world.heads[me].ours.starting[unit] = None;
    if world.heads[me].units[unit].runs() {
        return; // somebody was quicker
    }
    if !world.quiet && world.chance.one_in(6) {
        world.heads[me].units[unit].fail_to_start(now);
    } else {
        world.start(me, unit);
    }
}

fn went(world: &mut Pair, me: usize, unit: usize) {
    let (now, within) = (world.now, world.policies[unit].within.as_millis());
    let went = &mut world.heads[me].ours.went[unit];
    let again = went.last().is_some_and(|at| at + within > now);
    went.push(now);
    if again {
        world.wrong(format!("the group went twice within {within} ms because of unit {unit}"));
    }
}

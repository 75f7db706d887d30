//! heartbeat, played: who it thinks is alive, whom it shoots, and how the group is handed over, half way at times.
//!
//! It never makes two owners by itself: a head that is silent is shot before its group is taken.

use super::Pair;

const DEAD_MS: u64 = 1_100;
const INITIAL_MS: u64 = 10_000;

/// heartbeat's word for what its head holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    None,
    All,
    Transition,
}

impl Hold {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
            Self::Transition => "transition",
        }
    }
}

/// What its scripts are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Start { step: usize, at: u64 },
    Stop { step: usize, at: u64, then: Then },
}

/// What follows a stop of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    HandOver,
    End,
}

#[derive(Debug)]
pub struct Engine {
    pub runs: bool,
    /// It is being stopped in order, or was.
    in_order: bool,
    /// When somebody sees to it that it runs again.
    back_at: u64,
    pub hold: Hold,
    pub work: Option<Work>,
    /// A message on its way, after which it starts the group.
    pub coming: Option<u64>,
    /// A message was lost: nothing will follow by itself.
    pub hangs: bool,
    heard: u64,
    /// Shooting the other head, until then.
    pub shooting: Option<u64>,
    pub peer_dead: bool,
    both_none_since: Option<u64>,
}

impl Engine {
    /// Fresh, at that time: the other head may speak as late as this.
    pub fn booted(now: u64) -> Self {
        Self {
            runs: true,
            in_order: false,
            back_at: 0,
            hold: Hold::None,
            work: None,
            coming: None,
            hangs: false,
            heard: now + INITIAL_MS - DEAD_MS,
            shooting: None,
            peer_dead: false,
            both_none_since: None,
        }
    }

    /// Nothing of it is under way.
    fn idle(&self) -> bool {
        self.work.is_none() && self.coming.is_none() && self.shooting.is_none()
    }

    /// It sees the other head well.
    pub fn peer_active(&self, now: u64) -> bool {
        !self.peer_dead && self.shooting.is_none() && now < self.heard + DEAD_MS
    }
}

pub fn tick(world: &mut Pair, me: usize) {
    if !world.heads[me].works(world.now) {
        return;
    }
    if !world.heads[me].engine.runs {
        return come_back(world, me);
    }
    listen(world, me);
    shoot(world, me);
    go_on(world, me);
    begin_where_nobody_has_it(world, me);
}

fn come_back(world: &mut Pair, me: usize) {
    let (now, back) = (world.now, world.heads[me].engine.back_at);
    if now >= back && world.heads[me].engine.in_order {
        world.heads[me].engine = Engine::booted(now);
    } else if now >= back {
        world.power_off(me); // nobody has shot it, so a person does
    }
}

fn listen(world: &mut Pair, me: usize) {
    let now = world.now;
    let other = &world.heads[1 - me];
    let speaks = other.works(now) && other.engine.runs && world.linked();
    if speaks && now >= world.heads[me].deaf_until {
        let late = if world.quiet { 0 } else { world.chance.between(0, 300) };
        let engine = &mut world.heads[me].engine;
        engine.heard = engine.heard.max(now.saturating_sub(late));
        engine.peer_dead = false;
    }
    let stopped = other_stopped_in_order(world, me);
    let (delay, device) = (world.chance.between(100, 2_000), if me == 1 { 3_000 } else { 0 });
    let engine = &mut world.heads[me].engine;
    if now >= engine.heard + DEAD_MS && !engine.peer_dead && !stopped {
        engine.peer_dead = true;
        engine.shooting = Some(now + delay + device); // the preferred head is shot later
    }
}

/// A head that left in order said so, and is not shot for its silence.
fn other_stopped_in_order(world: &Pair, me: usize) -> bool {
    let other = &world.heads[1 - me];
    other.up && !other.engine.runs && other.engine.in_order
}

fn shoot(world: &mut Pair, me: usize) {
    let due = world.heads[me].engine.shooting.is_some_and(|at| world.now >= at);
    if !due || !world.fence_answers() {
        return;
    }
    if world.heads[1 - me].up {
        world.power_off(1 - me);
    }
    let (hangs, soon) = (is_lost(world), world.now + world.chance.between(100, 400));
    let engine = &mut world.heads[me].engine;
    (engine.shooting, engine.peer_dead) = (None, true);
    if engine.hold != Hold::All {
        engine.hold = Hold::All;
        (engine.coming, engine.hangs) = if hangs { (None, true) } else { (Some(soon), false) };
    }
}

fn go_on(world: &mut Pair, me: usize) {
    let now = world.now;
    if world.heads[me].engine.coming.is_some_and(|at| now >= at) {
        let engine = &mut world.heads[me].engine;
        (engine.coming, engine.hold, engine.hangs) = (None, Hold::All, false);
        begin_start(world, me);
    }
    let took = world.chance.between(100, 900);
    match world.heads[me].engine.work {
        Some(Work::Start { step, at }) if now >= at => start_step(world, me, step, now + took),
        Some(Work::Stop { step, at, then }) if now >= at => stop_step(world, me, (step, then), now + took),
        _ => {}
    }
}

pub fn begin_start(world: &mut Pair, me: usize) {
    let at = world.now;
    world.heads[me].engine.work = Some(Work::Start { step: 0, at });
}

/// The address first, then each unit that does not run.
fn start_step(world: &mut Pair, me: usize, step: usize, next: u64) {
    if step == 0 {
        world.heads[me].address = true;
    } else if !world.heads[me].units[step - 1].runs() {
        world.start(me, step - 1);
    }
    let more = step < world.policies.len();
    world.heads[me].engine.work = more.then_some(Work::Start { step: step + 1, at: next });
}

fn begin_stop(world: &mut Pair, me: usize, then: Then) {
    let at = world.now;
    let engine = &mut world.heads[me].engine;
    engine.hold = Hold::Transition;
    engine.work = Some(Work::Stop { step: 0, at, then });
}

/// Each unit from the last to the first, then the address.
fn stop_step(world: &mut Pair, me: usize, (step, then): (usize, Then), next: u64) {
    let units = world.policies.len();
    if step < units {
        let (now, takes) = (world.now, world.chance.between(10, 90));
        let unit = units - 1 - step;
        world.heads[me].units[unit].stop(now, takes, true, false);
        world.heads[me].ours.starting[unit] = None; // a stop ends the job of a start
        world.heads[me].engine.work = Some(Work::Stop { step: step + 1, at: next, then });
        return;
    }
    if let Some(unit) = (0..units).find(|unit| world.heads[me].units[*unit].runs()) {
        world
            .wrong(format!("unit {unit} runs where heartbeat has just stopped it: it would reboot the head"));
    }
    world.heads[me].address = false;
    world.heads[me].engine.work = None;
    match then {
        Then::HandOver => hand_over(world, me),
        Then::End => {
            world.heads[me].engine.runs = false;
            world.heads[me].engine.hold = Hold::None;
            let other = &world.heads[1 - me].engine;
            if world.heads[1 - me].works(world.now) && other.runs && other.hold != Hold::All {
                hand_over(world, me);
            }
        }
    }
}

/// A message between its scripts; none is lost once the world is quiet.
fn is_lost(world: &mut Pair) -> bool {
    world.chance.one_in(4) && !world.quiet
}

/// The other head is told to start the group, unless the message is lost.
fn hand_over(world: &mut Pair, me: usize) {
    let (now, lost) = (world.now, is_lost(world));
    let soon = now + world.chance.between(100, 400);
    let other_well = world.heads[1 - me].up && world.heads[1 - me].engine.runs && world.linked();
    let ended = !world.heads[me].engine.runs;
    if !other_well {
        return; // still in transition: it will find the other head dead, or start it itself
    }
    let other = &mut world.heads[1 - me].engine;
    other.hold = if lost { Hold::Transition } else { Hold::All };
    (other.coming, other.hangs) = if lost { (None, true) } else { (Some(soon), false) };
    let engine = &mut world.heads[me].engine;
    (engine.hold, engine.hangs) = if lost && !ended { (Hold::Transition, true) } else { (Hold::None, false) };
}

/// Two heads that see each other, and neither holds the group: the preferred one begins.
fn begin_where_nobody_has_it(world: &mut Pair, me: usize) {
    let now = world.now;
    let nobody = (0..2).all(|head| {
        let engine = &world.heads[head].engine;
        engine.hold == Hold::None && engine.idle() && engine.runs
    });
    let seen = world.heads[me].engine.peer_active(now);
    let engine = &mut world.heads[me].engine;
    engine.both_none_since = (nobody && seen).then(|| engine.both_none_since.unwrap_or(now));
    if me == 0 && engine.both_none_since.is_some_and(|since| now >= since + 10_000) {
        engine.hold = Hold::All;
        begin_start(world, me);
    }
}

/// `hb_standby all`: refused silently unless the head holds the group, and nothing is under way.
pub fn give_away(world: &mut Pair, me: usize) {
    let now = world.now;
    let engine = &world.heads[me].engine;
    let other = &world.heads[1 - me].engine;
    let ready = world.heads[me].works(now) && engine.runs && engine.hold == Hold::All && engine.idle();
    if ready && engine.peer_active(now) && world.linked() && other.runs && other.idle() {
        begin_stop(world, me, Then::HandOver);
    }
}

/// `hb_takeover all`: the other head gives up what it has; then this one starts it.
pub fn take_over(world: &mut Pair, me: usize) {
    let (now, soon) = (world.now, world.now + 300);
    let both = (0..2).all(|head| {
        world.heads[head].works(now) && world.heads[head].engine.runs && world.heads[head].engine.idle()
    });
    if !both || !world.linked() {
        return;
    }
    if world.heads[1 - me].address {
        return begin_stop(world, 1 - me, Then::HandOver);
    }
    let other = &mut world.heads[1 - me].engine;
    (other.hold, other.hangs) = (Hold::None, false);
    let engine = &mut world.heads[me].engine;
    (engine.hold, engine.coming, engine.hangs) = (Hold::All, Some(soon), false);
}

/// A person or an apply stops heartbeat here; its group goes first.
pub fn stop_in_order(world: &mut Pair, me: usize) {
    let (now, back) = (world.now, world.now + world.chance.between(8_000, 20_000));
    let head = &world.heads[me];
    if !head.works(now) || !head.engine.runs || !head.engine.idle() || !head.engine.peer_active(now) {
        return;
    }
    (world.heads[me].engine.back_at, world.heads[me].engine.in_order) = (back, true);
    if world.heads[me].address {
        begin_stop(world, me, Then::End);
    } else if world.heads[me].engine.hold == Hold::None {
        world.heads[me].engine.runs = false;
    }
}

/// heartbeat dies; what it has started goes on until the other head shoots this one.
pub fn kill(world: &mut Pair, me: usize) {
    let (works, back) = (world.heads[me].works(world.now), world.now + 60_000);
    let engine = &mut world.heads[me].engine;
    if works && engine.runs && !engine.in_order {
        (engine.runs, engine.work, engine.coming, engine.back_at) = (false, None, None, back);
    }
}

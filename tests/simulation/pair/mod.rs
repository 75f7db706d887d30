//! Two heads under heartbeat: power cuts, hangs, lost links, views that are late or wrong, a fence device that is slow,
//! messages that are lost, units that die, people who stop and move things; and haoscar's own part on each head.
//!
//! heartbeat is played ([`heartbeat`]); what haoscar does is its own code, called by [`ours`].

mod heartbeat;
mod ours;

use haoscar::recovery::Phase;
use haoscar::spec::{Recovery, RecoveryThen, Span};

use super::chance::Chance;
use super::rules::Rules;
use super::unit::{Is, Unit};
use heartbeat::{Engine, Hold};
use ours::Ours;

const TICK_MS: u64 = 100;
/// Once nothing is done to the world any more.
const QUIET_TICK_MS: u64 = 250;
const FAULTS_MS: u64 = 120_000;
/// Twice the longest window, two offers of a group, a boot, a fence and a mended hang.
const QUIET_MS: u64 = 330_000;

pub struct Head {
    pub up: bool,
    boots_at: u64,
    frozen_until: u64,
    /// It hears nothing of the other head.
    deaf_until: u64,
    pub address: bool,
    pub units: Vec<Unit>,
    /// Units that die soon after each start here.
    broken: Vec<bool>,
    dies_at: Vec<Option<u64>>,
    /// A person who has stopped a unit starts it again then.
    starts_at: Vec<Option<u64>>,
    pub engine: Engine,
    pub ours: Ours,
}

impl Head {
    fn new(units: usize) -> Self {
        Self {
            up: true,
            boots_at: 0,
            frozen_until: 0,
            deaf_until: 0,
            address: false,
            units: vec![Unit::new(); units],
            broken: vec![false; units],
            dies_at: vec![None; units],
            starts_at: vec![None; units],
            engine: Engine::booted(0),
            ours: Ours::new(units),
        }
    }

    fn works(&self, now: u64) -> bool {
        self.up && now >= self.frozen_until
    }
}

pub struct Pair {
    pub now: u64,
    pub chance: Chance,
    pub rules: Rules,
    pub heads: [Head; 2],
    pub policies: Vec<Recovery>,
    cut_until: u64,
    fence_dead_until: u64,
    pids: u32,
    pub quiet: bool,
    /// What no rule of ours may ever lead to; the first counts.
    pub broken: Option<String>,
}

impl Pair {
    fn new(seed: u64, rules: Rules) -> Self {
        let mut chance = Chance::of(seed);
        let units = usize::try_from(chance.between(1, 3)).unwrap();
        let policies = (0..units).map(|_| policy(&mut chance)).collect();
        let mut heads = [Head::new(units), Head::new(units)];
        let bad = usize::try_from(chance.between(0, 2)).unwrap(); // the other head can run everything
        for unit in 0..units {
            heads[bad].broken[unit] = chance.one_in(4);
        }
        Self {
            now: 0,
            chance,
            rules,
            heads,
            policies,
            cut_until: 0,
            fence_dead_until: 0,
            pids: 100,
            quiet: false,
            broken: None,
        }
    }

    pub fn wrong(&mut self, what: String) {
        let now = self.now;
        self.broken.get_or_insert_with(|| format!("{now} ms: {what}"));
    }

    pub fn pid(&mut self) -> u32 {
        self.pids += 1;
        self.pids
    }

    /// Both heads' cables are in.
    pub fn linked(&self) -> bool {
        self.now >= self.cut_until
    }

    fn fence_answers(&self) -> bool {
        self.now >= self.fence_dead_until
    }

    /// A start that succeeds; what is broken here dies soon.
    pub fn start(&mut self, head: usize, unit: usize) {
        let pid = self.pid();
        let soon = self.now + self.chance.between(100, 1_500);
        let head = &mut self.heads[head];
        head.units[unit].start(pid);
        head.dies_at[unit] = head.broken[unit].then_some(soon);
    }

    pub fn power_off(&mut self, head: usize) {
        let back = self.now + self.chance.between(4_000, 25_000);
        let units = self.policies.len();
        let head = &mut self.heads[head];
        let broken = std::mem::take(&mut head.broken);
        *head = Head { up: false, boots_at: back, broken, ..Head::new(units) };
    }

    fn tick(&mut self) {
        for head in 0..2 {
            if !self.heads[head].up && self.now >= self.heads[head].boots_at {
                self.heads[head].up = true;
                self.heads[head].engine = Engine::booted(self.now);
            }
            self.pass_units(head);
        }
        for head in 0..2 {
            heartbeat::tick(self, head);
        }
        for head in 0..2 {
            ours::tick(self, head);
        }
        self.look_for_two_owners();
    }

    fn pass_units(&mut self, head: usize) {
        for unit in 0..self.policies.len() {
            self.start_by_hand(head, unit);
            let (now, pid) = (self.now, self.pid());
            let (forgets, lag) = (self.chance.one_in(2), self.chance.between(0, 300));
            let head = &mut self.heads[head];
            if head.dies_at[unit].is_some_and(|at| now >= at) {
                head.units[unit].crash(now, lag);
                head.dies_at[unit] = None;
            }
            let pid_was = head.units[unit].pid;
            head.units[unit].pass(now, forgets, pid);
            if head.units[unit].pid != pid_was && head.broken[unit] {
                head.dies_at[unit] = Some(now + 500);
            }
        }
    }

    /// Where the group is still here, and nobody else has started it.
    fn start_by_hand(&mut self, head: usize, unit: usize) {
        let there = &mut self.heads[head];
        if there.starts_at[unit].is_none_or(|at| self.now < at) {
            return;
        }
        there.starts_at[unit] = None;
        if there.up && there.address && there.engine.work.is_none() && there.units[unit].is == Is::Inactive {
            self.start(head, unit);
        }
    }

    fn look_for_two_owners(&mut self) {
        let both = |has: &dyn Fn(&Head) -> bool| self.heads.iter().all(|head| head.up && has(head));
        let address = both(&|head| head.address);
        let unit = (0..self.policies.len()).find(|unit| both(&|head| head.units[*unit].runs()));
        if address {
            self.wrong("two owners of the address".to_owned());
        }
        if let Some(unit) = unit {
            self.wrong(format!("unit {unit} runs on both heads"));
        }
    }

    /// Something happens to the world.
    fn fault(&mut self) {
        let head = usize::try_from(self.chance.between(0, 2)).unwrap();
        let unit = usize::try_from(self.chance.between(0, self.policies.len() as u64)).unwrap();
        let (now, long) = (self.now, self.chance.between(500, 20_000));
        let (lag, other) = (self.chance.between(0, 300), self.chance.between(50, 400));
        match self.chance.between(0, 17) {
            0 => self.power_off(head),
            1 => self.heads[head].frozen_until = now + long / 4,
            2 => self.cut_until = now + long / 4,
            3 => self.heads[head].deaf_until = now + long / 4,
            4 => self.fence_dead_until = now + long,
            5 => self.heads[head].ours.killed(now + 1_000),
            6 => heartbeat::give_away(self, head),
            7 => heartbeat::stop_in_order(self, head),
            8 | 9 if self.heads[head].engine.work.is_none() => {
                self.heads[head].units[unit].stop(now, other, false, true)
            }
            10 if self.heads[head].engine.work.is_none()
                && self.heads[head].units[unit].is == Is::Running =>
            {
                self.heads[head].units[unit].stop(now, other, false, false);
                self.heads[head].starts_at[unit] = Some(now + 3_000);
            }
            8..=10 => {} // nobody stops what heartbeat is just stopping
            11 => heartbeat::kill(self, head),
            _ => (0..2).for_each(|head| self.heads[head].units[unit].crash(now, lag)),
        }
    }

    fn run(&mut self) {
        while self.now < FAULTS_MS && self.broken.is_none() {
            if self.chance.one_in(40) {
                self.fault();
            }
            self.tick();
            self.now += TICK_MS;
        }
        self.quiet = true;
        while self.now < FAULTS_MS + QUIET_MS && self.broken.is_none() {
            self.tick();
            self.now += QUIET_TICK_MS;
        }
        self.look_at_the_end();
    }

    fn look_at_the_end(&mut self) {
        let carriers: Vec<_> = (0..2).filter(|head| self.heads[*head].address).collect();
        let &[carrier] = carriers.as_slice() else {
            let words: Vec<_> = self.heads.iter().map(|head| format!("{:?}", head.engine)).collect();
            return self.wrong(format!("{carriers:?} carry the group after quiet: {}", words.join(" and ")));
        };
        for unit in 0..self.policies.len() {
            let (head, policy) = (&self.heads[carrier], &self.policies[unit]);
            let phase = head.ours.states[unit].phase();
            let given_up = policy.then != RecoveryThen::Failover
                && (policy.restarts == 0 || policy.then == RecoveryThen::Stop);
            if (given_up || head.broken[unit]) && phase == Phase::Exhausted {
                continue; // as the policy says
            }
            let broken = self.heads.iter().any(|head| head.broken[unit]);
            if head.broken[unit] && policy.then != RecoveryThen::Failover {
                continue; // it dies again and again, and stays
            }
            if head.units[unit].is != Is::Running {
                let state = format!("{:?} under {policy:?}, {:?}", head.ours.states[unit], head.units[unit]);
                return self.wrong(format!("unit {unit} does not run after quiet: {state}"));
            }
            if phase != Phase::Healthy && !broken {
                return self.wrong(format!("unit {unit} is {phase:?} after quiet"));
            }
        }
        if self.heads[carrier].engine.hold != Hold::All {
            self.wrong("the carrier does not hold the group".to_owned());
        }
    }
}

fn policy(chance: &mut Chance) -> Recovery {
    Recovery {
        restarts: u32::try_from(chance.between(0, 4)).unwrap(),
        within: Span::from_millis(chance.of_these(&[5_000, 20_000, 60_000])),
        then: chance.of_these(&[
            RecoveryThen::Failover,
            RecoveryThen::Failover,
            RecoveryThen::Alert,
            RecoveryThen::Stop,
        ]),
    }
}

/// A world of that seed; what was broken in it.
pub fn world(seed: u64, rules: Rules) -> Result<(), String> {
    let mut pair = Pair::new(seed, rules);
    pair.run();
    pair.broken.map_or(Ok(()), Err)
}

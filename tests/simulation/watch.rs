//! Two or three heads under pacemaker, each with its watcher: processes die, people restart and stop things, the engine
//! moves its group, cables come out and in, words do not arrive, and the engine forgets what it was told.
//!
//! The engine is played; what is told to it is decided by the real `judge` and `Gauge`.

use haoscar::control::gauge::{Gauge, STEADY_MS, Word};
use haoscar::control::judge::Verdict;

use super::chance::Chance;
use super::rules::Rules;
use super::unit::{Is, Unit};

const TICK_MS: u64 = 100;
const FAULTS_MS: u64 = 120_000;
/// A recovery that counts, said again once.
const QUIET_MS: u64 = 40_000;
/// By then the engine's own monitor has found a crash.
const MONITOR_MS: u64 = 3_000;

struct Head {
    unit: Unit,
    watched: u32,
    dead: u32,
    judged: u32,
    told: u32,
    /// A crash that the watcher must tell: its process, and when.
    crashed: Option<(u32, u64)>,
    starts_at: Option<u64>,
    cable: bool,
    good_since: u64,
    gauge: Gauge,
    read: Option<bool>,
    /// What the engine believes of the cable.
    lost: bool,
}

struct Cluster {
    now: u64,
    chance: Chance,
    rules: Rules,
    heads: Vec<Head>,
    carrier: usize,
    /// The group is on its way there.
    moving: Option<usize>,
    pids: u32,
    quiet: bool,
    broken: Option<String>,
}

impl Cluster {
    fn new(seed: u64, rules: Rules) -> Self {
        let mut chance = Chance::of(seed);
        let many = chance.between(2, 4);
        let head = |_| Head {
            unit: Unit::new(),
            watched: 0,
            dead: 0,
            judged: 0,
            told: 0,
            crashed: None,
            starts_at: None,
            cable: true,
            good_since: 0,
            gauge: Gauge::default(),
            read: None,
            lost: false,
        };
        let heads = (0..many).map(head).collect();
        Self {
            now: 0,
            chance,
            rules,
            heads,
            carrier: 0,
            moving: Some(0),
            pids: 100,
            quiet: false,
            broken: None,
        }
    }

    fn wrong(&mut self, what: String) {
        let now = self.now;
        self.broken.get_or_insert_with(|| format!("{now} ms: {what}"));
    }

    fn pid(&mut self) -> u32 {
        self.pids += 1;
        self.pids
    }

    fn fault(&mut self) {
        let (now, takes) = (self.now, self.chance.between(10, 400));
        let head = usize::try_from(self.chance.between(0, self.heads.len() as u64)).unwrap();
        let at = self.carrier;
        let still = self.moving.is_none() && self.heads[at].crashed.is_none();
        let running = still && self.heads[at].unit.is == Is::Running;
        match self.chance.between(0, 8) {
            0 | 1 if running => {
                let (pid, watched) = (self.heads[at].unit.pid, self.heads[at].watched);
                self.heads[at].unit.crash(now, takes);
                self.heads[at].crashed = Some((pid, now)).filter(|_| watched == pid);
            }
            2 if running => self.heads[at].unit.stop(now, takes, false, true),
            3 if running => {
                self.heads[at].unit.stop(now, takes, false, false);
                self.heads[at].starts_at = Some(now + 2_000);
            }
            4 => self.move_to(head),
            5 | 6 => self.plug(head),
            7 => self.heads.iter_mut().for_each(|head| head.lost = false), // it was started anew
            _ => {}
        }
    }

    fn plug(&mut self, head: usize) {
        let head = &mut self.heads[head];
        head.cable = !head.cable;
        head.good_since = self.now;
    }

    /// The engine stops the group where it is; it starts there once it has ended here.
    fn move_to(&mut self, head: usize) {
        let (now, takes, at) = (self.now, self.chance.between(10, 400), self.carrier);
        if self.moving.is_none() && head != at && self.heads[at].crashed.is_none() {
            self.heads[at].unit.stop(now, takes, true, false);
            self.heads[at].starts_at = None;
            self.moving = Some(head);
        }
    }

    fn engine(&mut self) {
        let at = self.carrier;
        if let Some(to) = self.moving {
            if !self.heads[at].unit.runs()
                && !matches!(self.heads[at].unit.is, Is::Unnoticed(_) | Is::Starting(_))
            {
                let pid = self.pid();
                self.heads[to].unit.start(pid);
                (self.carrier, self.moving) = (to, None);
            }
            return;
        }
        let whole = self.heads.iter().position(|head| !head.lost);
        if let Some(to) = whole.filter(|_| self.heads[at].lost) {
            self.move_to(to);
        }
        self.monitor(at);
    }

    /// What the engine finds by itself.
    fn monitor(&mut self, at: usize) {
        let (now, told) = (self.now, self.heads[at].told);
        let found = |(pid, since): &(u32, u64)| told == *pid || now >= since + MONITOR_MS;
        let over = self.heads[at].crashed.take_if(|crashed| found(crashed));
        if let Some((pid, _)) = over.filter(|(pid, _)| told != *pid) {
            self.wrong(format!("process {pid} died on head {at}, and the engine was not told"));
        }
        let acts = self.chance.one_in(3);
        if acts && self.heads[at].crashed.is_none() && self.heads[at].unit.is == Is::Failed {
            let pid = self.pid();
            self.heads[at].unit.start(pid);
        }
    }

    /// As `control::mains` watches.
    fn watch(&mut self, at: usize) {
        let rules = self.rules;
        let head = &mut self.heads[at];
        let (pid, runs) = (head.unit.pid, head.unit.runs());
        if head.watched != 0 && (pid != head.watched || !runs) {
            (head.dead, head.watched) = (head.watched, 0);
        }
        let said = head.unit.said();
        if head.dead != 0 {
            let verdict = rules.judge(&said, head.dead, head.unit.marked());
            if verdict == Verdict::Report {
                return self.tell(at);
            }
            if verdict == Verdict::Planned {
                (head.judged, head.dead) = (head.dead, 0);
            }
        }
        let head = &mut self.heads[at];
        if head.dead == 0 && said.active == "active" && head.judged != said.main_pid && runs {
            head.watched = said.main_pid;
        }
    }

    fn tell(&mut self, at: usize) {
        let again = self.rules.judges_again();
        let head = &mut self.heads[at];
        let (pid, ordered, known) = (head.dead, head.unit.ordered, head.told == head.dead);
        (head.judged, head.told) = (pid, pid);
        if !again {
            head.dead = 0;
        }
        if ordered || head.unit.runs() {
            self.wrong(format!("a planned stop on head {at} was told as a failure"));
        } else if known {
            self.wrong(format!("process {pid} on head {at} was told twice"));
        }
    }

    /// As `control::links` reads: when the cable changes, and when a reading is due.
    fn read(&mut self, at: usize) {
        let (now, rules) = (self.now, self.rules);
        let arrives = self.quiet || !self.chance.one_in(5);
        let head = &mut self.heads[at];
        let good = head.cable;
        let due = head.gauge.due_ms().is_some_and(|due| now >= due);
        if head.read == Some(good) && !due {
            return;
        }
        head.read = Some(good);
        let Some(word) = rules.read(&mut head.gauge, good, now) else { return };
        if arrives {
            head.lost = word == Word::Lost;
        } else {
            head.gauge.unheard(now);
        }
        if word == Word::Back && now < head.good_since + STEADY_MS {
            self.wrong(format!(
                "head {at} is told to be back {} ms after its cable",
                now - self.heads[at].good_since
            ));
        }
    }

    fn tick(&mut self) {
        for at in 0..self.heads.len() {
            let (now, forgets, pid) = (self.now, self.chance.one_in(2), self.pid());
            let head = &mut self.heads[at];
            head.unit.pass(now, forgets, pid);
            if head.starts_at.is_some_and(|at| now >= at) {
                head.starts_at = None;
                if head.unit.is == Is::Inactive {
                    head.unit.start(pid);
                }
            }
            self.watch(at);
            self.read(at);
        }
        self.engine();
        self.now += TICK_MS;
    }

    fn run(&mut self) {
        while self.now < FAULTS_MS && self.broken.is_none() {
            if self.chance.one_in(25) {
                self.fault();
            }
            self.tick();
        }
        self.quiet = true;
        while self.now < FAULTS_MS + QUIET_MS && self.broken.is_none() {
            self.tick();
        }
        self.look_at_the_end();
    }

    fn look_at_the_end(&mut self) {
        if let Some(at) = self.heads.iter().position(|head| head.lost == head.cable) {
            let (lost, cable) = (self.heads[at].lost, self.heads[at].cable);
            return self.wrong(format!(
                "after quiet the engine believes lost={lost} of head {at}, whose cable={cable}"
            ));
        }
        let carrier = &self.heads[self.carrier];
        if carrier.unit.is != Is::Running {
            return self.wrong(format!("after quiet the unit does not run: {:?}", carrier.unit));
        }
        if !carrier.cable && self.heads.iter().any(|head| head.cable) {
            self.wrong("after quiet the group is where its network is not".to_owned());
        }
    }
}

/// A world of that seed; what was broken in it.
pub fn world(seed: u64, rules: Rules) -> Result<(), String> {
    let mut cluster = Cluster::new(seed, rules);
    cluster.run();
    cluster.broken.map_or(Ok(()), Err)
}

//! Persons and heads that believe to lead, all at work on the same heads: applies, roll-outs, heals, holds, hosts that go away
//! and come back, and applies that die, in the middle of each other. Real are the locks, the transactions, the claims, the
//! acceptance, the hold, and what is decided of the branch's tip; the engine is a CIB with compare-and-swap, and says to
//! anybody that he leads.
//!
//! Promised: one transaction a host at a time; a generation is one content, everywhere and for ever; no host accepts a lower one
//! than it has, and no apply that began before another comes over it; what is held is not rolled out; and when it is quiet,
//! one more apply leaves all heads and the engine with one generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use camino::{Utf8Path, Utf8PathBuf};
use haoscar::apply::{Acceptance, Crew, Order, accept, apply_for, hold};
use haoscar::control::tip::Seen;
use haoscar::control::when;
use haoscar::desired::{
    Accepted, Answer, Desired, HostDesired, Mode, OnChange, Owner, Piece, Rendered, Role,
};
use haoscar::engines::pacemaker::{self, Hold};
use haoscar::host::{Host, HostError, Local, Machine, Memory, Moment, Request, Response};
use haoscar::observed::{Generation, HostObserved, Observed, Record};
use haoscar::plan::{diff, heal};
use haoscar::spec::{Policy, Rollout};

use super::chance::Chance;
use super::rules::Rules;

const HEADS: [&str; 3] = ["arbiter", "head-1", "head-2"];

/// A spec's content; its commit has a name.
type Version = u64;

fn commit(version: Version) -> String {
    format!("c{version:06}")
}

fn version(commit: &str) -> Version {
    commit.trim_start_matches('c').parse().unwrap()
}

/// What that version asks of each head.
fn desired(version: Version) -> Desired {
    let file = |name: &str| Rendered {
        path: format!("/etc/{name}").into(),
        owner: Owner::root(),
        mode: Mode(0o644),
        text: vec![Piece::Text(format!("version {version}\n").into())],
        on_change: OnChange::Nothing,
        source: "test".to_owned(),
    };
    let host = HostDesired { files: ["one", "two"].map(file).into(), ..HostDesired::default() };
    let host = Arc::new(host);
    let hosts = HEADS.map(|name| (name.to_owned(), (Role::Head, host.clone())));
    Desired { cluster: "test".to_owned(), hosts: hosts.into(), ..Desired::default() }
}

const ACCEPTED: &str = "/var/lib/haoscar/accepted.json";

/// What cannot be rolled out: its gate fails.
fn is_bad(version: Version) -> bool {
    version % 5 == 4
}

#[derive(Debug)]
struct State {
    cib: String,
    tip: Version,
    away: BTreeSet<&'static str>,
    /// What each generation was accepted as.
    contents: BTreeMap<u64, Version>,
    /// The last generation that an apply has brought to a head.
    committed: BTreeMap<&'static str, u64>,
    open: BTreeMap<String, usize>,
    /// The tip over which a person has applied something else, and nobody has resumed.
    passed: Option<Version>,
    wrong: Option<String>,
    depth: usize,
    /// Things that may still happen.
    left: u32,
}

#[derive(Debug)]
struct World {
    heads: BTreeMap<&'static str, Arc<Memory>>,
    state: Mutex<State>,
    chance: Mutex<Chance>,
    rules: Rules,
}

/// A session with a head, of somebody who may die.
#[derive(Debug)]
struct Wire {
    name: &'static str,
    local: Local,
    world: Arc<World>,
    alive: Arc<AtomicBool>,
    open: bool,
    /// The generation that it makes.
    number: Option<u64>,
    /// The tip over which a person applies something else.
    over: Option<Version>,
}

impl Wire {
    fn closed(&mut self) {
        if std::mem::take(&mut self.open) {
            *self.world.state().open.entry(self.name.to_owned()).or_default() -= 1;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.closed();
    }
}

impl Host for Wire {
    fn ask(&mut self, request: &Request) -> Result<Response, HostError> {
        self.world.clone().something_happens(&self.alive);
        if !self.alive.load(Ordering::Relaxed) || self.world.state().away.contains(self.name) {
            return Err(HostError::Unreachable { host: self.name.to_owned(), why: "away".to_owned() });
        }
        match request {
            Request::Run { argv, input, .. } => {
                Ok(Response::Answer(self.world.engine(argv, input, self.over)))
            }
            Request::Keep { .. } => Ok(Response::Done), // a repository is no part of this
            Request::Claim(number) => {
                self.number = Some(*number);
                if self.world.rules.claims_nothing() {
                    return Ok(Response::Done);
                }
                self.local.ask(request)?.good(self.name)
            }
            Request::Begin { .. } => {
                let begun = self.local.ask(request)?.good(self.name);
                if let Err(HostError::Locked { .. }) = begun {
                    // an apply would wait for it
                    return Err(HostError::Failed {
                        subject: self.name.to_owned(),
                        why: "locked".to_owned(),
                    });
                }
                self.open = true;
                let mut state = self.world.state();
                let open = state.open.entry(self.name.to_owned()).or_default();
                *open += 1;
                if *open > 1 {
                    state.wrong.get_or_insert(format!("two transactions at a time on {}", self.name));
                }
                begun
            }
            Request::Accept(new) => {
                let before = self.world.accepted(self.name).map_or(0, |known| known.generation);
                if self.world.rules.accepts_older() {
                    let _ = self.world.heads[self.name].remove(Utf8Path::new(ACCEPTED));
                }
                let told = self.local.ask(request)?.good(self.name)?;
                self.world.content(new.generation, version(new.commit.as_ref().unwrap()));
                if new.generation < before {
                    let why = format!("{} went from generation {before} to {}", self.name, new.generation);
                    self.world.state().wrong.get_or_insert(why);
                }
                Ok(told)
            }
            Request::Commit { .. } | Request::Revert => {
                let done = self.local.ask(request);
                if let (Request::Commit { .. }, Ok(_), Some(number)) = (request, &done, self.number) {
                    self.world.committed(self.name, number);
                }
                self.closed();
                done
            }
            other => self.local.ask(other),
        }
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The engine's configuration, and the newest commit.
    fn branch(&self) -> (String, Version) {
        let state = self.state();
        (state.cib.clone(), state.tip)
    }

    /// Any version that there is.
    fn any(&self) -> Version {
        let tip = self.branch().1;
        self.draw(tip + 1)
    }

    fn draw(&self, many: u64) -> u64 {
        self.chance.lock().unwrap().between(0, many)
    }

    fn accepted(&self, name: &str) -> Option<Accepted> {
        let text = self.heads[name].read(Utf8Path::new(ACCEPTED)).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// An apply has changed a head.
    fn committed(&self, name: &'static str, number: u64) {
        let mut state = self.state();
        let last = state.committed.insert(name, number).unwrap_or_default();
        if last >= number {
            let why = format!("{name} took generation {number} after generation {last}");
            state.wrong.get_or_insert(why);
        }
    }

    /// A generation was accepted as this.
    fn content(&self, generation: u64, version: Version) {
        let mut state = self.state();
        let known = *state.contents.entry(generation).or_insert(version);
        if known != version {
            let why = format!("generation {generation} is version {known} here and version {version} there");
            state.wrong.get_or_insert(why);
        }
    }

    /// `cibadmin --query` and `--replace`: one that is not newer is refused.
    fn engine(&self, argv: &[String], input: &str, over: Option<Version>) -> Answer {
        let answer = |status, stdout: &str| Answer {
            status: Some(status),
            stdout: stdout.to_owned(),
            stderr: "refused".to_owned(),
        };
        let cib = self.state().cib.clone();
        if argv[1] == "--query" {
            return answer(0, &cib);
        }
        if epoch(input) <= epoch(&cib) && !self.rules.swaps_anything() {
            return answer(103, "");
        }
        let (old, new) = (pacemaker::accepted(&cib), pacemaker::accepted(input));
        if new.0 < old.0 || new.0 == old.0 && new.1 != old.1 {
            self.state().wrong.get_or_insert(format!("the engine went from {old:?} to {new:?}"));
        }
        if let Some(commit) = new.1 {
            if new.0 > old.0 {
                self.state().passed = over;
            }
            self.content(new.0, version(&commit));
        }
        input.clone_into(&mut self.state().cib);
        answer(0, "")
    }

    fn reached(&self) -> Vec<&'static str> {
        let state = self.state();
        HEADS.into_iter().filter(|name| !state.away.contains(name)).collect()
    }

    fn crew(
        self: &Arc<Self>,
        names: &[&'static str],
        alive: &Arc<AtomicBool>,
        over: Option<Version>,
    ) -> Crew {
        let mut crew = Crew::default().one_by_one();
        for name in names {
            let local = Local::over(self.heads[name].clone());
            let (world, alive) = (self.clone(), alive.clone());
            crew.add(name, Box::new(Wire { name, local, world, alive, open: false, number: None, over }));
        }
        crew
    }

    /// Somebody who asks one head, and does not die of it.
    fn alone(self: &Arc<Self>, head: &'static str) -> Crew {
        self.crew(&[head], &Arc::new(AtomicBool::new(true)), None)
    }

    /// A person's apply on these heads, or a head's roll-out of the tip it has decided on. Whether it ended well.
    fn apply(self: &Arc<Self>, new: Version, names: &[&'static str], by_hand: bool) -> bool {
        if names.is_empty() {
            return false;
        }
        let alive = Arc::new(AtomicBool::new(true));
        let (cib, tip) = self.branch();
        let over = Some(tip).filter(|tip| by_hand && new != *tip);
        let mut crew = self.crew(names, &alive, over);
        let wanted = desired(new);
        let Some((observed, generation)) = self.survey(&wanted, names, &mut crew, &cib) else { return false };
        let mut plan = diff(&wanted, &observed, true);
        plan.engine.members = HEADS.map(str::to_owned).into();
        let number = generation + 1;
        let order = Order { id: "apply", generation: Some(number), ..Order::default() };
        if apply_for(&plan, &wanted, &mut crew, &order, &|_| {}).is_err() {
            return false;
        }
        let parts = names.iter().filter_map(|name| {
            let named = (number, Some(commit(new)));
            Some(((*name).to_owned(), Accepted::of(name, &wanted, &Policy::default(), None, named)?))
        });
        let held = Hold { commit: commit(tip), refused: false, why: "by hand".to_owned() };
        let acceptance = Acceptance {
            record: &Record {
                generation: Generation {
                    number,
                    at: String::new(),
                    who: String::new(),
                    commit: Some(commit(new)),
                    what: String::new(),
                },
                root: Utf8PathBuf::new(),
                files: BTreeMap::new(),
            },
            limit: 3,
            parts: &parts.collect(),
            hold: Some(&held).filter(|_| over.is_some() && self.rules.holds_what_is_by_hand()),
        };
        let member = names.first().copied();
        accept(&mut crew, &HEADS.map(str::to_owned), member, &acceptance).is_empty()
    }

    fn survey(
        &self,
        wanted: &Desired,
        names: &[&'static str],
        crew: &mut Crew,
        cib: &str,
    ) -> Option<(Observed, u64)> {
        let mut observed = Observed::default();
        for name in names {
            let files = wanted.hosts[*name].1.files.clone();
            let request = Request::Observe { files, directories: Vec::new(), units: Vec::new() };
            let Ok(Response::Observed(seen)) = crew.get(name)?.ask(&request) else { return None };
            observed.hosts.insert((*name).to_owned(), *seen);
        }
        let seen = observed.hosts.values().map(|seen: &HostObserved| seen.seen).max().unwrap_or_default();
        Some((observed, seen.max(pacemaker::generation(cib))))
    }

    /// A head that believes to lead looks at the branch.
    fn follow(self: &Arc<Self>, head: &'static str) {
        let (cib, tip) = self.branch();
        let (number, named) = pacemaker::accepted(&cib);
        let held = pacemaker::held(&cib);
        let seen = Seen {
            named: commit(tip),
            commit: commit(tip),
            accepted: (named == Some(commit(tip))).then_some(number),
            doubt: None,
            held: held.clone(),
            rollout: Rollout::Auto,
            shut: None,
            against: Vec::new(),
        };
        if self.rules.standing(&seen).is_some() {
            return;
        }
        if held.is_some_and(|held| held.holds(&commit(tip))) || self.state().passed == Some(tip) {
            self.state().wrong.get_or_insert(format!("{} is held, and rolled out", commit(tip)));
        }
        if is_bad(tip) {
            let mut crew = self.alone(head);
            let refused = Hold { commit: commit(tip), refused: true, why: "its gate failed".to_owned() };
            let _ = hold(&mut crew, head, Some(&refused));
        } else {
            self.apply(tip, &self.reached(), false);
        }
    }

    /// One head puts back what drifted from what it accepted.
    fn heal(self: &Arc<Self>, head: &'static str) {
        let Some(accepted) = self.accepted(head) else { return };
        let mut crew = self.alone(head);
        let host = crew.get(head).unwrap();
        let request =
            Request::Observe { files: accepted.files.clone(), directories: Vec::new(), units: Vec::new() };
        let Ok(Response::Observed(seen)) = host.ask(&request) else { return };
        let named = pacemaker::generation(&self.branch().0);
        let heal = heal(&accepted, &seen, None);
        if heal.is_empty() || self.rules.hinders(|| when::hinders(&accepted, &seen, None, named)).is_some() {
            return;
        }
        if seen.seen > accepted.generation {
            let why = format!("{head} heals while generation {} is at work on it", seen.seen);
            self.state().wrong.get_or_insert(why);
        }
        let files: Vec<_> = heal.host.files.iter().filter_map(|change| change.file.clone()).collect();
        let paths = files.iter().map(|file| file.path.clone()).collect();
        let steps = [
            Request::Begin { id: "heal".to_owned() },
            Request::Stage(files),
            Request::Swap(paths),
            Request::Commit { restarts: BTreeMap::new(), confirm: None },
        ];
        if steps.iter().any(|step| host.ask(step).is_err()) {
            let _ = host.ask(&Request::Revert);
        }
    }

    /// Between any two steps of anybody: most often nothing.
    fn something_happens(self: &Arc<Self>, alive: &AtomicBool) {
        {
            let mut state = self.state();
            if state.left == 0 || state.depth > 2 || self.draw(12) != 0 {
                return;
            }
            state.left -= 1;
            state.depth += 1;
        }
        let head = HEADS[usize::try_from(self.draw(3)).unwrap()];
        match self.draw(10) {
            0 | 1 => {
                self.apply(self.any(), &self.some(), true);
            }
            2 | 3 => self.follow(head),
            4 => self.state().tip += 1,
            5 => drop(self.state().away.insert(head)),
            6 => self.state().away.clear(),
            7 => self.heal(head),
            8 => alive.store(false, Ordering::Relaxed),
            _ => {
                let mut crew = self.alone(head);
                if hold(&mut crew, head, None).is_ok() {
                    self.state().passed = None;
                }
            }
        }
        self.state().depth -= 1;
    }

    /// `--on`, or all that are reached.
    fn some(&self) -> Vec<&'static str> {
        let all = self.reached();
        if self.draw(2) == 0 {
            return all;
        }
        all.into_iter().filter(|_| self.draw(2) == 0).collect()
    }

    /// Nobody else is at work, and everybody is there: a person applies what is meant, once.
    fn quiet(self: &Arc<Self>) -> Result<(), String> {
        self.state().left = 0;
        self.state().away.clear();
        let open: usize = self.state().open.values().sum();
        if open > 0 {
            return Err("a transaction is still open".to_owned());
        }
        let new = self.branch().1;
        if !self.apply(new, &HEADS, true) {
            return Err("nobody is at work, and an apply is refused".to_owned());
        }
        let named = pacemaker::accepted(&self.branch().0);
        for head in HEADS {
            let accepted = self.accepted(head).ok_or(format!("{head} has accepted nothing"))?;
            if (accepted.generation, accepted.commit.clone()) != named {
                return Err(format!(
                    "{head} has generation {}, and the engine {named:?}",
                    accepted.generation
                ));
            }
            let text = self.heads[head].read(Utf8Path::new("/etc/one")).unwrap_or_default();
            if text != format!("version {new}\n").as_bytes() {
                return Err(format!("{head} has {:?}", String::from_utf8_lossy(&text)));
            }
        }
        Ok(())
    }
}

fn epoch(cib: &str) -> u64 {
    cib.split_once("epoch=\"").unwrap().1.split('"').next().unwrap().parse().unwrap()
}

const CIB: &str = r#"<cib epoch="1"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options"/></crm_config></configuration></cib>"#;

/// An apply on three heads costs more than a world of the other kinds.
const EVERY: u64 = 4;

/// A world of that seed; what was broken in it.
pub fn world(seed: u64, rules: Rules) -> Result<(), String> {
    if !seed.is_multiple_of(EVERY) {
        return Ok(());
    }
    let seed = seed / EVERY;
    let machine = |name| {
        let mut memory = Memory::at(Moment::default());
        memory.unlocked = rules.locks_nothing();
        (name, Arc::new(memory))
    };
    let state = State {
        cib: CIB.to_owned(),
        tip: 1,
        away: BTreeSet::new(),
        contents: BTreeMap::new(),
        committed: BTreeMap::new(),
        open: BTreeMap::new(),
        passed: None,
        wrong: None,
        depth: 0,
        left: 30,
    };
    let world = World {
        heads: HEADS.map(machine).into(),
        state: Mutex::new(state),
        chance: Mutex::new(Chance::of(seed)),
        rules,
    };
    let world = Arc::new(world);
    for _ in 0..4 {
        world.apply(world.any(), &world.some(), true);
        HEADS.iter().for_each(|head| world.heal(head));
        world.follow(HEADS[usize::try_from(world.draw(3)).unwrap()]);
    }
    let end = world.quiet();
    let wrong = world.state().wrong.take();
    wrong.map_or(end, Err)
}

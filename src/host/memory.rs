//! The tests' machine: a disk in memory that has written nothing for good until it is told to sync, units that only
//! remember, and no programs. Its power can be cut at every moment that it has recorded.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::machine::{Lock, Look, Machine};
use super::moment::{Content, Moment, Node, above};
use crate::desired::{Answer, Mode, Owner, Question};
use crate::observed::UnitFact;
use crate::plan::{UnitAction, UnitVerb};

/// The machine.
#[derive(Debug, Default)]
pub struct Memory {
    now: Mutex<Moment>,
    recorded: Mutex<Option<Vec<Moment>>>,
    /// Steps until its power is cut, if it will be.
    left: Mutex<Option<u64>>,
    steps: AtomicU64,
    /// A unit that does not start or restart.
    pub refuses: Option<String>,
    /// Seconds since the epoch.
    pub clock: u64,
    /// The lock, while a session has it.
    held: Mutex<Weak<()>>,
    /// Everybody gets the lock: broken on purpose.
    pub unlocked: bool,
}

/// Where this machine's systemd keeps what starts at boot.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

impl Memory {
    /// A machine as it is at a moment.
    pub fn at(moment: Moment) -> Self {
        let memory = Self { now: Mutex::new(moment), ..Self::default() };
        let folder = Node::Folder(Owner::root(), Mode(0o755));
        for path in ["/run", "/etc", "/etc/systemd", "/etc/systemd/system", WANTS] {
            memory.now().live.entry(path.into()).or_insert(folder.clone());
            memory.now().durable.entry(path.into()).or_insert(folder.clone());
        }
        memory
    }

    fn now(&self) -> MutexGuard<'_, Moment> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now.
    pub fn moment(&self) -> Moment {
        self.now().clone()
    }

    /// A machine that dies after so many steps on the disk.
    #[must_use]
    pub fn dying_after(mut self, steps: u64) -> Self {
        self.left = Mutex::new(Some(steps));
        self
    }

    /// Steps on the disk until now.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// From now on every step on the disk is a moment.
    pub fn record(&self) {
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(vec![self.now().clone()]);
    }

    /// The recorded moments, first to last.
    pub fn moments(&self) -> Vec<Moment> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// Every file and link, with its bytes or target, owner and mode.
    pub fn tree(&self) -> BTreeMap<Utf8PathBuf, (Vec<u8>, String)> {
        let now = self.now();
        let show = |(path, node): (&String, &Node)| match node {
            Node::Folder(..) => None,
            Node::Link(target) => Some((path.into(), (Vec::new(), format!("-> {target}")))),
            Node::File(id) => now.contents.get(id).map(|found| {
                let rights = format!("{}:{} {}", found.owner.user, found.owner.group, found.mode);
                (path.into(), (found.bytes.to_vec(), rights))
            }),
        };
        now.live.iter().filter_map(show).collect()
    }

    fn step<T>(&self, step: impl FnOnce(&mut Moment) -> io::Result<T>) -> io::Result<T> {
        if let Some(left) = self.left.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            *left = left.checked_sub(1).ok_or(ErrorKind::Other)?; // the power is off
        }
        self.steps.fetch_add(1, Ordering::Relaxed);
        let mut now = self.now();
        let result = step(&mut now);
        if result.is_ok()
            && let Some(moments) = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
        {
            moments.push(now.clone());
        }
        result
    }
}

impl Machine for Memory {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        self.now().content(path).map(|content| content.bytes.to_vec())
    }

    fn look(&self, path: &Utf8Path) -> io::Result<Look> {
        let now = self.now();
        if path == "/" {
            return Ok(Look { folder: true, owner: Owner::root(), mode: Mode(0o755) });
        }
        if let Some(Node::Folder(owner, mode)) = now.live.get(path.as_str()) {
            return Ok(Look { folder: true, owner: owner.clone(), mode: *mode });
        }
        let content = now.content(path)?;
        Ok(Look { folder: false, owner: content.owner.clone(), mode: content.mode })
    }

    fn link_of(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        match self.now().live.get(path.as_str())? {
            Node::Link(target) => Some(target.clone()),
            _ => None,
        }
    }

    fn list(&self, folder: &Utf8Path) -> Vec<String> {
        let now = self.now();
        let within = now.live.keys().filter(|path| above(path) == folder.as_str());
        within.filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect()
    }

    fn create(&self, path: &Utf8Path, bytes: &[u8], owner: &Owner, mode: Mode) -> io::Result<()> {
        self.step(|now| {
            now.fresh(path)?;
            now.next += 1;
            let (id, owner) = (now.next, owner.clone());
            now.contents.insert(id, Content { bytes: bytes.into(), owner, mode, synced: false });
            now.set(path, Some(Node::File(id)))
        })
    }

    fn sync(&self, path: &Utf8Path) -> io::Result<()> {
        self.step(|now| {
            match now.live.get(path.as_str()).cloned() {
                Some(Node::File(id)) => {
                    now.contents.entry(id).and_modify(|content| content.synced = true);
                    now.version += 1;
                }
                Some(Node::Folder(..)) => now.sync(|folder| folder == path.as_str()),
                None if path == "/" => now.sync(|folder| folder == path.as_str()),
                _ => return Err(ErrorKind::NotFound.into()),
            }
            Ok(())
        })
    }

    fn sync_disk(&self, _folder: &Utf8Path) -> io::Result<()> {
        self.step(|now| {
            now.contents.values_mut().for_each(|content| content.synced = true);
            now.sync(|_| true);
            Ok(())
        })
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.step(|now| {
            let node = now.live.get(from.as_str()).cloned().ok_or(ErrorKind::NotFound)?;
            now.change(from, vec![(from.to_string(), None), (to.to_string(), Some(node))])
        })
    }

    fn remove(&self, path: &Utf8Path) -> io::Result<()> {
        self.step(|now| match now.live.get(path.as_str()) {
            Some(Node::Folder(..)) => Err(ErrorKind::IsADirectory.into()),
            Some(_) => now.set(path, None),
            None => Err(ErrorKind::NotFound.into()),
        })
    }

    fn remove_tree(&self, path: &Utf8Path) -> io::Result<()> {
        let folder = format!("{path}/");
        let within = |at: &&String| *at == path.as_str() || at.starts_with(&folder);
        let within: Vec<_> = self.now().live.keys().filter(within).cloned().collect();
        within.iter().rev().try_for_each(|at| self.step(|now| now.set(Utf8Path::new(at), None)))
    }

    fn link(&self, target: &Utf8Path, path: &Utf8Path) -> io::Result<()> {
        self.step(|now| {
            now.fresh(path)?;
            now.set(path, Some(Node::Link(target.to_owned())))
        })
    }

    fn make_folder(&self, path: &Utf8Path) -> io::Result<()> {
        self.step(|now| {
            now.fresh(path)?;
            now.set(path, Some(Node::Folder(Owner::root(), Mode(0o755))))
        })
    }

    fn give(&self, path: &Utf8Path, owner: &Owner, mode: Mode) -> io::Result<()> {
        self.step(|now| now.set(path, Some(Node::Folder(owner.clone(), mode))))
    }

    fn knows(&self, _owner: &Owner) -> Result<(), HostError> {
        Ok(())
    }

    fn packaged(&self, _path: &Utf8Path, _bytes: &[u8]) -> bool {
        false
    }

    fn lock(&self, _wait: bool) -> Result<Option<Lock>, HostError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.strong_count() > 0 && !self.unlocked {
            return Ok(None);
        }
        let token = Arc::new(());
        *held = Arc::downgrade(&token);
        Ok(Some(Lock::Memory(token)))
    }

    fn place(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.to_owned()
    }

    fn units(&self, names: &[String]) -> BTreeMap<String, UnitFact> {
        let fact = |name: &String| {
            let enabled = self.link_of(&Utf8Path::new(WANTS).join(name)).is_some();
            let active = if self.invocation(name).is_empty() { "inactive" } else { "active" };
            (name.clone(), UnitFact { loaded: true, enabled, fixed: false, active: active.to_owned() })
        };
        names.iter().map(fact).collect()
    }

    fn invocation(&self, unit: &str) -> String {
        self.now().running.get(unit).map(ToString::to_string).unwrap_or_default()
    }

    /// Links of systemd are not synced: it does not, either.
    fn act(&self, action: &UnitAction) -> Result<(), HostError> {
        let link = Utf8Path::new(WANTS).join(&action.unit);
        let failed = |e: io::Error| HostError::failed(&action.unit, e);
        match action.verb {
            UnitVerb::Enable if self.link_of(&link).is_none() => {
                return self.link(&Utf8Path::new("..").join(&action.unit), &link).map_err(failed);
            }
            UnitVerb::Disable if self.link_of(&link).is_some() => return self.remove(&link).map_err(failed),
            UnitVerb::Start | UnitVerb::Restart => {
                if self.refuses.as_ref() == Some(&action.unit) {
                    return Err(HostError::failed(&action.unit, "does not start"));
                }
                let mut now = self.now();
                now.next += 1;
                let run = now.next;
                now.running.insert(action.unit.clone(), run);
            }
            UnitVerb::Stop => drop(self.now().running.remove(&action.unit)),
            _ => {}
        }
        Ok(())
    }

    fn act_later(&self, actions: &[UnitAction]) -> Result<(), HostError> {
        let at_once = |action: &&UnitAction| matches!(action.verb, UnitVerb::Enable | UnitVerb::Disable);
        actions.iter().filter(at_once).try_for_each(|action| self.act(action))
    }

    fn arm(&self, _seconds: Option<u64>) -> Result<(), HostError> {
        Ok(()) // whoever tests comes by himself
    }

    fn now(&self) -> u64 {
        self.clock
    }

    fn run(&self, _argv: &[String], _input: &str, _timeout_ms: u64) -> Answer {
        Answer { status: None, stdout: String::new(), stderr: "no programs here".to_owned() }
    }

    fn ask(&self, _question: &Question) -> Answer {
        self.run(&[], "", 0)
    }
}

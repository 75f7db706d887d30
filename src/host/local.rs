//! This machine itself: the one place where files, units and programs are touched.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::ledger::Ledger;
use super::machine::Machine;
use super::real::Real;
use super::secrets::Secrets;
use super::transaction::Transaction;
use super::{
    Host, HostError, PROTOCOL, Request, Response, checkup, confirm, events, file, generation, hardware,
    recover, rehearsals, stall, token,
};
use crate::desired::{Accepted, Answer, Directory, Piece, Question, Rendered, hex};
use crate::observed::{Facts, FileFact, FoundFile, HostObserved};
use crate::plan::UnitAction;
use crate::probe;

/// What the loop of this host said last; gone with each boot.
pub const CYCLE: &str = "/run/haoscar/cycle.json";

/// What the head that leads says of the branch that it follows; gone with each boot, and where another leads.
pub const FOLLOWS: &str = "/run/haoscar/follows.json";

/// This machine, or one of a test.
#[derive(Debug)]
pub struct Local {
    machine: Arc<dyn Machine>,
    open: Option<Transaction>,
}

impl Local {
    /// This machine below a root: `/`, or a folder of a test.
    pub fn under(root: impl Into<Utf8PathBuf>) -> Self {
        Self::over(Arc::new(Real::under(root)))
    }

    /// Over a machine.
    pub fn over(machine: Arc<dyn Machine>) -> Self {
        Self { machine, open: None }
    }

    /// Ends what a dead transaction left, unless another session has one open. What keeps it from doing so is
    /// remembered, and said by the next `Begin`.
    fn recover(&mut self) {
        if self.open.is_some() {
            return;
        }
        if let Ok(Some(transaction)) = Transaction::begin(self.machine.clone(), "recover") {
            let _ = transaction.revert();
        }
    }

    fn transaction(&mut self) -> Result<&mut Transaction, HostError> {
        self.open.as_mut().ok_or_else(|| HostError::failed("transaction", "none is open"))
    }

    fn facts(&self) -> Facts {
        let read = |path: &str| String::from_utf8(self.machine.read(Utf8Path::new(path)).ok()?).ok();
        let machine = self.machine.as_ref();
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        Facts {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: nix::unistd::gethostname()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default(),
            os: hardware::system(machine),
            cgroup_hybrid: groups.lines().any(|line| line.contains(":name=systemd:")),
            namespace: read("/usr/lib/haoscar-lab/wiring").is_some(),
            corosync_conf: read("/etc/corosync/corosync.conf"),
            rehearsals: rehearsals::read(machine),
            generation: generation::seen(machine),
            cycle: read(CYCLE).and_then(|text| serde_json::from_str(&text).ok()),
            checkup: checkup::read(machine),
            follows: read(FOLLOWS).and_then(|text| serde_json::from_str(&text).ok()),
        }
    }

    fn observe(
        &self,
        files: &[Rendered],
        directories: &[Directory],
        names: &[String],
    ) -> Result<HostObserved, HostError> {
        let machine = self.machine.as_ref();
        let ledger = Ledger::read(machine)?;
        let secrets = Secrets::of(machine);
        let accepted = generation::accepted(machine).ok().flatten();
        let wanted = files.iter().map(|file| (file.path.clone(), self.file(file, &ledger, &secrets)));
        let files: litemap::LiteMap<_, _> = wanted.collect();
        let directories = directories.iter().filter(|d| !file::folder_is(machine, d)).map(|d| d.path.clone());
        Ok(HostObserved {
            directories: directories.collect(),
            units: machine.units(names).into_iter().collect(),
            pending: ledger.awaited(|unit| machine.invocation(unit)),
            gone: ledger.files.keys().filter(|path| !files.contains_key(*path)).cloned().collect(),
            files,
            recovered: recover::remembered(machine).map(Box::new),
            unconfirmed: confirm::told(machine).map(Box::new),
            seen: generation::seen(machine),
            accepted: accepted.as_ref().map_or(0, |known| known.generation),
            asks: accepted.as_ref().map(Accepted::digest).unwrap_or_default(),
            away: accepted.map(|known| known.away).unwrap_or_default(),
        })
    }

    fn file(&self, wanted: &Rendered, ledger: &Ledger, secrets: &Secrets) -> FileFact {
        let machine = self.machine.as_ref();
        let (Ok(bytes), Ok(look)) = (machine.read(&wanted.path), machine.look(&wanted.path)) else {
            return FileFact::Missing;
        };
        let (owner, mode) = (look.owner, look.mode);
        let same = secrets.fill(&wanted.text).is_ok_and(|filled| filled == bytes);
        if same && owner == wanted.owner && mode == wanted.mode && ledger.files.contains_key(&wanted.path) {
            return FileFact::Same;
        }
        let secret = wanted.secrets().next();
        let text = match secret {
            Some(name) => format!("<not shown: holds secret {name}>\n"),
            None => secrets.mask(&bytes),
        };
        let origin = ledger.origin(machine, &wanted.path, &bytes);
        FileFact::Differs(Box::new(FoundFile { text, owner, mode, origin }))
    }

    fn begin(&mut self, id: &str) -> Result<Response, HostError> {
        self.open = Transaction::begin(self.machine.clone(), id)?;
        Ok(if self.open.is_some() { Response::Done } else { Response::Locked })
    }

    /// Under the lock of the open transaction, so that of two who planned from the same generation one is refused.
    fn claim(&mut self, number: u64) -> Result<Response, HostError> {
        let seen = generation::seen(self.machine.as_ref());
        let transaction = self.transaction()?;
        if number <= seen {
            return Ok(Response::Outdated(seen));
        }
        transaction.claim(number);
        Ok(Response::Done)
    }

    fn check(&mut self, question: &Question) -> Result<Response, HostError> {
        let transaction = self.transaction()?;
        let Question::Command { argv, timeout_ms } = question else {
            return Ok(Response::Answer(self.machine.ask(question)));
        };
        let argv: Vec<_> = argv.iter().map(|argument| transaction.place(argument)).collect();
        let answer = self.machine.run(&argv, "", *timeout_ms);
        Ok(Response::Answer(self.masked(&answer)))
    }

    /// What a program said, with secrets as their names.
    fn masked(&self, answer: &Answer) -> Answer {
        let secrets = Secrets::of(self.machine.as_ref());
        let mask = |text: &str| secrets.mask(text.as_bytes());
        Answer { status: answer.status, stdout: mask(&answer.stdout), stderr: mask(&answer.stderr) }
    }

    /// The answer as it is, for it may be data that is written back (a CIB); only complaints are for people.
    fn complaint_masked(&self, answer: Answer) -> Answer {
        let stderr = Secrets::of(self.machine.as_ref()).mask(answer.stderr.as_bytes());
        Answer { stderr, ..answer }
    }

    /// Acts on units; what systemd or a unit's journal says of a failure is shown with secrets as their names.
    fn act(&mut self, actions: &[UnitAction]) -> Result<Response, HostError> {
        let secrets = Secrets::of(self.machine.as_ref());
        let masked = |error| match error {
            HostError::Failed { subject, why } => {
                HostError::Failed { subject, why: secrets.mask(why.as_bytes()) }
            }
            other => other,
        };
        let acted = match &mut self.open {
            Some(transaction) => transaction.act(actions),
            None => actions.iter().try_for_each(|action| self.machine.act(action)),
        };
        acted.map(|()| Response::Done).map_err(masked)
    }

    fn stage(&mut self, files: &[Rendered]) -> Result<Response, HostError> {
        let machine = self.machine.clone();
        self.transaction()?.stage(files, &Secrets::of(machine.as_ref()))?;
        Ok(Response::Done)
    }

    fn keep_secret(&self, name: &str, text: &str) -> Result<Response, HostError> {
        let bytes = crate::desired::unhex(text)
            .ok_or_else(|| HostError::failed(format!("secret {name}"), "is not hex"))?;
        Secrets::of(self.machine.as_ref()).put(name, &bytes)?;
        Ok(Response::Done)
    }

    fn secret(&self, name: &str) -> Result<Response, HostError> {
        Secrets::of(self.machine.as_ref())
            .fill(&[Piece::Secret(name.to_owned())])
            .map(|bytes| Response::Secret(hex(&bytes)))
    }
}

impl Host for Local {
    fn ask(&mut self, request: &Request) -> Result<Response, HostError> {
        let done = |()| Response::Done;
        match request {
            Request::Hello => Ok(Response::Facts(Box::new(self.facts()))),
            Request::Hardware => Ok(Response::Known(Box::new(hardware::known(self.machine.as_ref())))),
            Request::Observe { files, directories, units } => {
                self.recover(); // what is half done is not what is
                self.observe(files, directories, units).map(|seen| Response::Observed(Box::new(seen)))
            }
            Request::Ask(question) => Ok(Response::Answer(self.complaint_masked(self.machine.ask(question)))),
            Request::See { targets, limit_ms } => {
                Ok(Response::Seen(probe::once(targets, Duration::from_millis(*limit_ms))))
            }
            Request::SecretHave(names) => {
                Ok(Response::Secrets(Secrets::of(self.machine.as_ref()).have(names)))
            }
            Request::SecretGet(name) => self.secret(name),
            Request::SecretPut { name, hex } => self.keep_secret(name, hex),
            Request::Remember { group, rehearsal } => {
                rehearsals::remember(self.machine.as_ref(), group, rehearsal).map(done)
            }
            Request::Watch { targets, window_ms } => {
                Ok(Response::Watched(probe::watched(targets, Duration::from_millis(*window_ms))))
            }
            Request::Token { storage, text, write } => {
                token::token(self.machine.place(storage).as_std_path(), text, *write).map(done)
            }
            Request::Stall { window_ms } => {
                Ok(Response::Stall(stall::stall(Duration::from_millis(*window_ms))))
            }
            Request::Checkup(found) => checkup::remember(self.machine.as_ref(), found).map(done),
            Request::Begin { id } => self.begin(id),
            Request::Claim(number) => self.claim(*number),
            Request::Keep { record, limit } => {
                generation::keep(self.machine.as_ref(), record, *limit).map(done)
            }
            Request::Accept(new) => generation::accept(self.machine.as_ref(), new).map(done),
            Request::Events(after) => Ok(Response::Events(events::read(self.machine.as_ref(), *after))),
            Request::History => Ok(Response::Chronicle(generation::chronicle(self.machine.as_ref()))),
            Request::Recall(number) => generation::recall(self.machine.as_ref(), *number)
                .map(|record| Response::Recalled(record.map(Box::new))),
            Request::Directories(list) => {
                list.iter().try_for_each(|one| file::make_folder(self.machine.as_ref(), one)).map(done)
            }
            Request::Stage(files) => self.stage(files),
            Request::Check(question) => self.check(question),
            Request::Swap(paths) => self.transaction()?.swap(paths).map(done),
            Request::Joint { after } => self.transaction()?.joint(after).map(done),
            Request::Remove(paths) => self.transaction()?.remove(paths).map(done),
            Request::Units(actions) => self.act(actions),
            Request::Commit { restarts, confirm } => {
                let open = self.open.take();
                open.map_or(Ok(()), |transaction| transaction.commit(restarts, *confirm)).map(done)
            }
            Request::Await { id, seconds, engine, asked } => {
                confirm::wait(self.machine.as_ref(), id, *seconds, engine.as_ref(), *asked).map(done)
            }
            Request::Dismantle { keep } => self.transaction()?.dismantle(*keep).map(done),
            Request::Confirm => confirm::confirm(self.machine.as_ref()).map(Response::Confirmed),
            Request::Expire => confirm::expire(self.machine.as_ref(), true).map(|_| Response::Done),
            Request::Revert => self.open.take().map_or(Ok(()), Transaction::revert).map(done),
            Request::Run { argv, input, timeout_ms } => {
                Ok(Response::Answer(self.complaint_masked(self.machine.run(argv, input, *timeout_ms))))
            }
        }
    }
}

impl Drop for Local {
    /// A session that ends in the middle of a transaction leaves the old state, and says so.
    fn drop(&mut self) {
        if let Some(transaction) = self.open.take() {
            let _ = transaction.hang_up();
        }
    }
}

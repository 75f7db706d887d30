//! What an administrator asks of a running engine, through one member: move a group, drain a head, pause, confirm a fence.
//!
//! Carries out and waits; whether it may be done is decided by whoever calls.

use std::time::{Duration, Instant};

use super::ApplyError;
use super::engine::run_within;
use crate::desired::Answer;
use crate::engines::pacemaker::{self, EngineState};
use crate::host::Host;

/// Looks at the engine this often while a group moves: crm_mon takes 20 ms.
const LOOK: Duration = Duration::from_millis(50);

/// crm_mon and cibadmin answer at once, or the engine does not run.
const ASK_LIMIT_MS: u64 = 20_000;

/// `cibadmin` says this when the object is not there (crm_exit: CRM_EX_NOSUCH).
const NO_SUCH: i32 = 105;

/// A member's engine, spoken to through its host.
pub struct Engine<'a> {
    host: &'a mut dyn Host,
}

impl<'a> Engine<'a> {
    /// Through this host.
    pub fn on(host: &'a mut dyn Host) -> Self {
        Self { host }
    }

    fn run(&mut self, argv: &[&str], input: &str) -> Result<Answer, ApplyError> {
        let subject = argv.first().copied().unwrap_or_default().to_owned();
        Ok(run_within(&subject, self.host, argv, input, ASK_LIMIT_MS)?)
    }

    fn good(&mut self, argv: &[&str], input: &str) -> Result<(), ApplyError> {
        let answer = self.run(argv, input)?;
        if answer.status == Some(0) {
            return Ok(());
        }
        Err(ApplyError::Engine(format!("{}: {}", argv.join(" "), answer.stderr.trim())))
    }

    /// How it sees the cluster.
    ///
    /// # Errors
    /// It does not answer.
    pub fn state(&mut self) -> Result<EngineState, ApplyError> {
        let answer = self.run(&["crm_mon", "--output-as=xml", "-1"], "")?;
        pacemaker::state(&answer.stdout)
            .map_err(|e| ApplyError::Engine(format!("crm_mon: {e}: {}", answer.stderr)))
    }

    /// Adds a constraint of ours.
    ///
    /// # Errors
    /// The engine refused it.
    pub fn constrain(&mut self, constraint: &str) -> Result<(), ApplyError> {
        self.good(
            &["cibadmin", "--modify", "--allow-create", "--scope", "constraints", "--xml-pipe"],
            constraint,
        )
    }

    /// Takes a group's move constraint away; one that is not there is as good.
    ///
    /// # Errors
    /// The engine refused.
    pub fn release(&mut self, group: &str) -> Result<(), ApplyError> {
        let id = pacemaker::move_id(group);
        let xpath = format!("//rsc_location[@id='{id}']");
        let answer = self.run(&["cibadmin", "--delete", "--force", "--xpath", &xpath], "")?;
        match answer.status {
            Some(0 | NO_SUCH) => Ok(()),
            _ => Err(ApplyError::Engine(format!("cibadmin: {}", answer.stderr.trim()))),
        }
    }

    /// Waits until `there` holds, and says how long that took.
    ///
    /// # Errors
    /// The engine's answer that cannot be read; `Ok(None)` when the limit is over.
    pub fn wait(
        &mut self,
        limit: Duration,
        there: impl Fn(&EngineState) -> bool,
    ) -> Result<Option<Duration>, ApplyError> {
        let begin = Instant::now();
        loop {
            if there(&self.state()?) {
                return Ok(Some(begin.elapsed()));
            }
            if begin.elapsed() > limit {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// A head that carries nothing until it is told otherwise, also after a reboot.
    ///
    /// # Errors
    /// The engine refused.
    pub fn drain(&mut self, head: &str, on: bool) -> Result<(), ApplyError> {
        let word: &[&str] = if on { &["--update", "on"] } else { &["--delete"] };
        self.good(&[&["crm_attribute", "--node", head, "--name", "standby"], word].concat(), "")
    }

    /// Maintenance until `end` (the CIB's own clock), or its end now.
    ///
    /// # Errors
    /// The engine refused.
    pub fn pause(&mut self, end: Option<&str>) -> Result<(), ApplyError> {
        match end {
            Some(end) => {
                let modify =
                    ["cibadmin", "--modify", "--allow-create", "--scope", "crm_config", "--xml-pipe"];
                self.good(&modify, &pacemaker::pause(end))
            }
            None => {
                self.good(
                    &["cibadmin", "--delete", "--scope", "crm_config", "--xml-pipe"],
                    &pacemaker::pause_selector(),
                )?;
                let set = ["--set-name", "cib-bootstrap-options"];
                self.good(
                    &[&["crm_attribute", "--name", "maintenance-mode"][..], &set, &["--delete"]].concat(),
                    "",
                )
            }
        }
    }

    /// Tells the engine that a person has made sure that a member is off.
    ///
    /// # Errors
    /// The engine refused.
    pub fn confirm_off(&mut self, head: &str) -> Result<(), ApplyError> {
        self.good(&["stonith_admin", "--confirm", head], "")
    }

    /// Forgets the failures of a group's resources, so that its heads may carry it again.
    ///
    /// # Errors
    /// The engine refused.
    pub fn forget_failures(&mut self, resource: &str) -> Result<(), ApplyError> {
        self.good(&["crm_resource", "--cleanup", "--resource", resource], "")
    }
}

/// Whether every moving resource of a group runs on `head` and nothing is under way or failed.
pub fn carried_by(state: &EngineState, resources: &[String], head: &str) -> bool {
    on(state, resources, head, |pending| pending.is_none())
}

/// The same of a group that has arrived: it stays there while the engine looks at it, again and again.
pub fn stays_on(state: &EngineState, resources: &[String], head: &str) -> bool {
    on(state, resources, head, |pending| pending.is_none_or(|what| what == "Monitoring"))
}

fn on(state: &EngineState, resources: &[String], head: &str, calm: impl Fn(Option<&str>) -> bool) -> bool {
    let moving = resources.iter().filter(|id| !id.ends_with("-clone"));
    moving.into_iter().all(|id| {
        state.resources.get(id).is_some_and(|found| {
            found.on.len() == 1 && found.on[0] == head && !found.failed && calm(found.pending.as_deref())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::EngineResource;

    #[test]
    fn a_look_at_a_service_that_has_arrived_does_not_say_that_it_went() {
        let with = |pending: Option<&str>, on: &str| {
            let pending = pending.map(str::to_owned);
            let found = EngineResource { on: vec![on.to_owned()], pending, ..EngineResource::default() };
            EngineState { resources: [("home".to_owned(), found)].into(), ..EngineState::default() }
        };
        let ids = ["home".to_owned(), "home-clone".to_owned()];
        let both = |state: &EngineState| (carried_by(state, &ids, "head-2"), stays_on(state, &ids, "head-2"));
        assert_eq!(both(&with(None, "head-2")), (true, true));
        assert_eq!(both(&with(Some("Monitoring"), "head-2")), (false, true));
        assert_eq!(both(&with(Some("Stopping"), "head-2")), (false, false));
        assert_eq!(both(&with(None, "head-1")), (false, false));
    }
}

//! Hosts that are reached at once, one thread a host.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ApplyError;
use crate::desired::HostName;
use crate::host::{Host, HostError, Local, Response};

/// Open sessions, by host.
#[derive(Default)]
pub struct Crew {
    hosts: BTreeMap<HostName, Box<dyn Host + Send>>,
    one_by_one: bool,
}

impl Crew {
    /// This machine alone, without a session.
    pub fn here(name: &str) -> Self {
        let mut crew = Self::default();
        crew.add(name, Box::new(Local::under("/")));
        crew
    }

    /// How long somebody else is let go first who writes at the same time.
    pub(super) fn pause(&self) -> Duration {
        if self.one_by_one { Duration::ZERO } else { Duration::from_millis(100) }
    }

    /// The same hosts, asked one after the other in order of name and without a pause: each run is like the last.
    #[must_use]
    pub fn one_by_one(mut self) -> Self {
        self.one_by_one = true;
        self
    }

    /// One more session.
    pub fn add(&mut self, name: &str, host: Box<dyn Host + Send>) {
        self.hosts.insert(name.to_owned(), host);
    }

    /// Ends a session.
    pub fn remove(&mut self, name: &str) {
        self.hosts.remove(name);
    }

    /// Sessions of another crew beside these.
    pub fn join(&mut self, other: Self) {
        self.hosts.extend(other.hosts);
    }

    /// Each session as `change` makes it.
    #[must_use]
    pub fn map(self, mut change: impl FnMut(&str, Box<dyn Host + Send>) -> Box<dyn Host + Send>) -> Self {
        let changed = self.hosts.into_iter().map(|(name, host)| {
            let host = change(&name, host);
            (name, host)
        });
        Self { hosts: changed.collect(), ..self }
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<HostName> {
        self.hosts.keys().cloned().collect()
    }

    /// One host, if there is a session with it.
    pub fn get(&mut self, name: &str) -> Option<&mut (dyn Host + Send + 'static)> {
        self.hosts.get_mut(name).map(AsMut::as_mut)
    }

    /// The same work on several hosts at once; every answer, in order of name.
    pub fn each<T: Send>(
        &mut self,
        names: &[HostName],
        work: impl Fn(&str, &mut dyn Host) -> Result<T, HostError> + Sync,
    ) -> Vec<(HostName, Result<T, HostError>)> {
        let work = &work;
        if self.one_by_one {
            let chosen = self.hosts.iter_mut().filter(|(name, _)| names.contains(name));
            return chosen.map(|(name, host)| (name.clone(), work(name, host.as_mut()))).collect();
        }
        std::thread::scope(|scope| {
            let chosen = self.hosts.iter_mut().filter(|(name, _)| names.contains(name));
            let threads: Vec<_> = chosen
                .map(|(name, host)| (name.clone(), scope.spawn(move || work(name, host.as_mut()))))
                .collect();
            let lost = |name: &str| HostError::Failed {
                subject: name.to_owned(),
                why: "its thread died".to_owned(),
            };
            let joined = threads.into_iter().map(|(name, thread)| {
                let result = thread.join().unwrap_or_else(|_| Err(lost(&name)));
                (name, result)
            });
            joined.collect()
        })
    }

    /// The same work on several hosts at once; the first error, when all have ended.
    ///
    /// # Errors
    /// What the first host in order of name said.
    pub fn all(
        &mut self,
        names: &[HostName],
        work: impl Fn(&str, &mut dyn Host) -> Result<Response, HostError> + Sync,
    ) -> Result<(), ApplyError> {
        for (_, result) in self.each(names, work) {
            result?;
        }
        Ok(())
    }
}

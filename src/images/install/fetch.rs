//! What a machine that is built asks its head, over HTTP. A head that is away for a while is waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::{InstallError, system};
use crate::desired::fingerprint;
use crate::images::asking::{KNOWN, Stranger};
use crate::images::manifest::{Manifest, Piece};
use crate::images::overlay::Given;
use crate::images::prove_by;
use crate::images::store::{MANIFEST, SIGNATURE, parsed, unpacked};
use crate::images::ticket::{Ticket, Word};
use crate::spec::Mac;

/// A group that moves to another head is away for seconds; a head that restarts, for minutes.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_secs(3);

/// One answer: a piece of 4 MiB over a slow network.
const LIMIT: Duration = Duration::from_secs(60);

/// No manifest of a head is larger.
const BYTES_MAX: u64 = 64 << 20;

/// A server of pieces is done without after this: there are others, and the head.
const SERVER_LIMIT: Duration = Duration::from_secs(20);

/// Who hears what happens, from whichever thread.
pub(super) type Told<'a> = &'a (dyn Fn(&str) + Sync);

/// A head, by what its ticket is asked at.
pub(super) struct Head<'a> {
    url: String,
    agent: Agent,
    told: Told<'a>,
    /// Servers of pieces that have not failed yet; the last one is asked.
    servers: Mutex<Vec<String>>,
}

impl<'a> Head<'a> {
    pub(super) fn at(url: &str, told: Told<'a>) -> Self {
        let agent = Agent::config_builder().timeout_global(Some(LIMIT)).build().into();
        Self { url: url.trim_end_matches('/').to_owned(), agent, told, servers: Mutex::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Tells the person at the console, and the head if it listens: a word that is lost is no reason to stop.
    pub(super) fn say(&self, word: &Word) {
        if word.done == 0 {
            (self.told)(format!("{} {}", word.stage, word.text).trim_end());
        }
        let _ = self.post(word);
    }

    /// The head must hear this one.
    pub(super) fn must_say(&self, word: &Word) -> Result<(), InstallError> {
        self.patiently(|| self.post(word))
    }

    /// The head must hear who this machine is.
    pub(super) fn introduce(&self, own: &Stranger) -> Result<(), InstallError> {
        self.patiently(|| self.post(own))
    }

    /// Whether the head knows the node with that card; an error once it asks nobody any more.
    pub(super) fn knows(&self, mac: Mac) -> Result<bool, InstallError> {
        Ok(self.get(&format!("known/{mac}"))? == KNOWN.as_bytes())
    }

    fn post(&self, word: &impl Serialize) -> Result<(), InstallError> {
        let url = format!("{}/say", self.url);
        let body = serde_json::to_vec(word).unwrap_or_default(); // strings and numbers: it cannot fail
        let sent = self.agent.post(&url).header("content-type", "application/json").send(&body[..]);
        sent.map(|_| ()).map_err(|error| refused(&url, &error))
    }

    /// What the kernel of this machine said, for whoever looks why it was not built; a head that does not listen has none.
    pub(super) fn keep_log(&self, log: &[u8]) {
        let sent = self.agent.post(&format!("{}/log", self.url)).send(log);
        if let Err(error) = sent {
            (self.told)(&format!("the head does not keep the log: {error}"));
        }
    }

    /// Waits for a head that does not answer; one that says no is believed.
    fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, InstallError>) -> Result<T, InstallError> {
        for _ in 1..TRIES {
            match ask() {
                Err(error) if error.retry() => (self.told)(&format!("{error}; waiting")),
                settled => return settled,
            }
            std::thread::sleep(PAUSE);
        }
        ask()
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, InstallError> {
        let url = format!("{}/{path}", self.url);
        self.patiently(|| {
            let mut answer = match self.agent.get(&url).call() {
                Ok(answer) => answer,
                Err(ureq::Error::StatusCode(404)) => {
                    let why =
                        "the head says that there is no such build, or that its time is over".to_owned();
                    return Err(InstallError::System { subject: url.clone(), why });
                }
                Err(error) => return Err(refused(&url, &error)),
            };
            answer
                .body_mut()
                .with_config()
                .limit(BYTES_MAX)
                .read_to_vec()
                .map_err(|error| refused(&url, &error))
        })
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, InstallError> {
        self.get(&format!("file/{name}"))
    }

    pub(super) fn ticket(&self) -> Result<Ticket, InstallError> {
        let ticket: Ticket = self.told_as("ticket")?;
        *self.servers() = in_turn(&ticket.servers, &ticket.head);
        Ok(ticket)
    }

    /// What a node has beside its image.
    pub(super) fn overlay(&self) -> Result<Given, InstallError> {
        self.told_as("overlay")
    }

    fn told_as<T: DeserializeOwned>(&self, path: &str) -> Result<T, InstallError> {
        let bytes = self.get(path)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| InstallError::System { subject: format!("the {path}"), why: error.to_string() })
    }

    /// The manifest, proven by the key in this file.
    pub(super) fn manifest(&self, key: &Utf8Path) -> Result<Manifest, InstallError> {
        let (bytes, signature) = (self.file(MANIFEST)?, self.file(SIGNATURE)?);
        let key = std::fs::read_to_string(key).map_err(system(key))?;
        let beside = Utf8Path::new("/tmp").join(SIGNATURE);
        std::fs::write(&beside, signature).map_err(system(&beside))?;
        prove_by(key.trim(), "the image", &bytes, &beside)?;
        Ok(parsed(Utf8Path::new(MANIFEST), &bytes)?)
    }

    fn servers(&self) -> MutexGuard<'_, Vec<String>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_server(&self, server: &str, piece: &Piece) -> Result<Vec<u8>, String> {
        let url = format!("{}/{}/{}", server.trim_end_matches('/'), &piece.sha256[..2], piece.sha256);
        let asked = self.agent.get(&url).config().timeout_global(Some(SERVER_LIMIT)).build().call();
        let mut answer = asked.map_err(|error| error.to_string())?;
        let bytes = answer.body_mut().with_config().limit(BYTES_MAX).read_to_vec();
        unpacked(&bytes.map_err(|error| error.to_string())?, piece)
            .map_err(|why| format!("piece {} is damaged: {why}", piece.sha256))
    }

    /// The bytes of a piece, proven by its name: one that came damaged is asked for once more.
    pub(super) fn piece(&self, piece: &Piece) -> Result<Vec<u8>, InstallError> {
        loop {
            let Some(server) = self.servers().last().cloned() else { break };
            match self.at_server(&server, piece) {
                Ok(bytes) => return Ok(bytes),
                Err(why) => {
                    // another piece may have found it out before
                    if self.servers().pop_if(|last| *last == server).is_none() {
                        continue;
                    }
                    let text = format!("goes on without {server}: {why}");
                    self.say(&Word { stage: "writing".to_owned(), text, ..Word::default() });
                }
            }
        }
        let path = format!("piece/{}", piece.sha256);
        let once = || unpacked(&self.get(&path)?, piece).map_err(|why| damaged(piece, why));
        once().or_else(|error| if matches!(error, InstallError::Piece { .. }) { once() } else { Err(error) })
    }
}

/// Servers in an order of that machine's own, so that each has its share; the first one last.
fn in_turn(servers: &[String], host: &str) -> Vec<String> {
    let mut servers = servers.to_vec();
    servers.sort_by_cached_key(|server| fingerprint(format!("{host} {server}").as_bytes()));
    servers
}

fn damaged(piece: &Piece, why: String) -> InstallError {
    InstallError::Piece { piece: piece.sha256.clone(), why }
}

fn refused(url: &str, error: &ureq::Error) -> InstallError {
    InstallError::Head { url: url.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_machines_begin_with_all_servers_and_each_always_with_the_same() {
        let servers: Vec<_> = ["a", "b", "c"].map(|name| format!("http://{name}/pieces")).into();
        let first = |node: usize| in_turn(&servers, &format!("compute{node}")).pop().unwrap();
        for server in &servers {
            let begin = (0..300).filter(|node| first(*node) == *server).count();
            assert!((60..140).contains(&begin), "{server}: {begin} of 300");
        }
        assert_eq!(in_turn(&servers, "compute1"), in_turn(&servers, "compute1"));
    }
}

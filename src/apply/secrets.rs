//! Every host gets the secrets that its files use: made once where nobody has them, copied where some host does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ApplyError, Crew, Say};
use crate::desired::{Answer, Desired, HostDesired, HostName, SecretKind, hex};
use crate::host::{HostError, Request, Response};

/// Two key pairs and three signatures took 3.5 s on a busy machine.
const MADE_LIMIT_MS: u64 = 60_000;

/// Makes and copies what is missing on hosts that can be reached.
///
/// # Errors
/// A secret that only a person can know, or that differs between hosts.
pub fn spread(desired: &Desired, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let mut wanted: BTreeMap<&str, (SecretKind, Vec<HostName>)> = BTreeMap::new();
    let reached: BTreeSet<_> = crew.names().into_iter().collect();
    for (host, (_, desired)) in desired.hosts.iter().filter(|(name, _)| reached.contains(*name)) {
        for (name, kind) in &desired.secrets {
            wanted.entry(name).or_insert_with(|| (kind.clone(), Vec::new())).1.push(host.clone());
        }
    }
    let names: Vec<String> = wanted.keys().map(ToString::to_string).collect();
    let mut have = BTreeMap::new();
    for (host, response) in crew.each(&crew.names(), |_, host| host.ask(&Request::SecretHave(names.clone())))
    {
        if let Response::Secrets(found) = response? {
            have.insert(host, found);
        }
    }
    for (name, (kind, hosts)) in wanted {
        one(name, kind, &hosts, &have, crew, say)?;
    }
    Ok(())
}

type Have = BTreeMap<HostName, BTreeMap<String, String>>;

fn one(
    name: &str,
    kind: SecretKind,
    hosts: &[HostName],
    have: &Have,
    crew: &mut Crew,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let keepers: Vec<_> = have.iter().filter_map(|(host, found)| Some((host, found.get(name)?))).collect();
    if let Some((first, hash)) = keepers.first()
        && let Some((other, _)) = keepers.iter().find(|(_, theirs)| theirs != hash)
    {
        let (one, other) = ((*first).clone(), (*other).clone());
        return Err(ApplyError::SecretsDiffer { name: name.to_owned(), one, other });
    }
    let missing: Vec<_> =
        hosts.iter().filter(|host| !keepers.iter().any(|(keeper, _)| keeper == host)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let hex = match keepers.first() {
        Some((keeper, _)) => fetch(name, keeper, crew)?,
        None => {
            say(&format!("making secret {name}"));
            made(name, kind, crew)?.ok_or_else(|| ApplyError::SecretMissing(name.to_owned()))?
        }
    };
    crew.all(&missing, |_, host| host.ask(&Request::SecretPut { name: name.to_owned(), hex: hex.clone() }))
}

/// New bytes in hex; none for a secret that only a person can know.
fn made(name: &str, kind: SecretKind, crew: &mut Crew) -> Result<Option<String>, ApplyError> {
    Ok(match kind {
        SecretKind::Random(size) => Some(random(size)?),
        // the digits are the secret
        SecretKind::RandomHex(size) => {
            Some(random(size)?.bytes().map(|digit| format!("{digit:02x}")).collect())
        }
        SecretKind::Made { host, argv } => Some(printed(name, &host, argv, crew)?),
        SecretKind::Given => None,
    })
}

/// Hosts whose files use a secret, and how it is made.
///
/// # Errors
/// No host uses it, or only a person can know it.
fn users(name: &str, desired: &Desired) -> Result<(SecretKind, Vec<HostName>), ApplyError> {
    let uses = |(host, (_, wanted)): (&HostName, &(_, Arc<HostDesired>))| {
        wanted.secrets.get(name).map(|kind| (host.clone(), kind.clone()))
    };
    let users: Vec<_> = desired.hosts.iter().filter_map(uses).collect();
    let kind = users
        .first()
        .map(|(_, kind)| kind.clone())
        .ok_or_else(|| ApplyError::SecretUnknown(name.to_owned()))?;
    if kind == SecretKind::Given {
        return Err(ApplyError::SecretGiven(name.to_owned()));
    }
    Ok((kind, users.into_iter().map(|(host, _)| host).collect()))
}

/// Makes a secret anew in the store of every host that uses it; what is in place is changed by the next apply. Gives
/// those hosts.
///
/// # Errors
/// A secret that haoscar does not make, or a host that is not reached: then nothing was changed anywhere.
pub fn rotate(name: &str, desired: &Desired, crew: &mut Crew) -> Result<Vec<HostName>, ApplyError> {
    let (kind, hosts) = users(name, desired)?;
    let reached = crew.names();
    let away: Vec<_> = hosts.iter().filter(|host| !reached.contains(host)).map(String::as_str).collect();
    if !away.is_empty() {
        let why = format!("secret {name} is used there, and every host must get the new one");
        return Err(HostError::Unreachable { host: away.join(", "), why }.into());
    }
    let hex = made(name, kind, crew)?.ok_or_else(|| ApplyError::SecretGiven(name.to_owned()))?;
    crew.all(&hosts, |_, host| host.ask(&Request::SecretPut { name: name.to_owned(), hex: hex.clone() }))?;
    Ok(hosts)
}

fn fetch(name: &str, keeper: &str, crew: &mut Crew) -> Result<String, ApplyError> {
    let gone = || HostError::Unreachable { host: keeper.to_owned(), why: "its session is over".to_owned() };
    match crew.get(keeper).ok_or_else(gone)?.ask(&Request::SecretGet(name.to_owned()))? {
        Response::Secret(hex) => Ok(hex),
        _ => Err(ApplyError::SecretMissing(name.to_owned())),
    }
}

/// What a program prints on the host that alone can make it.
fn printed(name: &str, host: &str, argv: Vec<String>, crew: &mut Crew) -> Result<String, ApplyError> {
    let failed = |why: String| ApplyError::SecretUnmade { name: name.to_owned(), host: host.to_owned(), why };
    let session = crew.get(host).ok_or_else(|| failed("there is no session with it".to_owned()))?;
    let request = Request::Run { argv, input: String::new(), timeout_ms: MADE_LIMIT_MS };
    match session.ask(&request)? {
        Response::Answer(Answer { status: Some(0), stdout, .. }) if !stdout.is_empty() => Ok(stdout),
        Response::Answer(answer) => Err(failed(answer.stderr.trim().to_owned())),
        _ => Err(failed("its agent answered something else".to_owned())),
    }
}

fn random(size: usize) -> Result<String, ApplyError> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes)
        .map_err(|e| HostError::Failed { subject: "random bytes".to_owned(), why: e.to_string() })?;
    Ok(hex(&bytes))
}

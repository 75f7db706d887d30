//! Every host gets the secrets that its files use: made once where nobody has them, copied where some host does.

use std::collections::{BTreeMap, BTreeSet};

use super::{ApplyError, Crew, Say};
use crate::desired::{Desired, HostName, SecretKind};
use crate::host::{HostError, Request, Response};

/// Makes and copies what is missing on hosts that can be reached.
///
/// # Errors
/// A secret that only a person can know, or that differs between hosts.
pub fn spread(desired: &Desired, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let mut wanted: BTreeMap<&str, (SecretKind, Vec<HostName>)> = BTreeMap::new();
    let reached: BTreeSet<_> = crew.names().into_iter().collect();
    for (host, (_, desired)) in desired.hosts.iter().filter(|(name, _)| reached.contains(*name)) {
        for (name, kind) in &desired.secrets {
            wanted.entry(name).or_insert_with(|| (*kind, Vec::new())).1.push(host.clone());
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
    let hex = match (keepers.first(), kind) {
        (Some((keeper, _)), _) => fetch(name, keeper, crew)?,
        (None, SecretKind::Random(size)) => {
            say(&format!("making secret {name}"));
            random(size)?
        }
        (None, SecretKind::RandomHex(size)) => {
            say(&format!("making secret {name}"));
            random(size)?.bytes().map(|digit| format!("{digit:02x}")).collect() // the digits are the secret
        }
        (None, SecretKind::Given) => return Err(ApplyError::SecretMissing(name.to_owned())),
    };
    crew.all(&missing, |_, host| host.ask(&Request::SecretPut { name: name.to_owned(), hex: hex.clone() }))
}

fn fetch(name: &str, keeper: &str, crew: &mut Crew) -> Result<String, ApplyError> {
    let gone = || HostError::Unreachable { host: keeper.to_owned(), why: "its session is over".to_owned() };
    match crew.get(keeper).ok_or_else(gone)?.ask(&Request::SecretGet(name.to_owned()))? {
        Response::Secret(hex) => Ok(hex),
        _ => Err(ApplyError::SecretMissing(name.to_owned())),
    }
}

fn random(size: usize) -> Result<String, ApplyError> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes)
        .map_err(|e| HostError::Failed { subject: "random bytes".to_owned(), why: e.to_string() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

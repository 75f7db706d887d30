//! What was carried out is accepted: every head keeps the generation, and the engine names it.

use std::collections::BTreeMap;

use super::{ApplyError, Crew, engine};
use crate::desired::{Accepted, HostName};
use crate::engines::pacemaker::{self, Hold};
use crate::host::Request;
use crate::observed::Record;

/// What is accepted from now on.
#[derive(Debug)]
pub struct Acceptance<'a> {
    /// For the history.
    pub record: &'a Record,
    /// How many generations the history keeps.
    pub limit: usize,
    /// What each host must be.
    pub parts: &'a BTreeMap<HostName, Accepted>,
    /// The commit of the followed branch that is not to be rolled out over it.
    pub hold: Option<&'a Hold>,
}

/// Has the engine name a generation through `member`, where it has a CIB, and then the heads keep it. In that order: of two
/// applies on other hosts each (`--on`) that began at the same generation, only one is named, and the other's hosts are not
/// told that they are what is accepted. What could not be done is answered, a line each: the change itself has been made
/// all the same.
pub fn accept(
    crew: &mut Crew,
    heads: &[HostName],
    member: Option<&str>,
    acceptance: &Acceptance<'_>,
) -> Vec<String> {
    let Acceptance { record, limit, parts, hold } = *acceptance;
    let accepted = &record.generation;
    let named = member.map_or(Ok(()), |member| {
        let commit = accepted.commit.as_deref();
        engine::push(crew, member, &|cib| pacemaker::accept(cib, accepted.number, commit, hold))
    });
    if let Err(error) = named {
        return vec![error.to_string()];
    }
    let mut wrong = keep(crew, heads, record, limit);
    wrong.extend(tell(crew, parts));
    wrong
}

/// Has those of the heads that are reached keep a generation, and of all of them the newest `limit`. What could not be done is
/// answered, a line each.
pub fn keep(crew: &mut Crew, heads: &[HostName], record: &Record, limit: usize) -> Vec<String> {
    let keep = Request::Keep { record: Box::new(record.clone()), limit };
    let reached: Vec<_> = crew.names().into_iter().filter(|name| heads.contains(name)).collect();
    let kept = crew.each(&reached, |_, host| host.ask(&keep));
    let wrong = |(name, result): (HostName, Result<_, _>)| {
        Some(format!("{name} does not keep it: {}", result.err()?))
    };
    kept.into_iter().filter_map(wrong).collect()
}

/// Tells every host that is reached what it must be from now on. What could not be told is answered, a line each.
pub fn tell(crew: &mut Crew, parts: &BTreeMap<HostName, Accepted>) -> Vec<String> {
    let reached: Vec<_> = crew.names().into_iter().filter(|name| parts.contains_key(name)).collect();
    let told = crew.each(&reached, |name, host| host.ask(&Request::Accept(Box::new(parts[name].clone()))));
    let wrong = |(name, result): (HostName, Result<_, _>)| {
        Some(format!("{name} does not keep what it must be: {}", result.err()?))
    };
    told.into_iter().filter_map(wrong).collect()
}

/// Has the engine hold a commit of the followed branch, or none.
///
/// # Errors
/// The engine did not take it.
pub fn hold(crew: &mut Crew, member: &str, hold: Option<&Hold>) -> Result<(), ApplyError> {
    engine::push(crew, member, &|cib| pacemaker::hold(cib, hold))
}

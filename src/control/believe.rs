//! Whether the newest commit of the followed branch is believed: it goes on from what is accepted, a key signed it that the
//! commit before it allows, and it holds a valid spec.

use super::tip::Doubt;
use crate::desired::{Accepted, judge_site};
use crate::history::{Followed, HistoryError, Tip, short};
use crate::host::trusted;
use crate::spec::{self, Policy, Problem, Severity};

/// The last judgement, which holds as long as neither side changes.
#[derive(Debug, Default)]
pub(super) struct Judged {
    of: Option<(String, u64, Option<String>)>,
    doubt: Option<Doubt>,
}

impl Judged {
    /// Why this commit is not believed; none: it is. `commit`: what the engine names as accepted.
    pub fn doubt(
        &mut self,
        copy: &Followed,
        accepted: &Accepted,
        commit: Option<&str>,
        tip: &Tip,
    ) -> Option<Doubt> {
        let of = Some((tip.commit.clone(), accepted.generation, commit.map(str::to_owned)));
        if self.of != of {
            self.doubt = judge(copy, accepted, commit, tip).err();
            self.of = of;
        }
        self.doubt.clone()
    }
}

/// What lies in a folder was put there by root, and goes on from nothing.
fn judge(copy: &Followed, accepted: &Accepted, commit: Option<&str>, tip: &Tip) -> Result<(), Doubt> {
    if accepted.policy.follows_folder() {
        return valid(copy, accepted, &tip.commit).map(|_| ()).map_err(Doubt::Bad);
    }
    let commit = commit.and_then(|commit| copy.full(commit.trim_end_matches('+')));
    let mut new = None;
    for known in [commit, copy.believed()].into_iter().flatten() {
        let since = copy.since(&known, &tip.commit).map_err(|error| Doubt::Apart(error.to_string()))?;
        let since = since.ok_or_else(|| Doubt::Apart(apart(&known)))?;
        new = new.or(Some(since));
    }
    let mut new = new.unwrap_or_default();
    if new.last() != Some(&tip.commit) {
        new.push(tip.commit.clone()); // the first one, or one that is accepted with changes of somebody's own
    }
    if required(&accepted.policy) {
        signed(copy, accepted, &new, tip)?;
    }
    valid(copy, accepted, &tip.commit).map(|_| ()).map_err(Doubt::Bad)
}

fn apart(known: &str) -> String {
    let short = short(known);
    format!(
        "the branch was rewound or rewritten, and commit {short} is no longer in it; `haoscar apply` of what is meant ends that"
    )
}

fn required(policy: &Policy) -> bool {
    policy.trust.as_ref().is_some_and(|trust| trust.required)
}

/// Each commit that is signed by an allowed key says which keys may sign the next; the newest must be signed.
fn signed(copy: &Followed, accepted: &Accepted, new: &[String], tip: &Tip) -> Result<(), Doubt> {
    let mut keys = keys(&accepted.policy).unwrap_or_else(trusted);
    let mut last: Result<(), HistoryError> = Ok(());
    for commit in new {
        last = copy.signed(commit, &keys);
        if last.is_ok()
            && *commit != tip.commit
            && let Ok(cluster) = valid(copy, accepted, commit)
            && let Some(new) = self::keys(&cluster.policy)
        {
            keys = new;
        }
    }
    last.map_err(|error| {
        let generation = accepted.generation;
        Doubt::Bad(format!("no key that generation {generation} trusts has signed it: {error}"))
    })
}

/// None where no key is named: then those count that were added by hand.
fn keys(policy: &Policy) -> Option<Vec<String>> {
    policy.trust.as_ref().map(|trust| trust.keys.clone()).filter(|keys| !keys.is_empty())
}

fn valid(copy: &Followed, accepted: &Accepted, commit: &str) -> Result<spec::Cluster, String> {
    let path = accepted.policy.source.as_ref().map(|source| source.path.clone()).unwrap_or_default();
    let sources = copy.sources(commit, &path).map_err(|error| error.to_string())?;
    let (loaded, _) = spec::judge(&sources).map_err(|found| first(&found))?;
    let wrong = judge_site(&sources, &loaded.cluster);
    if !wrong.is_empty() {
        return Err(first(&wrong));
    }
    let name = &loaded.cluster.name;
    if *name == accepted.cluster {
        Ok(loaded.cluster)
    } else {
        Err(format!("it is the spec of another cluster, {name}"))
    }
}

/// The first error and how many there are.
fn first(found: &[Problem]) -> String {
    let errors = || found.iter().filter(|problem| problem.severity == Severity::Error);
    let Some(problem) = errors().next() else { return String::new() };
    let place = problem.places.first().map(|place| format!("{}:{}: ", place.file, place.line));
    let more = errors().count() - 1;
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    format!("{}{} [{}]{more}", place.unwrap_or_default(), problem.message, problem.code)
}

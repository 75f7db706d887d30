//! What is to be done about the newest commit of the branch that is followed. Pure.

use crate::engines::pacemaker::Hold;
use crate::observed::{Following, Standing};
use crate::spec::Rollout;

/// Everything that counts for it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `commit 4f2c1aa of main`.
    pub named: String,
    /// Its full name.
    pub commit: String,
    /// It is what is accepted, as this generation.
    pub accepted: Option<u64>,
    /// Why it is not believed.
    pub doubt: Option<Doubt>,
    /// What the engine holds.
    pub held: Option<Hold>,
    /// Whether it may be rolled out by itself.
    pub rollout: Rollout,
    /// Why not at this time.
    pub shut: Option<String>,
    /// What speaks against a whole cluster.
    pub against: Vec<String>,
}

/// Why a commit is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The branch does not go on from what is accepted: a person must say what is meant.
    Apart(String),
    /// It is not signed as it must be, or it is no valid spec.
    Bad(String),
}

/// None: it is to be rolled out now. Else how it stands, in one sentence.
pub fn standing(seen: &Seen) -> Option<Following> {
    let named = &seen.named;
    let said = |standing: Standing, sentence: String| {
        Some(Following { commit: seen.commit.clone(), standing, sentence })
    };
    if let Some(generation) = seen.accepted {
        return said(Standing::InStep, format!("{named} is accepted as generation {generation}"));
    }
    match &seen.doubt {
        Some(Doubt::Apart(why)) => return said(Standing::Held, format!("{named} is held: {why}")),
        Some(Doubt::Bad(why)) => {
            return said(
                Standing::Refused,
                format!("{named} is refused, and what was accepted stays: {why}"),
            );
        }
        None => {}
    }
    if let Some(hold) = seen.held.as_ref().filter(|hold| hold.holds(&seen.commit)) {
        let (why, ends) = (&hold.why, "`haoscar resume` or a newer commit ends that");
        return if hold.refused {
            said(Standing::Refused, format!("{named} is refused, and what was accepted stays: {why}; {ends}"))
        } else {
            said(Standing::Held, format!("{named} is held: {why}; {ends}"))
        };
    }
    if seen.rollout == Rollout::Manual {
        return said(
            Standing::Waits,
            format!("{named} waits for `haoscar apply` (policy.rollout is manual)"),
        );
    }
    if let Some(why) = &seen.shut {
        return said(Standing::Waits, format!("{named} waits: {why}"));
    }
    let first = seen.against.first()?;
    said(Standing::Waits, format!("{named} waits until the cluster is whole: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            named: "commit 4f2c1aa of main".to_owned(),
            commit: "4f2c1aa0".to_owned(),
            accepted: None,
            doubt: None,
            held: None,
            rollout: Rollout::Auto,
            shut: None,
            against: Vec::new(),
        }
    }

    fn hold(commit: &str) -> Hold {
        Hold { commit: commit.to_owned(), refused: false, why: "applied by hand".to_owned() }
    }

    fn stands(seen: &Seen) -> Option<Standing> {
        standing(seen).map(|following| following.standing)
    }

    #[test]
    fn a_believed_commit_is_rolled_out_when_nothing_speaks_against_it() {
        assert_eq!(standing(&seen()), None);
    }

    #[test]
    fn each_thing_that_speaks_against_it_keeps_it_from_being_rolled_out() {
        let bad = Doubt::Bad("not signed".to_owned());
        let apart = Doubt::Apart("rewritten".to_owned());
        let cases = [
            (Seen { accepted: Some(7), ..seen() }, Standing::InStep),
            (Seen { doubt: Some(bad), ..seen() }, Standing::Refused),
            (Seen { doubt: Some(apart), ..seen() }, Standing::Held),
            (Seen { held: Some(Hold { refused: true, ..hold("4f2c1aa0") }), ..seen() }, Standing::Refused),
            (Seen { rollout: Rollout::Manual, ..seen() }, Standing::Waits),
            (Seen { held: Some(hold("4f2c1aa0")), ..seen() }, Standing::Held),
            (Seen { shut: Some("Sunday".to_owned()), ..seen() }, Standing::Waits),
            (Seen { against: vec!["head-2 is not online".to_owned()], ..seen() }, Standing::Waits),
        ];
        for (seen, wanted) in cases {
            assert_eq!(stands(&seen), Some(wanted), "{seen:?}");
        }
    }

    #[test]
    fn a_hold_of_an_older_tip_does_not_hold_a_newer_commit() {
        assert_eq!(standing(&Seen { held: Some(hold("0123456")), ..seen() }), None);
    }

    #[test]
    fn a_bad_commit_is_refused_also_where_nothing_is_rolled_out_by_itself() {
        let bad = Some(Doubt::Bad("line 4".to_owned()));
        assert_eq!(stands(&Seen { doubt: bad, rollout: Rollout::Manual, ..seen() }), Some(Standing::Refused));
    }
}

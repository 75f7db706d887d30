//! Whether what drifted may be put back now. Pure.

use crate::desired::Accepted;
use crate::engines::EngineState;
use crate::observed::HostObserved;

/// What keeps healing from going on; none: it may. `engine`: how the engine is, as this host's own part of it says.
/// `named`: the generation that the engine names as accepted.
pub fn hinders(
    accepted: &Accepted,
    seen: &HostObserved,
    engine: Option<&EngineState>,
    named: u64,
) -> Option<String> {
    unfinished(accepted, seen, named)
        .or_else(|| behind(accepted, named))
        .or_else(|| unsettled(accepted, engine?))
}

/// An apply that is not over, or did not end well.
fn unfinished(accepted: &Accepted, seen: &HostObserved, named: u64) -> Option<String> {
    if let Some(waits) = &seen.unconfirmed {
        return Some(waits.to_string());
    }
    if let Some(last) = seen.recovered.as_ref().filter(|last| last.end.wants_a_person()) {
        return Some(last.to_string());
    }
    (seen.seen > accepted.generation.max(named))
        .then(|| format!("generation {} was begun and is not accepted: `haoscar apply` ends it", seen.seen))
}

fn behind(accepted: &Accepted, named: u64) -> Option<String> {
    (named > accepted.generation).then(|| {
        let own = accepted.generation;
        format!("generation {named} is accepted and this host has {own}: it waits for its turn")
    })
}

fn unsettled(accepted: &Accepted, engine: &EngineState) -> Option<String> {
    if engine.maintenance {
        return Some("the engine is paused, or in maintenance".to_owned());
    }
    let ids = accepted.engine.iter().flat_map(|engine| engine.resources.values()).flatten();
    let primitives = ids.map(|id| id.strip_suffix("-clone").unwrap_or(id));
    let failed = |id: &&str| engine.resources.get(*id).is_some_and(|found| found.failed || found.is_dead());
    primitives.into_iter().find(failed).map(|id| format!("{id} has failed, and the engine is at it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Role;
    use crate::engines::{EngineDesired, EngineResource};
    use crate::observed::{End, Recovered, Unconfirmed};
    use crate::spec::Policy;
    use std::collections::{BTreeMap, BTreeSet};

    fn accepted() -> Accepted {
        let resources = BTreeMap::from([("control".to_owned(), vec!["control-names-clone".to_owned()])]);
        Accepted {
            cluster: "oscar".to_owned(),
            host: "head-1".to_owned(),
            role: Role::Head,
            generation: 5,
            commit: None,
            policy: Policy::default(),
            group: Some("control".to_owned()),
            files: Vec::new(),
            directories: Vec::new(),
            units: Vec::new(),
            engine: Some(EngineDesired { resources, ..EngineDesired::default() }),
            whole: String::new(),
            away: BTreeSet::new(),
        }
    }

    fn said(seen: &HostObserved, engine: Option<&EngineState>, named: u64) -> Option<String> {
        hinders(&accepted(), seen, engine, named)
    }

    #[test]
    fn a_whole_cluster_at_the_same_generation_is_healed() {
        let seen = HostObserved { seen: 5, ..HostObserved::default() };
        assert_eq!(said(&seen, Some(&EngineState::default()), 5), None);
        assert_eq!(said(&seen, None, 0), None, "a head whose engine does not run has files too");
    }

    #[test]
    fn what_an_apply_has_put_out_and_nobody_has_accepted_is_not_healed_back() {
        let seen = HostObserved { seen: 6, ..HostObserved::default() };
        assert!(said(&seen, None, 5).unwrap().contains("generation 6 was begun"));
    }

    #[test]
    fn a_head_that_was_part_of_what_is_accepted_and_was_not_told_so_waits_for_its_turn() {
        let seen = HostObserved { seen: 6, ..HostObserved::default() };
        assert!(said(&seen, None, 6).unwrap().contains("generation 6 is accepted and this host has 5"));
    }

    #[test]
    fn a_head_that_was_away_does_not_heal_toward_an_old_generation() {
        let seen = HostObserved { seen: 5, ..HostObserved::default() };
        assert!(said(&seen, Some(&EngineState::default()), 7).unwrap().contains("waits for its turn"));
    }

    #[test]
    fn what_was_put_back_for_want_of_a_confirmation_stays_put_back() {
        let waits = Unconfirmed { id: "x".to_owned(), seconds: 9 };
        let waiting = HostObserved { unconfirmed: Some(Box::new(waits)), ..HostObserved::default() };
        assert!(said(&waiting, None, 5).unwrap().contains("goes back in 9 s"));
        let back = Recovered { id: "x".to_owned(), end: End::Unconfirmed };
        let back = HostObserved { recovered: Some(Box::new(back)), ..HostObserved::default() };
        assert!(said(&back, None, 5).unwrap().contains("was not confirmed"));
    }

    #[test]
    fn nothing_is_healed_while_the_engine_is_paused_or_a_service_has_failed() {
        let seen = HostObserved::default();
        let paused = EngineState { maintenance: true, ..EngineState::default() };
        assert!(said(&seen, Some(&paused), 5).unwrap().contains("paused"));
        let failed = EngineResource { failed: true, ..EngineResource::default() };
        let resources = BTreeMap::from([("control-names".to_owned(), failed)]);
        let failed = EngineState { resources, ..EngineState::default() };
        assert!(said(&seen, Some(&failed), 5).unwrap().starts_with("control-names has failed"));
    }
}

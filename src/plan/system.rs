//! Machines that run another distribution than the spec says.

use super::{Plan, Refusal};
use crate::desired::{Desired, Role};
use crate::observed::Observed;
use crate::spec::Os;

/// Nothing is laid on a head or witness with the words of another distribution; nodes wait for nobody. A distribution
/// that haoscar does not know is the site's own affair.
pub(super) fn system(desired: &Desired, observed: &Observed, name: &str, plan: &mut Plan) {
    let Some(runs) = observed.systems.get(name).and_then(|word| Os::told(word)) else { return };
    if runs == desired.os {
        return;
    }
    let why = format!("{name} runs {}, and the spec says os: {}", runs.word(), desired.os.word());
    let mend = format!("say os: {} in the spec; all machines of a cluster run the same one", runs.word());
    against(desired, name, (why, mend), plan);
}

/// Refused of a head or witness, and said of a node.
pub(super) fn against(desired: &Desired, name: &str, (why, mend): (String, String), plan: &mut Plan) {
    let node = desired.hosts.get(name).is_some_and(|(role, _)| *role == Role::Node);
    if node {
        plan.notes.push(why);
    } else {
        plan.refused.push(Refusal { why, mend, unreachable: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::HostDesired;
    use std::sync::Arc;

    fn planned(role: Role, runs: &str) -> Plan {
        let hosts = [("host".to_owned(), (role, Arc::new(HostDesired::default())))].into();
        let desired = Desired { hosts, os: Os::Debian13, ..Desired::default() };
        let systems = [("host".to_owned(), runs.to_owned())].into();
        let mut plan = Plan::default();
        system(&desired, &Observed { systems, ..Observed::default() }, "host", &mut plan);
        plan
    }

    #[test]
    fn a_head_of_another_distribution_is_refused_and_a_node_is_named() {
        let refused = &planned(Role::Head, "debian-12").refused[0];
        assert_eq!(refused.why, "host runs debian-12, and the spec says os: debian-13");
        assert!(refused.mend.starts_with("say os: debian-12"));
        let node = planned(Role::Node, "rocky-9.5");
        assert!(node.refused.is_empty());
        assert_eq!(node.notes, ["host runs rhel-9, and the spec says os: debian-13"]);
    }

    #[test]
    fn the_same_and_an_unknown_one_are_nobodys_trouble() {
        for runs in ["debian-13", "linuxmint-22"] {
            let plan = planned(Role::Witness, runs);
            assert!(plan.refused.is_empty() && plan.notes.is_empty());
        }
    }
}

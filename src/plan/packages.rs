//! What is to be done about packages that a host lacks.

use std::collections::BTreeSet;

use super::system::against;
use super::{HostPlan, Plan};
use crate::desired::Desired;
use crate::observed::Observed;

/// Installed by the apply where the spec says so; else nothing is applied to a head or witness that lacks one. A node that
/// does is its own affair: the others do not wait for it.
pub fn packages(desired: &Desired, observed: &Observed, name: &str, found: &mut HostPlan, plan: &mut Plan) {
    let Some(missing) = observed.missing.get(name).filter(|missing| !missing.is_empty()) else { return };
    if desired.ensure_packages {
        found.packages = missing.clone();
        return;
    }
    let names = words(missing);
    let why = format!("{name} lacks packages: {names}");
    let install = desired.os.install_words();
    let mend = format!("there: {install} {names}; or have haoscar do it: policy: {{ packages: ensure }}");
    against(desired, name, (why, mend), plan);
}

fn words(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{HostDesired, Role};
    use std::sync::Arc;

    fn planned(role: Role, ensure: bool) -> (HostPlan, Plan) {
        let hosts = [("host".to_owned(), (role, Arc::new(HostDesired::default())))].into();
        let desired = Desired { hosts, ensure_packages: ensure, ..Desired::default() };
        let missing = BTreeSet::from(["chrony", "dnsmasq"].map(str::to_owned));
        let observed = Observed { missing: [("host".to_owned(), missing)].into(), ..Observed::default() };
        let (mut found, mut plan) = (HostPlan::default(), Plan::default());
        packages(&desired, &observed, "host", &mut found, &mut plan);
        (found, plan)
    }

    #[test]
    fn a_head_that_lacks_packages_is_refused_with_the_command_that_mends_it() {
        let (found, plan) = planned(Role::Head, false);
        assert!(found.is_empty());
        assert_eq!(plan.refused[0].why, "host lacks packages: chrony dnsmasq");
        assert!(plan.refused[0].mend.contains("apt-get install --no-install-recommends chrony dnsmasq"));
    }

    #[test]
    fn a_node_that_lacks_packages_keeps_nobody_waiting() {
        let (found, plan) = planned(Role::Node, false);
        assert!(found.is_empty() && plan.refused.is_empty());
        assert_eq!(plan.notes, ["host lacks packages: chrony dnsmasq"]);
    }

    #[test]
    fn where_the_spec_says_so_they_are_part_of_the_plan() {
        for role in [Role::Head, Role::Witness, Role::Node] {
            let (found, plan) = planned(role, true);
            assert_eq!(found.objects(), 2);
            assert!(plan.refused.is_empty() && plan.notes.is_empty());
        }
    }
}

//! What changes in the objects that running services hold themselves, from what they answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::{Desired, Live, Statement};
use crate::observed::Observed;

/// The objects of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePlan {
    /// What the service is told, in order. Empty where they wait.
    pub statements: Vec<Statement>,
    /// Why nothing can be said of them yet.
    pub waits: Option<String>,
}

/// Services whose objects differ or wait, by name.
pub fn live(desired: &Desired, observed: &Observed) -> BTreeMap<String, LivePlan> {
    let found = desired.live.iter().map(|live| (live.service.clone(), one(live, observed)));
    found.filter(|(_, plan)| *plan != LivePlan::default()).collect()
}

fn one(live: &Live, observed: &Observed) -> LivePlan {
    let wait = |why: String| LivePlan { waits: Some(why), ..LivePlan::default() };
    let Some(answers) = observed.live.get(&live.service) else { return wait(" until it runs".to_owned()) };
    match (live.changes)(&live.wanted, answers) {
        Ok(statements) => LivePlan { statements, waits: None },
        Err(why) => wait(format!(": {}", why.trim().replace('\n', "; "))),
    }
}

/// `+ ~ -` lines, a service at a time.
pub fn lines(plans: &BTreeMap<String, LivePlan>) -> String {
    let with = plans.iter().filter(|(_, plan)| !plan.statements.is_empty());
    let line = |statement: &Statement| format!("  {} {}\n", statement.sign, statement.text);
    with.map(|(service, plan)| {
        format!("objects of {service}\n{}", plan.statements.iter().map(line).collect::<String>())
    })
    .collect()
}

/// `scheduler: its objects wait until it runs`, a line each.
pub fn waiting(plans: &BTreeMap<String, LivePlan>) -> impl Iterator<Item = String> {
    let found = plans.iter().filter_map(|(service, plan)| Some((service, plan.waits.as_ref()?)));
    found.map(|(service, why)| format!("{service}: its objects wait{why}"))
}

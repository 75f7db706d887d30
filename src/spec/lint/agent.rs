//! Parameters of fence agents and OCF agents, against what the distribution's own agents say of them.

use super::{Lint, Mend};
use crate::spec::agents::{Finding, judge, package, packaged, packaged_like};
use crate::spec::{Severity, nearest, uses};

pub(super) fn check(lint: &mut Lint<'_>) {
    for used in uses(lint.cluster) {
        let os = lint.cluster.os;
        let package = package(os, &used.agent);
        let Some(agent) = packaged(os, &used.agent) else {
            let place = lint.at(&used.agent_path, "");
            let hint = nearest(&used.agent, packaged_like(os, &used.agent));
            let hint = hint.map_or_else(
                || "nothing to do if it is your own: `haoscar plan` asks the heads what it takes".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("{}: {} is not in {package} of {}", used.owner, used.agent, os.word());
            lint.note("agent/unknown", message, [place]).mend(hint);
            continue;
        };
        for finding in judge(&used, &agent, &package, lint.cluster) {
            say(lint, finding);
        }
    }
}

fn say(lint: &mut Lint<'_>, finding: Finding) {
    let place = lint.at_key(&finding.path, "");
    let problem = lint.error(finding.code, finding.message, [place]);
    if finding.is_note {
        problem.severity = Severity::Note;
    }
    problem.mend(finding.hint);
}

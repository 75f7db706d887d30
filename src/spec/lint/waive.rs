//! Waivers: a rule that a site accepts becomes a note with the site's reason.

use super::{Lint, Mend};
use crate::spec::{Severity, code, nearest};

pub(super) fn apply(lint: &mut Lint<'_>) {
    for (index, waive) in lint.cluster.waive.iter().enumerate() {
        let place = lint.at(&format!("waive.{index}.code"), "");
        let Some(known) = code(&waive.code) else {
            let hint = nearest(&waive.code, crate::spec::codes().map(|code| code.code));
            lint.error("waive/unknown-code", format!("there is no rule `{}`", waive.code), [place]).mend(
                hint.map_or_else(
                    || "`haoscar explain` lists every code".to_owned(),
                    |code| format!("did you mean `{code}`?"),
                ),
            );
            continue;
        };
        if !known.waivable {
            lint.error(
                "waive/not-waivable",
                format!("`{}` cannot be waived: what it refuses cannot work", waive.code),
                [place],
            )
            .mend("mend the spec, and remove this waiver");
            continue;
        }
        let mut hits = 0;
        for problem in lint.found.iter_mut().filter(|problem| problem.code == waive.code) {
            problem.severity = Severity::Note;
            problem.message = format!("{} (waived: {})", problem.message, waive.reason);
            problem.hint = None;
            problem.places.truncate(1);
            hits += 1;
        }
        // what an agent takes is known for sure only where it is asked, by plan and apply
        let asked_later = waive.code.starts_with("agent/");
        if hits == 0 && !lint.is_full() && !asked_later {
            lint.error(
                "waive/unused",
                format!("`{}` is waived, but nothing here breaks it", waive.code),
                [place],
            )
            .mend("remove this waiver, so that it does not hide a later mistake");
        }
    }
}

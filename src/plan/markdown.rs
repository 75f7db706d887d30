//! A plan as Markdown, for a comment on a change of the spec. Pure.

use std::fmt::Write;

use super::show::{file_line, has_diff, rest, unit_line};
use super::{HostPlan, Plan, sentence};

/// GitHub refuses a comment of more than 65,536 characters (its API's error says so); room is left for what is said of it.
const CHARACTERS_MAX: usize = 65_000;

/// The sentence, a fold a host with its diffs, and what it means. Where it would be too long, hosts are cut to their lines,
/// then left out, and that is said.
pub fn markdown(plan: &Plan) -> String {
    let mut text = format!("### haoscar plan\n\n{}\n", sentence(plan));
    let mut end = String::new();
    rest(plan, &mut end);
    let end: String = end.lines().map(|line| format!("- {}\n", line.trim())).collect();
    text += &if end.is_empty() { end } else { format!("\n{end}") };
    let mut left = 0;
    let hosts =
        plan.hosts.iter().map(|(name, host)| [true, false].map(|diffs| fold(name, &lines(host, diffs))));
    let engine = Some(&plan.engine.changes).filter(|changes| !changes.is_empty());
    let engine = engine.map(|changes| fold("engine", &format!("{}\n", changes.join("\n"))));
    for forms in hosts.chain(engine.map(|engine| [engine.clone(), engine])) {
        let room = CHARACTERS_MAX.saturating_sub(text.chars().count());
        match forms.into_iter().find(|form| form.chars().count() < room) {
            Some(form) => text += &form,
            None => left += 1,
        }
    }
    if left > 0 {
        let _ = writeln!(text, "\n{left} more would not fit into a comment: `haoscar plan` shows all.");
    }
    text
}

fn lines(host: &HostPlan, diffs: bool) -> String {
    let mut text = String::new();
    for package in &host.packages {
        let _ = writeln!(text, "+ package {package}");
    }
    for folder in &host.directories {
        let _ = writeln!(text, "+ {}/", folder.path);
    }
    for change in host.all_files() {
        let _ = writeln!(text, "{}", file_line(change));
        if diffs && has_diff(change) {
            text += change.diff.trim_end();
            text.push('\n');
        }
    }
    for action in host.all_units() {
        let _ = writeln!(text, "{}", unit_line(action));
    }
    text
}

/// A fence of more backticks than any line of it begins with cannot be ended from within (CommonMark 4.5).
fn fold(name: &str, lines: &str) -> String {
    let ticks = lines.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(ticks.max(2) + 1);
    format!("\n<details><summary>{name}</summary>\n\n{fence}diff\n{lines}{fence}\n\n</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Origin;
    use crate::plan::{FileChange, FileVerb, UnitAction, UnitVerb};
    use std::collections::BTreeMap;

    fn plan(diff: &str, hosts: usize) -> Plan {
        let file = FileChange {
            path: "/etc/chrony/chrony.conf".into(),
            verb: FileVerb::Change,
            origin: Some(Origin::Edited),
            diff: diff.to_owned(),
            file: None,
            cosmetic: false,
        };
        let (unit, reason) = ("chrony.service".to_owned(), "/etc/chrony/chrony.conf changed".to_owned());
        let units = vec![UnitAction { verb: UnitVerb::Restart, unit, reason }];
        let host = HostPlan { files: vec![file], units, ..HostPlan::default() };
        let hosts =
            (1..=hosts).map(|number| (format!("head-{number}"), host.clone())).collect::<BTreeMap<_, _>>();
        Plan { cluster: "tiny".to_owned(), hosts, ..Plan::default() }
    }

    #[test]
    fn a_plan_is_a_sentence_and_a_fold_a_host_with_its_diff() {
        let mut plan = plan("@@ -1 +1 @@\n-old\n+new\n", 1);
        plan.engine.changes = vec!["~ primitive control-time".to_owned()];
        plan.engine.restarts.insert("control-time".to_owned(), "its file changed".to_owned());
        let expected = "### haoscar plan

cluster tiny: 2 objects on 1 host and 2 objects of the engine would change

- impact: the engine restarts control-time: its file changed

<details><summary>head-1</summary>

```diff
~ /etc/chrony/chrony.conf (edited by hand; the edit is kept)
@@ -1 +1 @@
-old
+new
~ restart chrony.service: /etc/chrony/chrony.conf changed
```

</details>

<details><summary>engine</summary>

```diff
~ primitive control-time
```

</details>
";
        assert_eq!(markdown(&plan), expected);
    }

    #[test]
    fn what_a_file_says_cannot_end_the_fence_that_it_stands_in() {
        let text = markdown(&plan("+````\n+</details>\n", 1));
        assert!(text.contains("\n`````diff\n") && text.contains("\n`````\n"), "{text}");
    }

    #[test]
    fn a_plan_that_is_too_long_for_a_comment_loses_diffs_and_says_what_was_left_out() {
        let long = "+x\n".repeat(30_000);
        let text = markdown(&plan(&long, 3));
        assert!(!text.contains("+x") && text.contains("head-3"), "diffs go first");
        let text = markdown(&plan("+x\n", 2_000));
        assert!(text.chars().count() < 65_536);
        assert!(text.ends_with(" more would not fit into a comment: `haoscar plan` shows all.\n"), "{text}");
    }
}

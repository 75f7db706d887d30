//! What `qmgr` holds, as statements: written from the spec, read back from `qmgr -c 'print server'`, compared.
//!
//! Rules of the comparison from knowledge/schedulers.md section 3: `=` starts a value and `+=` adds to it; lists of
//! hosts and users are sets (qmgr changes their order); True and False in any case; what the server makes by itself
//! and the spec does not declare is left alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::{Nodes, Partition};

/// `KIND NAME` of an object; the server has no name.
type Subject = String;

/// Objects with their attributes; a list is a set of parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects(BTreeMap<Subject, BTreeMap<String, BTreeSet<String>>>);

const LISTS: [&str; 6] = ["acl_hosts", "acl_users", "acl_groups", "managers", "operators", "event"];

/// Statements that make one queue.
pub fn queue(name: &str, partition: &Partition) -> Vec<String> {
    let mut lines = vec![
        format!("create queue {name}"),
        format!("set queue {name} queue_type = Execution"),
        format!("set queue {name} enabled = True"),
        format!("set queue {name} started = True"),
    ];
    if let Some(time) = partition.max_time {
        let seconds = time.as_millis().div_ceil(1000);
        let (hours, rest) = (seconds / 3600, seconds % 3600);
        lines.push(format!(
            "set queue {name} resources_max.walltime = {hours:02}:{:02}:{:02}",
            rest / 60,
            rest % 60
        ));
    }
    if partition.default {
        lines.push(format!("set server default_queue = {name}"));
    }
    lines
}

/// Statements that make one node.
pub fn node(name: &str, declared: &Nodes) -> Vec<String> {
    let mut lines = vec![format!("create node {name}")];
    lines.extend(declared.cpus.map(|n| format!("set node {name} resources_available.ncpus = {n}")));
    lines.extend(declared.memory_mib.map(|n| format!("set node {name} resources_available.mem = {n}mb")));
    lines
}

impl Objects {
    /// Reads statements as `qmgr` prints them. Comments and empty lines count for nothing; a line that is no
    /// statement is an error that quotes it.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut objects = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            objects.statement(line).ok_or_else(|| format!("not a qmgr statement: {line}"))?;
        }
        Ok(objects)
    }

    fn statement(&mut self, line: &str) -> Option<()> {
        let (verb, rest) = line.split_once(' ')?;
        match verb {
            "create" => {
                self.0.entry(rest.trim().to_owned()).or_default();
            }
            "set" => self.assign(rest)?,
            "import" | "unset" | "delete" => {}
            _ => return None,
        }
        Some(())
    }

    fn assign(&mut self, rest: &str) -> Option<()> {
        let (left, value) = rest.split_once('=')?;
        let adds = left.ends_with('+');
        let left = left.trim_end_matches('+').trim();
        let (subject, attribute) = left.rsplit_once(' ')?;
        let subject = if subject == "server" { subject.to_owned() } else { subject.trim().to_owned() };
        let parts = split(attribute, value.trim());
        let values = self.0.entry(subject).or_default().entry(attribute.to_owned()).or_default();
        if !adds {
            values.clear();
        }
        values.extend(parts);
        Some(())
    }
}

fn split(attribute: &str, value: &str) -> BTreeSet<String> {
    let fold = |text: &str| {
        let lower = text.to_ascii_lowercase();
        if lower == "true" || lower == "false" { lower } else { text.to_owned() }
    };
    if LISTS.contains(&attribute) {
        value.split(',').map(|part| fold(part.trim())).collect()
    } else {
        BTreeSet::from([fold(value.trim_matches('"'))])
    }
}

/// Statements that lead from `observed` to `desired`. What only the server has stays, except queues: a queue that
/// the spec does not have is deleted.
pub fn changes(desired: &Objects, observed: &Objects) -> Vec<String> {
    let mut statements = Vec::new();
    for subject in observed.0.keys().filter(|s| s.starts_with("queue ") && !desired.0.contains_key(*s)) {
        statements.push(format!("delete {subject}"));
    }
    for (subject, attributes) in &desired.0 {
        let known = observed.0.get(subject);
        if known.is_none() && subject != "server" {
            statements.push(format!("create {subject}"));
        }
        for (attribute, values) in attributes {
            if known.and_then(|known| known.get(attribute)) != Some(values) {
                let value = values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
                statements.push(format!("set {subject} {attribute} = {value}"));
            }
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by `qmgr -c 'print server'` of OpenPBS 23.06.06 (knowledge/schedulers.md section 3).
    const PRINTED: &str = "\
#
# Create resources and set their properties.
#
create resource gpu_kind
set resource gpu_kind type = string_array
set resource gpu_kind flag = h
#
create queue workq
set queue workq queue_type = Execution
set queue workq enabled = True
set queue workq started = True
#
set server scheduling = True
set server acl_hosts = h7b
set server acl_hosts += h7a
set server default_queue = workq
";

    fn read(text: &str) -> Objects {
        Objects::read(text).unwrap()
    }

    #[test]
    fn what_the_server_printed_needs_no_change_against_itself() {
        assert_eq!(changes(&read(PRINTED), &read(PRINTED)), Vec::<String>::new());
    }

    #[test]
    fn the_order_of_a_host_list_is_no_difference() {
        let desired = read("set server acl_hosts = \"h7a\"\nset server acl_hosts = h7a,h7b");
        assert_eq!(changes(&desired, &read(PRINTED)), ["delete queue workq"]);
    }

    #[test]
    fn true_in_any_case_is_no_difference() {
        let desired =
            read("create queue workq\nset queue workq enabled = true\nset server scheduling = TRUE");
        assert_eq!(changes(&desired, &read(PRINTED)), Vec::<String>::new());
    }

    #[test]
    fn a_missing_queue_is_created_and_a_foreign_one_deleted() {
        let desired = read("create queue long\nset queue long enabled = True");
        let expected = ["delete queue workq", "create queue long", "set queue long enabled = true"];
        assert_eq!(changes(&desired, &read(PRINTED)), expected);
    }

    #[test]
    fn a_line_that_is_no_statement_is_quoted() {
        assert_eq!(
            Objects::read("qmgr obj= svr=default: Unauthorized").unwrap_err(),
            "not a qmgr statement: qmgr obj= svr=default: Unauthorized"
        );
    }
}

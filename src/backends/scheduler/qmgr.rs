//! What `qmgr` holds, as statements: written from the spec, read back from `qmgr -c 'print server'`, compared.
//!
//! Rules of the comparison from knowledge/schedulers.md section 3: `=` starts a value and `+=` adds to it; lists of
//! hosts and users are sets (qmgr changes their order); True and False in any case; sizes by what they amount to; what
//! the server makes by itself and the spec does not declare is left alone. Nothing is deleted that haoscar did not make.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::desired::{Answer, Sign, Statement};
use crate::spec::{Attribute, Hook, Nodes, Partition};

/// `KIND NAME` of an object; the server has no name.
type Subject = String;

/// Objects with their attributes; a list is a set of parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects(BTreeMap<Subject, BTreeMap<String, BTreeSet<String>>>);

const LISTS: [&str; 6] = ["acl_hosts", "acl_users", "acl_groups", "managers", "operators", "event"];

/// A queue's comment says whose it is. It goes in with the `create`, so that no queue of ours is ever without it, and
/// is given to no queue that was there before. One word: nothing to quote.
const MARK: (&str, &str) = ("comment", "made-by-haoscar");

/// The server has no node list, as before its first node: `print node @default` says so, and ends with 1.
const NO_NODES: &str = "Error (15064)";

/// What an exit status of `qmgr -c` means, as measured with 23.06.06 (knowledge/schedulers.md section 3);
/// 3 and 179 are from its source.
pub fn means(status: i32) -> &'static str {
    match status {
        1 => "it does not know this word",
        3 => "no server answers",
        4 => "a mistake in its syntax",
        166 => "a bad value",
        170 => "unknown queue",
        177 => "it is there already",
        179 => "it is busy: a queue with jobs is not deleted",
        214 => "unknown node, or a name that does not resolve there",
        _ => "",
    }
}

/// What a hook's program is called where its other attributes are.
const BODY: &str = "body";

/// How `qmgr` prints it, the program behind it in lines without blanks.
const IMPORT: &str = "application/x-python base64 -";

/// Programs of hooks lie there on the heads, as `NAME.py`.
pub const HOOKS: &str = "/etc/haoscar/openpbs-hooks";

/// A program of ours begins with it, as every file that is made by haoscar from a template.
const OURS: &str = "# made by haoscar";

/// Statements that lead from what `print server`, `print node @default` and `print hook` answered to `wanted`.
///
/// # Errors
/// Why the answers say nothing: no server, or words that are no statements.
pub fn from_answers(wanted: &str, answers: &[Answer]) -> Result<Vec<Statement>, String> {
    let said = |answer: &Answer| format!("{}{}", answer.stdout, answer.stderr).trim().to_owned();
    let [server, nodes, hooks] = answers else {
        return Err(answers.last().map_or("it was not asked".to_owned(), said));
    };
    if server.status != Some(0) {
        return Err(said(server));
    }
    let nodes = match nodes.status {
        Some(0) => nodes.stdout.as_str(),
        Some(_) if said(nodes).contains(NO_NODES) => "",
        _ => return Err(said(nodes)),
    };
    // where there is none, it ends with 1 and says nothing
    let none = hooks.status == Some(1) && said(hooks).is_empty();
    if hooks.status != Some(0) && !none {
        return Err(said(hooks));
    }
    let printed = format!("{}\n{nodes}\n{}", server.stdout, hooks.stdout);
    Ok(changes(&Objects::read(wanted)?, &Objects::read(&printed)?))
}

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

/// The statement that sets an attribute of the server.
pub fn attribute(name: &str, value: &Attribute) -> String {
    format!("set server {name} = {}", quoted(&value.to_string()))
}

/// Statements that make one node.
pub fn node(name: &str, declared: &Nodes) -> Vec<String> {
    let mut lines = vec![format!("create node {name}")];
    lines.extend(declared.cpus.map(|n| format!("set node {name} resources_available.ncpus = {n}")));
    lines.extend(declared.memory_mib.map(|n| format!("set node {name} resources_available.mem = {n}mb")));
    lines
}

/// Statements that make one hook with this program.
pub fn hook(name: &str, hook: &Hook, program: &str) -> Vec<String> {
    let word = |event| serde_json::to_value(event).ok()?.as_str().map(str::to_owned);
    let events: Vec<String> = hook.event.iter().filter_map(word).collect();
    let seconds = |span: crate::spec::Span| span.as_millis().div_ceil(1000);
    let mut lines =
        vec![format!("create hook {name}"), format!("set hook {name} event = \"{}\"", events.join(","))];
    lines.extend(hook.order.map(|order| format!("set hook {name} order = {order}")));
    lines.extend(hook.alarm.map(|alarm| format!("set hook {name} alarm = {}", seconds(alarm))));
    lines.extend(hook.every.map(|every| format!("set hook {name} freq = {}", seconds(every))));
    lines.push(format!("import hook {name} {IMPORT}"));
    lines.extend(program.as_bytes().chunks(LINE).map(|part| STANDARD.encode(part)));
    lines.push(format!("set hook {name} enabled = {}", Attribute::Flag(hook.enabled)));
    lines
}

/// Bytes of a program in a line; what qmgr prints has 512.
const LINE: usize = 57;

impl Objects {
    /// Reads statements as `qmgr` prints them. Comments and empty lines count for nothing; a line that is no
    /// statement is an error that quotes it.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut objects = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut lines = lines.peekable();
        while let Some(line) = lines.next() {
            objects.statement(line).ok_or_else(|| format!("not a qmgr statement: {line}"))?;
            let Some(imported) = line.strip_prefix("import ") else { continue };
            let mut bytes = Vec::new();
            while let Some(part) = lines.next_if(|line| !line.contains(' ')) {
                // each has an end of its own
                bytes.extend(STANDARD.decode(part).map_err(|error| format!("{line}: {error}"))?);
            }
            if let Some(hook) = imported.strip_suffix(IMPORT) {
                let program = String::from_utf8_lossy(&bytes).into_owned();
                let attributes = objects.0.entry(hook.trim().to_owned()).or_default();
                attributes.insert(BODY.to_owned(), BTreeSet::from([program]));
            }
        }
        Ok(objects)
    }

    fn statement(&mut self, line: &str) -> Option<()> {
        let (verb, rest) = line.split_once(' ')?;
        match verb {
            "create" => self.create(rest)?,
            "set" => self.assign(rest)?,
            "import" | "unset" | "delete" => {}
            _ => return None,
        }
        Some(())
    }

    /// `KIND NAME`, and behind it what qmgr prints there (`create node n1 Mom=n1.oscar.example`).
    fn create(&mut self, rest: &str) -> Option<()> {
        let mut words = rest.split_whitespace();
        let subject = format!("{} {}", words.next()?, words.next()?);
        self.0.entry(subject).or_default();
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
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    if LISTS.contains(&attribute) {
        bare.split(',').map(|part| part.trim().to_owned()).collect()
    } else {
        BTreeSet::from([bare.to_owned()])
    }
}

fn alike(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let folded = |values: &BTreeSet<String>| values.iter().map(|value| fold(value)).collect::<BTreeSet<_>>();
    folded(one) == folded(other)
}

/// One spelling of what qmgr may spell in several ways.
fn fold(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "true" | "false" => lower,
        _ => bytes(&lower).map_or_else(|| text.to_owned(), |bytes| format!("{bytes}b")),
    }
}

/// `2gb` and `2048mb` are one size.
fn bytes(text: &str) -> Option<u64> {
    let number = text.strip_suffix('b')?;
    let shift = match number.chars().last()? {
        'k' => 10,
        'm' => 20,
        'g' => 30,
        't' => 40,
        'p' => 50,
        _ => return number.parse().ok(),
    };
    number.get(..number.len() - 1)?.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Statements that lead from `observed` to `desired`: queues, then the server that may name one as its default, then
/// nodes, then what goes. What only the server has stays, except a queue or hook that haoscar made and the spec has no more.
pub fn changes(desired: &Objects, observed: &Objects) -> Vec<Statement> {
    let mut statements = Vec::new();
    for kind in ["hook ", "queue ", "server", "node "] {
        for (subject, attributes) in desired.0.iter().filter(|(subject, _)| subject.starts_with(kind)) {
            statements.extend(object(subject, attributes, observed.0.get(subject)));
        }
    }
    let ours =
        |(subject, attributes): &(&Subject, &BTreeMap<String, BTreeSet<String>>)| match subject.as_str() {
            queue if queue.starts_with("queue ") => {
                attributes.get(MARK.0).is_some_and(|mark| mark.contains(MARK.1))
            }
            hook if hook.starts_with("hook ") => {
                attributes.get(BODY).into_iter().flatten().any(|program| program.starts_with(OURS))
            }
            _ => false,
        };
    let gone = observed.0.iter().filter(ours).filter(|(subject, _)| !desired.0.contains_key(*subject));
    statements.extend(gone.map(|(subject, _)| statement(Sign::Remove, format!("delete {subject}"))));
    statements
}

fn statement(sign: Sign, text: String) -> Statement {
    Statement { sign, text }
}

fn object(
    subject: &str,
    attributes: &BTreeMap<String, BTreeSet<String>>,
    known: Option<&BTreeMap<String, BTreeSet<String>>>,
) -> Vec<Statement> {
    let new = known.is_none() && subject != "server";
    let sign = if new { Sign::Add } else { Sign::Change };
    let differs = |(attribute, values): &(&String, &BTreeSet<String>)| {
        let known = known.and_then(|known| known.get(*attribute));
        known.is_none_or(|known| !alike(known, values))
    };
    let set = |(attribute, values): (&String, &BTreeSet<String>)| {
        if attribute == BODY {
            let name = subject.trim_start_matches("hook ");
            let text = format!("import {subject} application/x-python default {HOOKS}/{name}.py");
            return statement(sign, text);
        }
        let value = values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        statement(sign, format!("set {subject} {attribute} = {}", quoted(&value)))
    };
    let create = match subject.starts_with("queue ") {
        true => format!("create {subject} {} = {}", MARK.0, MARK.1),
        false => format!("create {subject}"),
    };
    let create = new.then(|| statement(Sign::Add, create));
    let mut differing: Vec<_> = attributes.iter().filter(differs).collect();
    differing.sort_by_key(|(attribute, _)| turn(attribute)); // of one turn by name, as they are
    create.into_iter().chain(differing.into_iter().map(set)).collect()
}

/// A queue without a type is not enabled ("incomplete definition").
fn turn(attribute: &str) -> u8 {
    match attribute {
        "queue_type" => 0,
        "enabled" | "started" => 2,
        _ => 1,
    }
}

/// A bare comma would end the value, and a blank is refused.
fn quoted(value: &str) -> String {
    match value {
        own if own.contains('"') => format!("'{own}'"),
        own if own.contains([',', ' ', '\'']) => format!("\"{own}\""),
        own => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::HookEvent;

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

    /// In the form of `qmgr -c 'print node @default'` of the same server; its values of arch, mem and ncpus were not
    /// kept, these stand in for them.
    const NODES: &str = "\
create node h7c
set node h7c state = free
set node h7c resources_available.arch = linux
set node h7c resources_available.host = h7c
set node h7c resources_available.mem = 4194304kb
set node h7c resources_available.ncpus = 2
set node h7c resources_available.vnode = h7c
set node h7c comment = \"rack 1, slot 2\"
set node h7c resv_enable = True
";

    fn read(text: &str) -> Objects {
        Objects::read(text).unwrap()
    }

    fn texts(desired: &str, observed: &str) -> Vec<String> {
        let all = changes(&read(desired), &read(observed));
        all.into_iter().map(|statement| format!("{} {}", statement.sign, statement.text)).collect()
    }

    fn said(status: i32, stdout: &str, stderr: &str) -> Answer {
        Answer { status: Some(status), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    const NOTHING: [String; 0] = [];

    #[test]
    fn what_the_server_printed_needs_no_change_against_itself() {
        let all = format!("{PRINTED}{NODES}");
        assert_eq!(texts(&all, &all), NOTHING);
    }

    #[test]
    fn the_order_of_a_host_list_is_no_difference() {
        assert_eq!(texts("set server acl_hosts = \"h7a,h7b\"", PRINTED), NOTHING);
    }

    #[test]
    fn a_host_list_that_differs_is_set_in_quotes_for_a_comma_ends_a_value() {
        let expected = ["~ set server acl_hosts = \"h7a,h7c\""];
        assert_eq!(texts("set server acl_hosts = \"h7a,h7c\"", PRINTED), expected);
    }

    #[test]
    fn true_in_any_case_is_no_difference() {
        let desired = "create queue workq\nset queue workq enabled = true\nset server scheduling = TRUE";
        assert_eq!(texts(desired, PRINTED), NOTHING);
    }

    #[test]
    fn one_size_in_two_units_is_no_difference() {
        assert_eq!(texts("set node h7c resources_available.mem = 4096mb", NODES), NOTHING);
        let expected = ["~ set node h7c resources_available.mem = 8gb"];
        assert_eq!(texts("set node h7c resources_available.mem = 8gb", NODES), expected);
    }

    #[test]
    fn a_queue_is_made_with_our_mark_and_before_the_server_names_it() {
        let desired = "set server default_queue = long\ncreate queue long\nset queue long enabled = True\ncreate node n1";
        let expected = [
            "+ create queue long comment = made-by-haoscar",
            "+ set queue long enabled = True",
            "~ set server default_queue = long",
            "+ create node n1",
        ];
        assert_eq!(texts(desired, PRINTED), expected);
    }

    #[test]
    fn a_queue_has_its_type_before_anything_else_and_is_enabled_last() {
        let desired = "create queue q\nset queue q enabled = True\nset queue q queue_type = Execution\nset queue q resources_max.walltime = 01:00:00";
        let expected = [
            "+ create queue q comment = made-by-haoscar",
            "+ set queue q queue_type = Execution",
            "+ set queue q resources_max.walltime = 01:00:00",
            "+ set queue q enabled = True",
        ];
        assert_eq!(texts(desired, PRINTED), expected);
    }

    /// In the form of `qmgr -c 'print hook @default'` of OpenPBS's source (cd7ab5e): each line has a padding of its own.
    const HOOK: &str = "\
create hook walltime
set hook walltime type = site
set hook walltime enabled = true
set hook walltime event = queuejob
set hook walltime event += modifyjob
import hook walltime application/x-python base64 -
IyBtYWRlIGJ5IGhhb3NjYXI=
CmltcG9ydCBwYnMK
import hook walltime application/x-config base64 -
e30K
";

    #[test]
    fn a_hook_is_known_by_its_events_and_its_program_and_what_is_beside_it_is_left_alone() {
        let spec = |body: &str| {
            Hook {
                event: vec![HookEvent::Modifyjob, HookEvent::Queuejob],
                body: String::new(),
                order: None,
                alarm: None,
                every: None,
                enabled: true,
            }
            .with(body)
        };
        assert_eq!(texts(&spec("# made by haoscar\nimport pbs\n"), HOOK), NOTHING);
        let import =
            "import hook walltime application/x-python default /etc/haoscar/openpbs-hooks/walltime.py";
        assert_eq!(texts(&spec("# made by haoscar\nimport os\n"), HOOK), [format!("~ {import}")]);
        let made = texts(&spec("# made by haoscar\n"), "");
        let expected = [
            "+ create hook walltime",
            &format!("+ {import}"),
            "+ set hook walltime event = \"modifyjob,queuejob\"",
            "+ set hook walltime enabled = True",
        ];
        assert_eq!(made, expected);
        assert_eq!(texts("", HOOK), ["- delete hook walltime"]);
        let theirs = HOOK.replace("IyBtYWRlIGJ5IGhhb3NjYXI=", "IyBtYWRlIGJ5IG1l");
        assert_eq!(texts("", &theirs), NOTHING, "a site's own stays");
    }

    impl Hook {
        fn with(self, program: &str) -> String {
            hook("walltime", &self, program).join("\n")
        }
    }

    #[test]
    fn a_queue_that_haoscar_did_not_make_stays_and_one_that_it_made_goes_last() {
        let ours = format!("create queue old\nset queue old comment = made-by-haoscar\n{PRINTED}");
        let desired = "set server default_queue = long";
        assert_eq!(texts(desired, &ours), ["~ set server default_queue = long", "- delete queue old"]);
    }

    #[test]
    fn a_queue_that_was_there_before_is_changed_and_never_marked_as_ours() {
        let desired = "create queue workq\nset queue workq enabled = False";
        assert_eq!(texts(desired, PRINTED), ["~ set queue workq enabled = False"]);
    }

    #[test]
    fn a_node_printed_with_its_mom_is_known_by_its_name() {
        let printed = "create node n1 Mom=n1.oscar.example\nset node n1 resources_available.ncpus = 2";
        assert_eq!(texts("create node n1\nset node n1 resources_available.ncpus = 2", printed), NOTHING);
    }

    #[test]
    fn a_server_without_nodes_has_answered_and_one_that_is_not_there_has_not() {
        let says =
            "qmgr obj= svr=default: Server has no node list\nqmgr: Error (15064) returned from server\n";
        let none = said(1, "", says);
        let made = from_answers("create node n1", &[said(0, PRINTED, ""), none, said(1, "", "")]).unwrap();
        assert_eq!(made, [statement(Sign::Add, "create node n1".to_owned())]);
        let away = said(3, "", "Connection refused\nqmgr: cannot connect to server control (errno=15010)\n");
        let why = from_answers("create node n1", &[away.clone(), away.clone(), away]).unwrap_err();
        assert_eq!(why, "Connection refused\nqmgr: cannot connect to server control (errno=15010)");
    }

    #[test]
    fn a_line_that_is_no_statement_is_quoted() {
        assert_eq!(
            Objects::read("qmgr obj= svr=default: Unauthorized").unwrap_err(),
            "not a qmgr statement: qmgr obj= svr=default: Unauthorized"
        );
    }
}

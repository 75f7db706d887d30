//! What Pacemaker tells of what it saw: the CIB's alert, the agent that it runs, and what the agent passed on.
//!
//! Of nodes and fencing only: resources are seen by their units, and each alert is a program that the engine runs.

use serde_json::json;

use super::cib::pairs;
use super::xml::Element;
use crate::desired::{Directory, HostDesired, Mode, OnChange, Rendered};
use crate::spec::Problem;
use crate::templates::Templates;

const AGENT: &str = "/usr/share/haoscar/alert";

/// It writes one small file.
const TIMEOUT: &str = "5s";

/// The section of the CIB.
pub fn section() -> Element {
    let select =
        Element::new("select").holding([Element::new("select_nodes"), Element::new("select_fencing")]);
    let meta = pairs("meta_attributes", "haoscar-alert-meta", [("timeout", TIMEOUT.to_owned())]);
    let alert = Element::new("alert").with("id", "haoscar-alert").with("path", AGENT).holding([meta, select]);
    Element::new("alerts").holding([alert])
}

/// Lays the agent on a member.
///
/// # Errors
/// What the template says.
pub fn lay(host: &mut HostDesired, templates: &Templates) -> Result<(), Problem> {
    host.directories.push(Directory::of_root("/usr/share/haoscar", 0o755));
    let file = templates.file(AGENT, "engine/pacemaker/alert.hbs", json!({}), OnChange::Nothing)?;
    host.files.push(Rendered { mode: Mode(0o755), ..file });
    Ok(())
}

/// What the agent wrote, as whom it is about and one sentence: kind, node, exit status and description, a line each
/// (Pacemaker Explained, Alerts). None: it is not of nodes or fencing.
pub fn told(text: &str) -> Option<(String, String)> {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().trim().to_owned();
    let (kind, node, status, what) = (next(), next(), next(), next());
    let sentence = match (kind.as_str(), what.as_str()) {
        ("node", "lost") => format!("{node} is lost to the engine"),
        ("node", "member") => format!("{node} is a member of the engine"),
        ("node", what) => format!("{node}: the engine says {what}"),
        ("fencing", what) if status == "0" => format!("{node} was fenced: {what}"),
        ("fencing", what) => format!("{node} could not be fenced: {what}"),
        _ => return None,
    };
    Some((node, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_saw_is_said_in_one_sentence() {
        let said = |text: &str| told(text).map(|(_, sentence)| sentence);
        assert_eq!(said("node\nhead-1\n\nlost\n").as_deref(), Some("head-1 is lost to the engine"));
        assert_eq!(said("node\nhead-1\n\nmember\n").as_deref(), Some("head-1 is a member of the engine"));
        let fenced = "fencing\nhead-1\n0\nOperation reboot of head-1 by head-2: OK\n";
        assert_eq!(
            said(fenced).as_deref(),
            Some("head-1 was fenced: Operation reboot of head-1 by head-2: OK")
        );
        assert_eq!(
            said("fencing\nhead-1\n1\nno device\n").as_deref(),
            Some("head-1 could not be fenced: no device")
        );
        assert_eq!(said("resource\nhead-1\n0\nok\n"), None);
        assert_eq!(said(""), None);
    }
}

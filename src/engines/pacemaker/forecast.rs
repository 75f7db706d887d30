//! What `crm_simulate -LS` says would happen: the `Transition Summary` block, for a plan's impact.

use serde::{Deserialize, Serialize};

/// One action that the engine would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The engine's own word: Start, Stop, Move, Recover, Restart, Reload, Fence.
    pub action: String,
    /// The resource, or the member that is fenced.
    pub resource: String,
    /// The member that it leaves, or runs on.
    pub from: Option<String>,
    /// The member that it goes to.
    pub to: Option<String>,
}

/// Reads a transition summary. No block or an empty one: nothing would happen.
pub fn forecast(text: &str) -> Vec<Forecast> {
    let mut lines = text.lines().skip_while(|line| line.trim() != "Transition Summary:").skip(1);
    let block = lines.by_ref().take_while(|line| !line.trim().is_empty());
    block.filter_map(|line| action(line.trim().strip_prefix("* ")?)).collect()
}

/// `Move  web  ( a -> b )`, `Start  web  ( a )`, `Fence (reboot) a 'peer is no longer part of the cluster'`.
fn action(line: &str) -> Option<Forecast> {
    let (action, rest) = line.split_once(' ')?;
    let rest = rest.trim();
    if action == "Fence" {
        let member = rest.split_once(')').map_or(rest, |(_, member)| member).split_whitespace().next()?;
        return Some(Forecast {
            action: action.to_owned(),
            resource: member.to_owned(),
            from: Some(member.to_owned()),
            to: None,
        });
    }
    let (resource, places) = rest.split_once('(').unwrap_or((rest, ""));
    let places = places.split(')').next().unwrap_or_default().trim();
    let member = |text: &str| text.split_whitespace().last().map(str::to_owned);
    let (from, to) = match places.split_once("->") {
        Some((from, to)) => (member(from), member(to)),
        None if action == "Start" => (None, member(places)),
        None => (member(places), None),
    };
    let resource = resource.split_whitespace().next()?.split(':').next()?.to_owned();
    Some(Forecast { action: action.to_owned(), resource, from, to })
}

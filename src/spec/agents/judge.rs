//! What is wrong with one use of an agent whose parameters are known.

use super::{Agent, Use, packaged};
use crate::spec::{Cluster, EngineKind, nearest};

/// One thing that is wrong; its places are for the caller to look up.
pub(in crate::spec) struct Finding {
    pub(in crate::spec) code: &'static str,
    pub(in crate::spec) message: String,
    /// The path of the key to mark.
    pub(in crate::spec) path: String,
    pub(in crate::spec) hint: String,
    /// Said, and not refused.
    pub(in crate::spec) is_note: bool,
}

/// Parameters of a fence device that are the engine's or haoscar's to set, and where the spec says such a thing.
const TAKEN: [(&str, &str); 5] = [
    ("action", "remove it: the engine tells the agent what to do"),
    ("nodename", "remove it: the engine tells the agent which machine is meant"),
    ("pcmk_delay_base", "remove it, and say `ha: { fence_delay: 5s }` where two heads have no third vote"),
    ("pcmk_host_check", "remove it: a device switches the machine that it stands at"),
    ("pcmk_host_list", "remove it: a device switches the machine that it stands at"),
];

/// Parameters that the engine gives to each fence device that it calls.
const GIVEN: [&str; 4] = ["action", "nodename", "plug", "port"];

/// Everything that `agent` would not take of `used`; `source` says who told.
pub(in crate::spec) fn judge(used: &Use, agent: &Agent, source: &str, cluster: &Cluster) -> Vec<Finding> {
    let engine = cluster.ha.engine;
    let names = used.names.iter();
    let mut found: Vec<_> =
        names.filter_map(|name| name_finding(used, agent, source, name, cluster)).collect();
    found.extend(missing(used, agent, source, engine));
    found.extend(plug_unsaid(used, agent, engine));
    found
}

fn name_finding(used: &Use, agent: &Agent, source: &str, name: &str, cluster: &Cluster) -> Option<Finding> {
    let path = format!("{}.{name}", used.path);
    let (owner, program) = (&used.owner, &used.agent);
    let fences = used.target.is_some();
    if let Some((_, hint)) = TAKEN.iter().find(|(taken, _)| fences && *taken == name) {
        let message = format!("{owner} has `{name}`, which is not the spec's to say");
        return Some(error("agent/parameter-taken", message, path, (*hint).to_owned()));
    }
    let of_engine = (fences && cluster.ha.engine == EngineKind::Pacemaker && name.starts_with("pcmk_"))
        .then(|| packaged(cluster.os, "pacemaker-fenced"))
        .flatten();
    let agent = of_engine.as_ref().unwrap_or(agent);
    if agent.parameters.contains_key(name) {
        return None; // old names too: agents keep them
    }
    let message = format!("{owner}: {program} ({source}) has no parameter `{name}`");
    Some(error("agent/parameter-unknown", message, path, meant(agent, name)))
}

fn meant(agent: &Agent, name: &str) -> String {
    let told =
        |name: &str| !["help", "version"].contains(&name) && !TAKEN.iter().any(|(taken, _)| *taken == name);
    let known = || {
        let current = agent.parameters.iter().filter(|(_, parameter)| !parameter.old);
        current.map(|(name, _)| name.as_str()).filter(|name| told(name))
    };
    match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?{}", about(agent, near)),
        None if agent.parameters.is_empty() => "it has no parameters at all".to_owned(),
        None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
    }
}

/// What the agent says of a parameter, where it was asked itself.
fn about(agent: &Agent, name: &str) -> String {
    let about = agent.parameters.get(name).map(|parameter| parameter.about.as_str()).unwrap_or_default();
    if about.is_empty() { String::new() } else { format!(" ({about})") }
}

fn missing(used: &Use, agent: &Agent, source: &str, engine: EngineKind) -> Vec<Finding> {
    // a name that the agent does not know is probably the one that is missing
    let strangers: Vec<_> = used.names.iter().filter(|name| !agent.parameters.contains_key(*name)).collect();
    let meant = |wanted: &str| strangers.iter().any(|name| nearest(name, [wanted]).is_some());
    let given = |wanted: &str| {
        let old = |name: &String| {
            agent.parameters.get(name).is_some_and(|parameter| parameter.new.as_deref() == Some(wanted))
        };
        let by_engine = engine == EngineKind::Pacemaker && used.target.is_some();
        used.names.contains(wanted)
            || used.names.contains(&format!("{wanted}_script"))
            || used.names.iter().any(old)
            || (used.target.is_some() && GIVEN[..2].contains(&wanted))
            || (by_engine && GIVEN.contains(&wanted))
    };
    let required = agent.parameters.iter().filter(|(_, parameter)| parameter.required);
    let missing = required.map(|(name, _)| name.as_str()).filter(|name| !given(name) && !meant(name));
    let finding = |name: &str| {
        let message = format!("{} lacks `{name}`, which {} ({source}) requires", used.owner, used.agent);
        let hint = format!("add `{name}: ...`{}", about(agent, name));
        error("agent/parameter-missing", message, used.path.clone(), hint)
    };
    missing.map(finding).collect()
}

/// Where the spec names no outlet, Pacemaker asks the device for one with the machine's own name.
fn plug_unsaid(used: &Use, agent: &Agent, engine: EngineKind) -> Option<Finding> {
    let target = used.target.as_ref().filter(|_| engine == EngineKind::Pacemaker)?;
    let misspelt =
        used.names.iter().any(|name| !agent.parameters.contains_key(name) && !name.starts_with("pcmk_"));
    let said = misspelt || ["plug", "port", "pcmk_host_map"].iter().any(|name| used.names.contains(*name));
    let needs = ["plug", "port"].iter().any(|name| agent.parameters.get(*name).is_some_and(|p| p.required));
    (needs && !said).then(|| {
        let message =
            format!("{} names no plug: {} is asked for one called `{target}`", used.owner, used.agent);
        let hint = "add `plug: ...` as the device calls it: the outlet's number, the virtual machine's name";
        note("agent/plug-unsaid", message, used.path.clone(), hint.to_owned())
    })
}

fn error(code: &'static str, message: String, path: String, hint: String) -> Finding {
    Finding { code, message, path, hint, is_note: false }
}

fn note(code: &'static str, message: String, path: String, hint: String) -> Finding {
    Finding { is_note: true, ..error(code, message, path, hint) }
}

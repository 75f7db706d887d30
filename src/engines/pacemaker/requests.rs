//! What an administrator asks of the engine, as objects of its CIB: a group to another head, and a pause with an end.
//!
//! Both carry haoscar's prefix, so that one left behind by a killed command is drift that the next apply takes away
//! (a move) or ends by itself (a pause).

use super::cib::pairs;
use super::xml::Element;
use crate::spec::Replicated;

/// The pause's own set of properties: the engine reads it behind the bootstrap set, which never has this property.
const PAUSE: &str = "haoscar-pause";

/// The same while the members' files change on all at once.
const JOINT: &str = "haoscar-joint";

/// The id of a group's move.
pub fn move_id(group: &str) -> String {
    format!("haoscar-move-{group}")
}

/// Asks a head what it has of a mirrored storage.
pub fn mirror_told(name: &str, path: &camino::Utf8Path) -> Vec<String> {
    let given = |word: &str, value: &str| format!("OCF_RESKEY_{word}={value}");
    let agent = "/usr/lib/ocf/resource.d/haoscar/mirror";
    ["env".to_owned(), given("name", name), given("path", path.as_str()), agent.to_owned(), "told".to_owned()]
        .into()
}

/// Asks a head about its disk of a storage that two heads keep the same.
pub fn disk_told(name: &str) -> Vec<String> {
    ["/usr/lib/ocf/resource.d/haoscar/drbd", "told", &Replicated::resource(name)].map(str::to_owned).into()
}

/// A constraint that draws a group's base to a head (`score` INFINITY) or drives it away (`-INFINITY`).
pub fn move_constraint(group: &str, base: &str, head: &str, score: &str) -> String {
    Element::new("rsc_location")
        .with("id", move_id(group))
        .with("rsc", base)
        .with("node", head)
        .with("score", score)
        .write()
}

/// The same CIB with a constraint in it, for the engine's own prediction; as it is where it cannot be read.
pub fn with_constraint(cib: &str, constraint: &str) -> String {
    let (Ok(mut cib), Ok(constraint)) = (Element::read(cib), Element::read(constraint)) else {
        return cib.to_owned();
    };
    cib.child_mut("configuration").child_mut("constraints").children.push(constraint);
    cib.write()
}

/// Properties that put the engine into maintenance until `end` (`2026-11-24 03:00:00Z`). The engine itself looks at
/// its clock: the pause ends without anybody, also after a reboot.
pub fn pause(end: &str) -> String {
    maintenance(PAUSE, end)
}

/// The same for a joint change, which may end while an administrator's pause goes on.
pub fn joint(end: &str) -> String {
    maintenance(JOINT, end)
}

fn maintenance(set: &str, end: &str) -> String {
    let expression = Element::new("date_expression")
        .with("id", format!("{set}-end"))
        .with("operation", "lt")
        .with("end", end);
    let rule = Element::new("rule")
        .with("id", format!("{set}-rule"))
        .with("boolean-op", "and")
        .with("score", "0")
        .holding([expression]);
    let mut set = pairs("cluster_property_set", set, [("maintenance-mode", "true".to_owned())]);
    set.children.insert(0, rule);
    set.write()
}

/// What takes a pause away.
pub fn pause_selector() -> String {
    Element::new("cluster_property_set").with("id", PAUSE).write()
}

/// What takes a joint change's maintenance away.
pub fn joint_selector() -> String {
    Element::new("cluster_property_set").with("id", JOINT).write()
}

/// What a member does on which files of a joint change were put back while its engine runs and nobody commands it: it
/// waits until the others have put theirs back, makes all members read them, and ends the maintenance once all are members
/// in the engine's own eyes. Where corosync cannot get there it is started anew; where a member is off, the maintenance ends by
/// its date.
pub fn after_joint() -> Vec<String> {
    let selector = joint_selector();
    let script = include_str!("after-joint.sh");
    ["sh", "-c", script, "after-joint", super::corosync::CONF, selector.trim()].map(str::to_owned).into()
}

/// Starts a member's engine anew, whoever is gone before it ends: systemd runs it, and waits for it while it is asked to.
pub fn anew() -> Vec<String> {
    let run = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--unit=haoscar-anew"];
    run.into_iter().chain(["sh", "-c", include_str!("anew.sh")]).map(str::to_owned).collect()
}

/// When the pause in a CIB ends, in the CIB's own words; none without one.
pub fn paused_until(cib: &str) -> Option<String> {
    let cib = Element::read(cib).ok()?;
    let sets = &cib.child("configuration")?.child("crm_config")?.children;
    let set = sets.iter().find(|set| [PAUSE, JOINT].contains(&set.id()))?;
    set.walk().into_iter().find_map(|e| e.get("end").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_says_when_it_ends() {
        let cib = format!(
            "<cib><configuration><crm_config>{}</crm_config></configuration></cib>",
            pause("2026-11-24 03:00:00Z")
        );
        assert_eq!(paused_until(&cib).as_deref(), Some("2026-11-24 03:00:00Z"));
        assert_eq!(paused_until("<cib><configuration><crm_config/></configuration></cib>"), None);
    }
}

//! The watchdog of a member: sbd without a disk (sbd(8)), and what the engine waits for when it counts on one.
//!
//! sbd feeds the watchdog while corosync and Pacemaker are well and the member has quorum. Who falls silent is fenced by
//! waiting, three times the watchdog's own time: sbd gives the engine one to come back, the watchdog runs off in another
//! (measured: a member was reset 10.0 to 11.5 s after its cables were cut, with 5 s and `detect` 1.1 s), and the third is
//! the margin. Pacemaker's rule of twice that time would start its services in the same instant. Pacemaker
//! ends itself on a member that the device names and where no sbd runs, so sbd comes before the configuration, and goes
//! after it.

use serde_json::json;

use super::back;
use super::xml::Element;
use crate::desired::{Answer, Check, HostDesired, OnChange, Question, Surroundings, Unit, UnitWant, Verdict};
use crate::spec::{Cluster, Problem};
use crate::templates::Templates;

/// Starts and stops with corosync alone; systemd refuses anything else.
pub const UNIT: &str = "sbd.service";

/// What it reads at its start, and Pacemaker at its own.
pub const CONF: &str = "/etc/default/sbd";

/// The only id that Pacemaker takes for a watchdog (daemons/fenced, 2.1.5).
pub const DEVICE: &str = "watchdog";

/// The program of its metadata; what it does is Pacemaker's own.
pub const AGENT: &str = "fence_watchdog";

/// How long the others wait for it.
const PROPERTY: &str = "stonith-watchdog-timeout";

/// See above.
const WAIT: u64 = 3;

/// As the spec has it.
pub fn named<'a>(cluster: &'a Cluster, member: &str) -> Option<&'a str> {
    let head = cluster.heads.get(member).map(|head| head.watchdog.as_deref());
    head.or_else(|| cluster.witnesses.get(member).map(|witness| witness.watchdog.as_deref()))?
}

/// As it is there: a namespace has none, and the lab's own fence device stands in for it.
pub fn of<'a>(cluster: &'a Cluster, surroundings: &Surroundings, member: &str) -> Option<&'a str> {
    named(cluster, member).filter(|_| !surroundings.lab || surroundings.machines.contains(member))
}

/// The engine's property, where some member has one.
pub fn property(cluster: &Cluster, counts: bool) -> Option<(&'static str, String)> {
    counts.then(|| (PROPERTY, format!("{}ms", WAIT * cluster.ha.watchdog_timeout.as_millis())))
}

/// Files, packages, unit and check of a member that has one.
///
/// # Errors
/// What the template says.
pub fn lay(
    device: &str,
    cluster: &Cluster,
    host: &mut HostDesired,
    templates: &Templates,
) -> Result<(), Problem> {
    let values = json!({ "device": device, "seconds": cluster.ha.watchdog_timeout.as_millis() / 1000 });
    host.files.push(templates.file(
        CONF,
        "engine/pacemaker/sbd.hbs",
        values,
        OnChange::Restart(UNIT.to_owned()),
    )?);
    host.packages.insert("sbd".to_owned());
    host.units.insert(0, Unit { name: UNIT.to_owned(), want: UnitWant::WithEngine });
    let argv = ["test", "-c", device].map(str::to_owned).into();
    host.checks.push(Check {
        name: format!("a watchdog at {device}"),
        question: Question::Command { argv, timeout_ms: 5_000 },
        verdict: present,
    });
    Ok(())
}

fn present(answer: &Answer) -> Verdict {
    match answer.status {
        Some(0) => Verdict::Good,
        Some(1) => Verdict::Bad(
            "there is no such device: load the driver of the machine's watchdog (or `modprobe softdog`), and name it in \
             /etc/modules-load.d"
                .to_owned(),
        ),
        _ => Verdict::Unknown(answer.stderr.trim().to_owned()),
    }
}

/// Whether sbd's change comes before that of the configuration: the engine refuses to count on a shorter time than sbd
/// has, or on one that does not run.
pub fn restart_first(wanted: &str, live: Option<&str>) -> bool {
    let waits = |text: &str, root: bool| {
        let read = Element::read(text).ok()?;
        let configuration = if root { &read } else { read.child("configuration")? };
        let value = back::properties(configuration).get(PROPERTY).map(|value| (*value).to_owned())?;
        value.strip_suffix("ms")?.parse::<u64>().ok()
    };
    match (waits(wanted, true), live.and_then(|cib| waits(cib, false))) {
        (Some(wanted), Some(live)) => wanted <= live,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbd_comes_before_the_engine_counts_on_it_and_goes_after() {
        let configuration = |value: &str| {
            let pair = format!(r#"<nvpair id="a" name="{PROPERTY}" value="{value}"/>"#);
            format!(
                r#"<configuration><crm_config><cluster_property_set id="{}">{pair}</cluster_property_set></crm_config></configuration>"#,
                crate::engines::pacemaker::cib::PROPERTIES
            )
        };
        let live = |value: &str| format!("<cib>{}</cib>", configuration(value));
        let none = "<configuration/>";
        assert!(restart_first(&configuration("10000ms"), None), "it is new");
        assert!(restart_first(&configuration("10000ms"), Some("<cib><configuration/></cib>")), "it is new");
        assert!(restart_first(&configuration("10000ms"), Some(&live("20000ms"))), "it becomes shorter");
        assert!(!restart_first(&configuration("20000ms"), Some(&live("10000ms"))), "it becomes longer");
        assert!(!restart_first(none, Some(&live("10000ms"))), "it goes");
    }
}

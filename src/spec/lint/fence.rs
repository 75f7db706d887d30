//! Fencing: every member can be switched off by somebody else.

use super::{Lint, Mend};
use crate::spec::{Fence, FenceDevice, FenceValue, WitnessKind, fence_agent};

/// Agents of boards inside the machine that they switch off (fence-agents 4.12): no mains, no answer.
const BMC_AGENTS: [&str; 12] = [
    "fence_ipmilan",
    "fence_ipmilanplus",
    "fence_idrac",
    "fence_drac5",
    "fence_ilo",
    "fence_ilo3",
    "fence_ilo4",
    "fence_ilo5",
    "fence_imm",
    "fence_redfish",
    "fence_xcc",
    "fence_rsb",
];
/// Parameters of fence agents that hold a secret.
const SECRET_WORDS: [&str; 4] = ["password", "passwd", "login_password", "community"];

/// sbd looks at the engine once a second, and needs some looks to be sure: not under this.
const WATCHDOG_LEAST_MS: u64 = 2_000;

/// A machine of the spec that takes part in fencing.
struct Member<'a> {
    path: String,
    name: &'a String,
    fence: &'a Fence,
    watchdog: Option<&'a String>,
}

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let heads = cluster.heads.iter().map(|(name, head)| Member {
        path: format!("heads.{name}"),
        name,
        fence: &head.fence,
        watchdog: head.watchdog.as_ref(),
    });
    let witnesses = cluster.witnesses.iter().filter(|(_, witness)| witness.kind == WitnessKind::Member);
    let witnesses = witnesses.map(|(name, witness)| Member {
        path: format!("witnesses.{name}"),
        name,
        fence: &witness.fence,
        watchdog: witness.watchdog.as_ref(),
    });
    let members: Vec<Member<'_>> = heads.chain(witnesses).collect();
    let needed = cluster.heads.len() > 1;
    for Member { path, name, fence, watchdog } in &members {
        if fence.is_empty() && watchdog.is_none() && needed {
            let place = lint.at_key(path, "can be switched off by nobody");
            lint.error("fence/none", format!("{name} has no fence device: when it falls silent, nobody can be sure that it is off"), [place])
                .mend(format!("add `fence: {{ agent: fence_ipmilan, ip: ADDRESS, username: NAME, password: {{ secret: bmc-{name} }} }}`"));
        }
        for (mark, device) in fence.devices() {
            let path = format!("{path}.fence{mark}");
            agent(lint, &path, name, device);
            secrets(lint, &path, name, device);
        }
    }
    boards(lint, &members);
    watchdogs(lint, &members);
}

fn agent(lint: &mut Lint<'_>, path: &str, name: &str, device: &FenceDevice) {
    match device.get("agent") {
        Some(FenceValue::Text(agent)) if agent.starts_with("fence_") && agent.chars().all(of_name) => {}
        Some(_) => {
            let place = lint.at(&format!("{path}.agent"), "");
            lint.error(
                "fence/no-agent",
                format!("the fence agent of {name} is the name of a fence_ program"),
                [place],
            )
            .mend("for example `agent: fence_ipmilan`");
        }
        None => {
            let place = lint.at_key(path, "");
            lint.error("fence/no-agent", format!("the fence device of {name} has no `agent`"), [place])
                .mend("add `agent: fence_ipmilan`, or whatever switches this machine off");
        }
    }
}

/// A program's name, and no path.
fn of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn secrets(lint: &mut Lint<'_>, path: &str, name: &str, device: &FenceDevice) {
    for word in SECRET_WORDS {
        if device.get(word).is_some_and(|value| !matches!(value, FenceValue::Secret { .. })) {
            let place = lint.at(&format!("{path}.{word}"), "readable by everybody who can read the spec");
            lint.error(
                "fence/plain-password",
                format!("the fence device of {name} has its `{word}` in the spec"),
                [place],
            )
            .mend(format!("write `{word}: {{ secret: bmc-{name} }}` and store it with `haoscar secret`"));
        }
    }
}

/// Members that have no level without a board: it dies with the machine's mains, and the level with it.
fn boards(lint: &mut Lint<'_>, members: &[Member<'_>]) {
    let on_board = |device: &&FenceDevice| BMC_AGENTS.contains(&fence_agent(device));
    let only_boards = |fence: &Fence| {
        let levels = fence.levels();
        !levels.is_empty() && levels.iter().all(|level| level.iter().any(on_board))
    };
    let boards: Vec<_> =
        members.iter().filter(|member| member.watchdog.is_none() && only_boards(member.fence)).collect();
    if boards.is_empty() || lint.cluster.heads.len() < 2 {
        return;
    }
    let board = |member: &&Member<'_>| {
        let (mark, _) = member.fence.devices().into_iter().find(|(_, device)| on_board(device))?;
        Some(lint.at(&format!("{}.fence{mark}.agent", member.path), "dies with its machine's power"))
    };
    let places: Vec<_> = boards.iter().filter_map(board).collect();
    let names: Vec<&str> = boards.iter().map(|member| member.name.as_str()).collect();
    let message = format!(
        "only a board inside the machine can fence {}: when its mains fail, fencing fails too and nothing moves",
        names.join(", ")
    );
    lint.note("fence/bmc-shares-power", message, places).mend(
        "add a switched power outlet as a second level, `fence: [ { agent: fence_ipmilan, ... }, { agent: fence_apc_snmp, ... } ]`, or the machine's watchdog, `watchdog: /dev/watchdog`, or waive this with a reason such as two separate feeds",
    );
}

/// What a watchdog needs: a majority that the machine can lose, and a time that its engine can keep.
fn watchdogs(lint: &mut Lint<'_>, members: &[Member<'_>]) {
    let Some(first) = members.iter().find(|member| member.watchdog.is_some()) else { return };
    let cluster = lint.cluster;
    let qnetd = cluster.witnesses.values().any(|witness| witness.kind == WitnessKind::Qnetd);
    if members.len() < 3 && !qnetd {
        let place = lint.at(&format!("{}.watchdog", first.path), "waits for a lost quorum");
        lint.error(
            "fence/watchdog-needs-votes",
            format!(
                "the watchdog of {} has nothing to go by: of two votes each half keeps its quorum",
                first.name
            ),
            [place],
        )
        .mend(
            "add a witness (`witnesses: { arbiter: { kind: member, ... } }`): who is cut off then knows it",
        );
    }
    let timeout = cluster.ha.watchdog_timeout;
    // a vote of qnetd may be waited for so long (engines/pacemaker/qnetd), and sbd refuses a shorter time (sbd 1.5.2)
    let least =
        if qnetd { (8 * cluster.ha.detect.as_millis()).max(WATCHDOG_LEAST_MS) } else { WATCHDOG_LEAST_MS };
    if timeout.as_millis() <= least || !timeout.as_millis().is_multiple_of(1000) {
        let place = lint.at("ha.watchdog_timeout", "");
        let seconds = least / 1000 + 1;
        lint.error(
            "ha/watchdog-timeout",
            format!("`watchdog_timeout` of {timeout} is no time that sbd can keep: whole seconds, {seconds}s or more"),
            [place],
        )
        .mend(format!("write `watchdog_timeout: {}s`", seconds.max(5)));
    }
}

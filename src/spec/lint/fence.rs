//! Fencing: every member can be switched off by somebody else.

use std::collections::BTreeMap;

use super::{Lint, Mend};
use crate::spec::{FenceValue, WitnessKind};

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

type Device = BTreeMap<String, FenceValue>;

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let heads = cluster.heads.iter().map(|(name, head)| (format!("heads.{name}"), name, &head.fence));
    let witnesses = cluster.witnesses.iter().filter(|(_, witness)| witness.kind == WitnessKind::Member);
    let witnesses = witnesses.map(|(name, witness)| (format!("witnesses.{name}"), name, &witness.fence));
    let members: Vec<(String, &String, &Device)> = heads.chain(witnesses).collect();
    let needed = cluster.heads.len() > 1;
    for (path, name, device) in &members {
        if device.is_empty() {
            if needed {
                let place = lint.at_key(path, "can be switched off by nobody");
                lint.error("fence/none", format!("{name} has no fence device: when it falls silent, nobody can be sure that it is off"), [place])
                    .mend(format!("add `fence: {{ agent: fence_ipmilan, ip: ADDRESS, username: NAME, password: {{ secret: bmc-{name} }} }}`"));
            }
            continue;
        }
        agent(lint, path, name, device);
        secrets(lint, path, name, device);
    }
    boards(lint, &members);
}

fn agent(lint: &mut Lint<'_>, path: &str, name: &str, device: &Device) {
    match device.get("agent") {
        Some(FenceValue::Text(agent)) if agent.starts_with("fence_") => {}
        Some(_) => {
            let place = lint.at(&format!("{path}.fence.agent"), "");
            lint.error(
                "fence/no-agent",
                format!("the fence agent of {name} is the name of a fence_ program"),
                [place],
            )
            .mend("for example `agent: fence_ipmilan`");
        }
        None => {
            let place = lint.at_key(&format!("{path}.fence"), "");
            lint.error("fence/no-agent", format!("the fence device of {name} has no `agent`"), [place])
                .mend("add `agent: fence_ipmilan`, or whatever switches this machine off");
        }
    }
}

fn secrets(lint: &mut Lint<'_>, path: &str, name: &str, device: &Device) {
    for word in SECRET_WORDS {
        if device.get(word).is_some_and(|value| !matches!(value, FenceValue::Secret { .. })) {
            let place =
                lint.at(&format!("{path}.fence.{word}"), "readable by everybody who can read the spec");
            lint.error(
                "fence/plain-password",
                format!("the fence device of {name} has its `{word}` in the spec"),
                [place],
            )
            .mend(format!("write `{word}: {{ secret: bmc-{name} }}` and store it with `haoscar secret`"));
        }
    }
}

fn boards(lint: &mut Lint<'_>, members: &[(String, &String, &Device)]) {
    let on_board = |device: &Device| matches!(device.get("agent"), Some(FenceValue::Text(agent)) if BMC_AGENTS.contains(&agent.as_str()));
    let boards: Vec<_> = members.iter().filter(|(_, _, device)| on_board(device)).collect();
    if boards.is_empty() || lint.cluster.heads.len() < 2 {
        return;
    }
    let places: Vec<_> = boards
        .iter()
        .map(|(path, _, _)| lint.at(&format!("{path}.fence.agent"), "dies with its machine's power"))
        .collect();
    let names: Vec<&str> = boards.iter().map(|(_, name, _)| name.as_str()).collect();
    let message = format!(
        "only a board inside the machine can fence {}: when its mains fail, fencing fails too and nothing moves",
        names.join(", ")
    );
    lint.note("fence/bmc-shares-power", message, places)
        .mend("use a switched power outlet, or waive this with a reason such as two separate feeds");
}

//! The answers as a spec, with comments for whoever reads it next.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Answers, Card, NONE, answer};
use crate::spec::address::advance;
use crate::spec::{Mac, Os};

/// Everything that was answered, understood.
struct Draft {
    name: String,
    domain: String,
    networks: Vec<(&'static str, Card)>,
    peer: Option<(String, Vec<(Mac, IpAddr)>)>,
    boards: Option<(IpAddr, IpAddr)>,
    addresses: Vec<IpAddr>,
    storage: Option<String>,
    nodes: Option<(String, IpAddr)>,
}

/// A spec of these answers for a head of this name and distribution.
///
/// # Errors
/// The first answer that is missing or cannot be one, with its question.
pub fn write(head: &str, os: Os, answers: &Answers) -> Result<String, (String, String)> {
    let draft = read(answers)?;
    let mut text = String::new();
    let out = &mut text;
    let Draft { name, domain, .. } = &draft;
    let os = if os == Os::default() { String::new() } else { format!("os: {}\n", os.word()) };
    let _ = write!(
        out,
        "# Made by `haoscar init`. `haoscar explain heads.*.fence` explains any field, `haoscar validate` finds what is wrong.\n\
         apiVersion: haoscar/v1\nkind: Cluster\nname: {name}\ndomain: {domain}\n{os}\n"
    );
    networks(&draft, out);
    heads(head, &draft, out);
    ha(&draft, out);
    group(head, &draft, out);
    services(&draft, out);
    nodes(&draft, out);
    waive(&draft, out);
    Ok(text)
}

fn read(answers: &Answers) -> Result<Draft, (String, String)> {
    let get = |name: &str| {
        let said = answers.get(name).map(|said| said.trim().to_owned());
        let said = said.ok_or_else(|| (name.to_owned(), "it is not answered".to_owned()))?;
        match answer::check(name, &said, answers) {
            Ok(()) => Ok(said),
            Err(why) => Err((name.to_owned(), why)),
        }
    };
    let wrong = |name: &'static str| move |why: String| (name.to_owned(), why);
    for name in ["public", "inside"] {
        get(name)?;
    }
    let peer = match get("peer")? {
        none if none == NONE => None,
        name => Some((name, answer::peer_cards(&get("peer-cards")?, answers).map_err(wrong("peer-cards"))?)),
    };
    let boards = match &peer {
        Some(_) => answer::boards(&get("boards")?).map_err(wrong("boards"))?,
        None => None,
    };
    let nodes = answer::nodes(&get("nodes")?).map_err(wrong("nodes"))?;
    Ok(Draft {
        name: get("name")?,
        domain: get("domain")?,
        networks: answer::networks(answers),
        peer,
        boards,
        addresses: answer::addresses(&get("addresses")?, answers).map_err(wrong("addresses"))?,
        storage: Some(get("storage")?).filter(|said| said != NONE),
        nodes: nodes.map(|(range, first)| (range.to_string(), first)),
    })
}

fn networks(draft: &Draft, out: &mut String) {
    *out += "networks:\n";
    for (name, head) in &draft.networks {
        let role = if *name == "public" { "public" } else { "private" };
        let gateway = head.gateway.map(|gateway| format!(", gateway: {gateway}")).unwrap_or_default();
        let pool = pool(head.address).filter(|_| role == "private");
        let pool = pool.map(|(first, last)| format!(", pool: {first}-{last}")).unwrap_or_default();
        let _ = writeln!(out, "  {name}: {{ role: {role}, cidr: {}{gateway}{pool} }}", head.address.trunc());
    }
    *out += "\n";
}

/// Addresses for machines that no spec knows: fifty at the end of the network, if it has as many.
fn pool(net: IpNet) -> Option<(IpAddr, IpAddr)> {
    let IpNet::V4(four) = net else { return None };
    let size = 1_u64 << (32 - u64::from(four.prefix_len()));
    let from = (size >= 256).then(|| size - 56)?;
    Some((advance(net.network(), from)?, advance(net.network(), from + 49)?))
}

fn heads(head: &str, draft: &Draft, out: &mut String) {
    *out += "heads:\n";
    let own: Vec<_> = draft.networks.iter().map(|(_, card)| (card.mac, card.address.addr())).collect();
    one_head(head, &own, draft.boards.map(|boards| boards.0), draft, out);
    if let Some((name, cards)) = &draft.peer {
        one_head(name, cards, draft.boards.map(|boards| boards.1), draft, out);
    }
    *out += "\n";
}

fn one_head(name: &str, cards: &[(Mac, IpAddr)], board: Option<IpAddr>, draft: &Draft, out: &mut String) {
    let _ = writeln!(out, "  {name}:\n    nics:");
    for ((network, first), (mac, address)) in draft.networks.iter().zip(cards) {
        let card = &first.name;
        let _ = writeln!(out, "      {card}: {{ network: {network}, mac: \"{mac}\", address: {address} }}");
    }
    if let Some(board) = board {
        let secret = format!("{{ secret: bmc-{name} }}");
        let _ = writeln!(
            out,
            "    # the password lies in /etc/haoscar/secrets/bmc-{name} on the heads, never here\n    \
             fence: {{ agent: fence_ipmilan, ip: {board}, username: admin, password: {secret} }}"
        );
    }
}

fn ha(draft: &Draft, out: &mut String) {
    if draft.peer.is_some() {
        *out += "ha:\n  detect: 1100ms # a dead head is declared dead after this long\n  \
                 fence_delay: 5s # without a third vote the first head wins a split; a witness is faster: haoscar explain witnesses\n\n";
    }
}

fn group(head: &str, draft: &Draft, out: &mut String) {
    if let Some(path) = &draft.storage {
        let _ = writeln!(
            out,
            "storage:\n  state: {{ kind: mounted, path: {path} }} # every head has it always\n"
        );
    }
    let peer = draft.peer.as_ref().map(|(name, _)| format!(", {name}")).unwrap_or_default();
    let pairs = draft.networks.iter().zip(&draft.addresses);
    let addresses: Vec<_> = pairs.map(|((name, _), address)| format!("{name}: {address}")).collect();
    let storage = draft.storage.as_ref().map(|_| "    storage: state\n").unwrap_or_default();
    let mut services = vec!["names", "time"];
    services.extend(dhcp(draft).then_some("dhcp"));
    services.extend(draft.storage.as_ref().map(|_| "home"));
    let _ = writeln!(
        out,
        "groups:\n  control:\n    heads: [{head}{peer}] # in order of preference\n    \
         addresses: {{ {} }} # never a head's own: they move\n{storage}    services: [{}]\n",
        addresses.join(", "),
        services.join(", ")
    );
}

/// It keeps its leases where all heads see them.
fn dhcp(draft: &Draft) -> bool {
    draft.storage.is_some() && draft.nodes.is_some()
}

fn services(draft: &Draft, out: &mut String) {
    *out += "services:\n  names: {}\n  time: {} # servers: [ntp1.example] where there are some\n";
    if dhcp(draft) {
        *out += "  dhcp: {}\n";
    }
    if let Some(path) = &draft.storage {
        let _ = writeln!(
            out,
            "  home: {{ kind: nfs, exports: [{{ path: {path}/home, to: inside, access: rw }}] }}\n  \
             # scheduler: {{ backend: slurm, partitions: {{ batch: {{ nodes: compute, default: true }} }} }}"
        );
    }
    *out += "\n";
}

fn nodes(draft: &Draft, out: &mut String) {
    let Some((range, first)) = &draft.nodes else { return };
    let card =
        draft.networks.iter().find(|(name, _)| *name == "inside").map_or("eno1", |(_, card)| &card.name);
    let _ = writeln!(
        out,
        "nodes:\n  # their MACs, in the order of the names: a list here, or a file beside this one (macs: macs.csv)\n  \
         {range}: {{ nics: {{ {card}: {{ network: inside, address: {first}+ }} }} }}\n"
    );
}

fn waive(draft: &Draft, out: &mut String) {
    if draft.peer.is_some() && draft.boards.is_none() {
        *out += "# Until a fence device is named, nothing fails over by itself: a head that falls silent may still write.\n\
                 waive: [{ code: fence/none, reason: \"haoscar init: the boards were not known yet\" }]\n";
    }
}

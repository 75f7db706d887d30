//! What an answer must look like, and what it says.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Answers, Card, LATER, NONE};
use crate::spec::address::advance;
use crate::spec::{Mac, NodeRange, check_format};

/// Whether this can be an answer to that question, after the answers before it.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str, said: &str, answers: &Answers) -> Result<(), String> {
    let said = said.trim();
    let format = |form| check_format(form, said);
    match name {
        "peer" | "public" | "storage" if said == NONE => Ok(()),
        "name" | "peer" => format("label").map_err(|_| {
            format!("`{said}` is no name: lower-case letters, digits and inner hyphens, 63 at most")
        }),
        "domain" => format("domain").map_err(|_| format!("`{said}` is no domain")),
        "public" | "inside" => given(said).map(drop),
        "peer-cards" => peer_cards(said, answers).map(drop),
        "boards" => boards(said).map(drop),
        "addresses" => addresses(said, answers).map(drop),
        "storage" => format("absolute-path").map_err(|_| format!("`{said}` is no path: /srv/state")),
        "nodes" => nodes(said).map(drop),
        _ => Err(format!("nobody asked for {name}")),
    }
}

pub(super) fn given(said: &str) -> Result<Card, String> {
    let words: Vec<_> = said.split_whitespace().collect();
    let (card, mac, address, gateway) = match words[..] {
        [card, mac, address] => (card, mac, address, None),
        [card, mac, address, gateway] => (card, mac, address, Some(gateway)),
        _ => return Err("CARD MAC ADDRESS/PREFIX [GATEWAY] is expected".to_owned()),
    };
    let net: IpNet = address
        .parse()
        .map_err(|_| format!("`{address}` is no address with the length of a prefix: 10.20.0.1/16"))?;
    if net.addr() == net.network() || net.addr() == net.broadcast() {
        return Err(format!("{} is no address of a machine in {}", net.addr(), net.trunc()));
    }
    let gateway =
        gateway.map(|text| text.parse().map_err(|_| format!("`{text}` is no address"))).transpose()?;
    Ok(Card { name: card.to_owned(), mac: mac.parse()?, address: net, gateway })
}

/// The networks of the first head: the users' if there is one, and the nodes'.
pub(super) fn networks(answers: &Answers) -> Vec<(&'static str, Card)> {
    let of = |name: &'static str| Some((name, given(answers.get(name)?).ok()?));
    [of("public"), of("inside")].into_iter().flatten().collect()
}

fn in_order<T>(
    said: &str,
    answers: &Answers,
    one: impl Fn(&str) -> Result<(T, IpAddr), String>,
) -> Result<Vec<T>, String> {
    let networks = networks(answers);
    let words: Vec<_> = said.split_whitespace().collect();
    if words.len() != networks.len() {
        let names: Vec<_> = networks.iter().map(|(name, _)| *name).collect();
        return Err(format!("one for each network is expected: {}", names.join(", ")));
    }
    let within = |(word, (name, head)): (&&str, &(&str, Card))| {
        let (value, address) = one(word)?;
        if !head.address.contains(&address) {
            return Err(format!("{address} is not in {} ({name})", head.address.trunc()));
        }
        if head.address.addr() == address {
            return Err(format!("{address} is this head's own"));
        }
        Ok(value)
    };
    words.iter().zip(&networks).map(within).collect()
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

pub(super) fn peer_cards(said: &str, answers: &Answers) -> Result<Vec<(Mac, IpAddr)>, String> {
    in_order(said, answers, |word| {
        let (mac, at) = word.split_once('=').ok_or_else(|| format!("`{word}`: MAC=ADDRESS is expected"))?;
        let at = address(at)?;
        Ok(((mac.parse()?, at), at))
    })
}

pub(super) fn addresses(said: &str, answers: &Answers) -> Result<Vec<IpAddr>, String> {
    in_order(said, answers, |word| address(word).map(|at| (at, at)))
}

/// None: not known yet.
pub(super) fn boards(said: &str) -> Result<Option<(IpAddr, IpAddr)>, String> {
    if said.trim() == LATER {
        return Ok(None);
    }
    match said.split_whitespace().collect::<Vec<_>>()[..] {
        [one, other] if one != other => Ok(Some((address(one)?, address(other)?))),
        _ => Err("two addresses are expected, one a head; or later".to_owned()),
    }
}

pub(super) fn nodes(said: &str) -> Result<Option<(NodeRange, IpAddr)>, String> {
    if said.trim() == NONE {
        return Ok(None);
    }
    let (range, first) =
        said.trim().split_once('=').ok_or("RANGE=ADDRESS is expected: compute[001-064]=10.20.2.1")?;
    Ok(Some((range.parse()?, address(first)?)))
}

/// On each network the tenth address, or the next one that no head has.
pub(super) fn free(answers: &Answers) -> Option<String> {
    let networks = networks(answers);
    let peer = answers.get("peer-cards").and_then(|said| peer_cards(said, answers).ok()).unwrap_or_default();
    let free = |(_, head): &(&str, Card)| {
        let taken = |at: &IpAddr| head.address.addr() == *at || peer.iter().any(|(_, other)| other == at);
        let at = (10..).map_while(|n| advance(head.address.network(), n)).find(|at| !taken(at))?;
        head.address.contains(&at).then(|| at.to_string())
    };
    let found: Option<Vec<_>> = networks.iter().map(free).collect();
    found.filter(|found| !found.is_empty()).map(|found| found.join(" "))
}

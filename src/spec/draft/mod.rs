//! A first spec, from at most ten answers: what is asked, what is proposed, what an answer must look like, and the YAML that comes
//! of them. Pure: what a head says of itself comes in as [`Known`].

mod answer;
mod write;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Mac;
pub use answer::check;
pub use write::write;

/// What a head says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its host name, without a domain.
    pub name: String,
    /// Its domain; empty: it has none.
    pub domain: String,
    /// The distribution that it says to be, in os-release's words: `debian-12`.
    #[serde(default)]
    pub os: String,
    /// Its cards that have an address, those with a gateway first.
    pub cards: Vec<Card>,
    /// Where storage of other machines is mounted.
    pub mounts: Vec<String>,
}

/// A card with its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// `eno1`.
    pub name: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its address with the length of the network's prefix.
    pub address: IpNet,
    /// Where it sends what is for other networks.
    pub gateway: Option<IpAddr>,
}

/// Answers by the names of their questions.
pub type Answers = BTreeMap<String, String>;

/// One of the ten.
#[derive(Debug)]
pub struct Question {
    /// The name of its answer, and of its option.
    pub name: &'static str,
    /// What is asked.
    pub text: &'static str,
    /// How an answer looks.
    pub form: &'static str,
}

/// Nothing of it.
pub const NONE: &str = "none";

/// There is one, and it is not known yet.
pub const LATER: &str = "later";

/// All that is asked, in order.
pub const QUESTIONS: [Question; 10] = [
    Question { name: "name", text: "the cluster's name", form: "a DNS label" },
    Question { name: "domain", text: "its domain", form: "oscar.example" },
    Question {
        name: "public",
        text: "this head's card on the users' network",
        form: "CARD MAC ADDRESS/PREFIX [GATEWAY], or none: eno1 52:54:00:20:00:01 192.0.2.11/24 192.0.2.1",
    },
    Question {
        name: "inside",
        text: "this head's card on the nodes' network",
        form: "CARD MAC ADDRESS/PREFIX: eno2 52:54:00:20:00:11 10.20.0.1/16",
    },
    Question { name: "peer", text: "the second head", form: "its name, or none" },
    Question {
        name: "peer-cards",
        text: "the second head's cards, on the same networks in the same order",
        form: "MAC=ADDRESS MAC=ADDRESS: 52:54:00:20:00:02=192.0.2.12 52:54:00:20:00:12=10.20.0.2",
    },
    Question {
        name: "boards",
        text: "the heads' boards (IPMI), which switch them off",
        form: "ADDRESS ADDRESS: 10.20.1.1 10.20.1.2; or later",
    },
    Question {
        name: "addresses",
        text: "the addresses that move from head to head, on the same networks in the same order",
        form: "ADDRESS ADDRESS: 192.0.2.10 10.20.0.10",
    },
    Question {
        name: "storage",
        text: "where storage is mounted that all heads see",
        form: "a path, or none",
    },
    Question {
        name: "nodes",
        text: "the compute nodes, and the first one's address",
        form: "RANGE=ADDRESS, or none: compute[001-064]=10.20.2.1",
    },
];

/// Whether a question is to be asked at all after these answers.
pub fn asked(name: &str, answers: &Answers) -> bool {
    let alone = answers.get("peer").is_some_and(|peer| peer == NONE);
    !(alone && ["peer-cards", "boards"].contains(&name))
}

/// What is proposed, after these answers. None: only a person can know.
pub fn proposal(name: &str, known: &Known, answers: &Answers) -> Option<String> {
    let card = |card: &Card| {
        let gateway = card.gateway.map(|gateway| format!(" {gateway}")).unwrap_or_default();
        format!("{} {} {}{gateway}", card.name, card.mac, card.address)
    };
    match name {
        "name" => Some(first(&known.domain).unwrap_or("cluster").to_owned()),
        "domain" if !known.domain.is_empty() => Some(known.domain.clone()),
        "domain" => Some(format!("{}.example", answers.get("name").map_or("cluster", String::as_str))),
        "public" if known.cards.is_empty() => None,
        "public" => Some(outside(known).map_or(NONE.to_owned(), card)),
        "inside" => {
            let public = answers.get("public").map(String::as_str).unwrap_or_default();
            known.cards.iter().map(card).find(|proposed| proposed != public).map(|text| {
                text.split(' ').take(3).collect::<Vec<_>>().join(" ") // a gateway is of no use there
            })
        }
        "peer" => Some(next(&known.name).unwrap_or_else(|| NONE.to_owned())),
        "addresses" => answer::free(answers),
        "storage" => Some(known.mounts.first().cloned().unwrap_or_else(|| NONE.to_owned())),
        "nodes" => Some(NONE.to_owned()),
        _ => None,
    }
}

/// A head on one network only has no card outside.
fn outside(known: &Known) -> Option<&Card> {
    known.cards.iter().find(|card| card.gateway.is_some()).filter(|_| known.cards.len() > 1)
}

fn first(domain: &str) -> Option<&str> {
    domain.split('.').next().filter(|label| !label.is_empty())
}

/// `head-2` after `head-1`.
fn next(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u64 = name[stem.len()..].parse().ok()?;
    Some(format!("{stem}{}", number + 1))
}

#[cfg(test)]
mod tests;

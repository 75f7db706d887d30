//! Answers that a person or a head gives, and the specs that come of them.

use super::*;
use crate::spec::{Os, Severity, Sources, judge};

fn known() -> Known {
    let card = |name: &str, mac: &str, address: &str, gateway: Option<&str>| Card {
        name: name.to_owned(),
        mac: mac.parse().unwrap(),
        address: address.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
    };
    Known {
        name: "head-1".to_owned(),
        domain: "oscar.example".to_owned(),
        os: "debian-12".to_owned(),
        cards: vec![
            card("eno1", "52:54:00:20:00:01", "192.0.2.11/24", Some("192.0.2.1")),
            card("eno2", "52:54:00:20:00:11", "10.20.0.1/16", None),
        ],
        mounts: vec!["/srv/state".to_owned()],
    }
}

/// Takes every proposal, and what only a person knows from `more`.
fn answered(known: &Known, more: &[(&str, &str)]) -> Answers {
    let mut answers = Answers::new();
    for question in &QUESTIONS {
        if !asked(question.name, &answers) {
            continue;
        }
        let given = more.iter().find(|(name, _)| *name == question.name).map(|(_, said)| (*said).to_owned());
        let said = given.or_else(|| proposal(question.name, known, &answers)).unwrap_or_default();
        check(question.name, &said, &answers)
            .unwrap_or_else(|why| panic!("{}: {said}: {why}", question.name));
        answers.insert(question.name.to_owned(), said);
    }
    answers
}

fn errors(text: &str) -> Vec<String> {
    match judge(&Sources::of_text("cluster.yaml", text)) {
        Ok((_, notes)) => {
            notes.iter().filter(|p| p.severity == Severity::Error).map(|p| p.message.clone()).collect()
        }
        Err(found) => found.iter().map(|problem| problem.message.clone()).collect(),
    }
}

const PEER: (&str, &str) = ("peer-cards", "52:54:00:20:00:02=192.0.2.12 52:54:00:20:00:12=10.20.0.2");

#[test]
fn a_head_of_another_distribution_than_the_default_says_so_in_the_spec() {
    let answers = answered(&known(), &[PEER, ("boards", "10.20.1.1 10.20.1.2")]);
    let text = write("head-1", Os::Debian13, &answers).unwrap();
    assert!(errors(&text).is_empty(), "{:?}\n{text}", errors(&text));
    assert!(text.contains("\ndomain: oscar.example\nos: debian-13\n"), "{text}");
    assert!(!write("head-1", Os::Debian12, &answers).unwrap().contains("\nos:"));
}

#[test]
fn a_head_that_is_known_asks_for_little_more_than_the_other_one() {
    let boards = ("boards", "10.20.1.1 10.20.1.2");
    let nodes = ("nodes", "compute[001-004]=10.20.2.1");
    let answers = answered(&known(), &[PEER, boards, nodes]);
    assert_eq!(answers["name"], "oscar");
    assert_eq!(answers["peer"], "head-2");
    assert_eq!(answers["addresses"], "192.0.2.10 10.20.0.10");
    let text = write("head-1", Os::Debian12, &answers).unwrap();
    assert!(errors(&text).is_empty(), "{:?}\n{text}", errors(&text));
    for line in [
        "pool: 10.20.255.200-10.20.255.249",
        "services: [names, time, dhcp, home]",
        "password: { secret: bmc-head-2 }",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_mixture_of_answers_is_a_valid_spec() {
    for peer in ["none", "head-2"] {
        for storage in ["none", "/srv/state"] {
            for nodes in ["none", "n[1-9]=10.20.2.1"] {
                for boards in ["later", "10.20.1.1 10.20.1.2"] {
                    let more =
                        [PEER, ("peer", peer), ("storage", storage), ("nodes", nodes), ("boards", boards)];
                    let text = write("head-1", Os::Debian12, &answered(&known(), &more)).unwrap();
                    assert!(errors(&text).is_empty(), "{more:?}: {:?}\n{text}", errors(&text));
                }
            }
        }
    }
    let mut one = known();
    one.cards.remove(0);
    let text =
        write("head-1", Os::Debian12, &answered(&one, &[("public", "none"), ("peer", "none")])).unwrap();
    assert!(errors(&text).is_empty(), "{:?}\n{text}", errors(&text));
}

#[test]
fn an_answer_that_cannot_be_one_says_why() {
    let answers = answered(&known(), &[PEER, ("boards", "later")]);
    for (name, said, why) in [
        ("name", "1st of all", "is no name"),
        ("domain", "a..b", "is no domain"),
        ("public", "eno1 192.0.2.11", "CARD MAC ADDRESS/PREFIX [GATEWAY] is expected"),
        ("inside", "eno2 52:54:00:20:00 10.20.0.1/16", "is not a MAC address"),
        ("inside", "eno2 52:54:00:20:00:11 10.20.0.0/16", "is no address of a machine"),
        ("peer-cards", "52:54:00:20:00:02=192.0.2.12", "one for each network is expected: public, inside"),
        (
            "peer-cards",
            "52:54:00:20:00:02=192.0.9.12 52:54:00:20:00:12=10.20.0.2",
            "192.0.9.12 is not in 192.0.2.0/24",
        ),
        ("addresses", "192.0.2.11 10.20.0.10", "192.0.2.11 is this head's own"),
        ("boards", "10.20.1.1 10.20.1.1", "two addresses are expected"),
        ("storage", "srv", "is no path"),
        ("nodes", "compute[1-4]", "RANGE=ADDRESS is expected"),
    ] {
        let found = check(name, said, &answers).unwrap_err();
        assert!(found.contains(why), "{name}: {said}: {found}");
    }
    let missing = write("head-1", Os::Debian12, &Answers::new()).unwrap_err();
    assert_eq!(missing, ("public".to_owned(), "it is not answered".to_owned()));
}

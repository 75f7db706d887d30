//! Whether a cluster has forgotten a fault, read from what its programs print. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engines::heartbeat;

/// Whether `ip -o address` lists `address`.
pub(super) fn held(text: &str, address: IpAddr) -> bool {
    let is = |word: &str| word.split('/').next().is_some_and(|a| a.parse() == Ok(address));
    text.split_whitespace().any(is)
}

/// Whether `crm_mon --output-as=xml` shows `host` and everybody else as members that take part, and no head still counts a loss of its
/// links or storage: the next fault would meet a cluster that has not forgotten this one.
pub(super) fn is_whole(xml: &str, host: &str) -> bool {
    let Ok(tree) = roxmltree::Document::parse(xml) else { return false };
    let member = |n: &roxmltree::Node<'_, '_>| {
        n.attribute("online") == Some("true")
            && n.attribute("pending") != Some("true")
            && n.attribute("unclean") != Some("true")
    };
    let mut hosts = tree.descendants().filter(|n| n.has_tag_name("node") && n.has_attribute("online"));
    let known = hosts.clone().any(|n| n.attribute("name") == Some(host));
    let loss = |n: roxmltree::Node<'_, '_>| {
        n.has_tag_name("attribute")
            && n.attribute("name").is_some_and(|name| name.starts_with("haoscar-"))
            && n.attribute("value") == Some("0")
    };
    known && hosts.all(|n| member(&n)) && !tree.descendants().any(loss)
}

/// The same of heartbeat, from what each head answers to [`heartbeat::ask`]: every head is alive to itself and to the other,
/// and nothing is on its way.
pub(super) fn is_pair(said: &BTreeMap<String, String>) -> bool {
    let moving = |text: &String| text.lines().any(|line| line == "hold transition");
    heartbeat::state(said).nodes.values().all(|node| node.online) && !said.values().any(moving)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_whole_when_both_heads_are_alive_and_nothing_is_on_its_way() {
        let said = |one: &str, two: &str| {
            BTreeMap::from([("head-1".to_owned(), one.to_owned()), ("head-2".to_owned(), two.to_owned())])
        };
        let nodes = "node head-1 active\nnode head-2 active\n";
        let (all, none) = (format!("hold all\n{nodes}"), format!("hold none\n{nodes}"));
        assert!(is_pair(&said(&none, &all)));
        assert!(!is_pair(&said("", &all)), "a head that is off says nothing");
        assert!(!is_pair(&said(&format!("hold transition\n{nodes}"), &all)));
        assert!(!is_pair(&said(&none, &all.replace("head-1 active", "head-1 dead"))));
    }

    #[test]
    fn a_head_that_still_joins_is_not_back() {
        let xml = |pending| {
            format!(
                "<r><nodes><node name='head-1' online='true' pending='{pending}' unclean='false'/></nodes></r>"
            )
        };
        assert!(is_whole(&xml(false), "head-1"));
        assert!(!is_whole(&xml(true), "head-1"));
        assert!(!is_whole(&xml(false), "head-2"));
        let other_is_off =
            "<r><nodes><node name='head-1' online='true'/><node name='head-2' online='false'/></nodes></r>";
        assert!(!is_whole(other_is_off, "head-1"));
    }

    #[test]
    fn a_cluster_that_still_counts_a_lost_link_is_not_whole() {
        let xml = |value| {
            format!(
                "<r><nodes><node name='head-1' online='true'/></nodes><node_attributes><node name='head-2'>\
                 <attribute name='haoscar-link-inside' value='{value}'/></node></node_attributes></r>"
            )
        };
        assert!(is_whole(&xml(1), "head-1"));
        assert!(!is_whole(&xml(0), "head-1"));
    }

    #[test]
    fn an_address_is_held_as_a_whole_and_not_by_its_beginning() {
        let text = "2: eno2    inet 10.20.0.100/16 brd 10.20.255.255 scope global eno2\n";
        assert!(held(text, [10, 20, 0, 100].into()));
        assert!(!held(text, [10, 20, 0, 10].into()));
    }
}

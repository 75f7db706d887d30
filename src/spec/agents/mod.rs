//! What fence agents and OCF agents say of their parameters, and what of a spec they would not take. Pure.
//!
//! Offline the agents of a distribution are known by a list that `packaging/agents.sh` makes from their own metadata; a
//! host that was asked knows better, for it may have another version, or an agent of the site's own.

mod judge;
mod told;
mod uses;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Os;

pub(super) use judge::{Finding, judge};
pub use told::{Told, refusals};
pub use uses::{Use, uses};

/// One parameter of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The agent does nothing without it.
    pub required: bool,
    /// Kept for old configurations only.
    pub old: bool,
    /// The name that took the place of an old one.
    pub new: Option<String>,
    /// What the agent says of it; empty where only names are known.
    pub about: String,
}

/// An agent's parameters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Each parameter.
    pub parameters: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
struct Packaged {
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever reads the list"))]
    distribution: String,
    packages: BTreeMap<String, String>,
    agents: BTreeMap<String, String>,
}

static DEBIAN_12: LazyLock<Packaged> = LazyLock::new(|| read(include_str!("debian-12.json")));
static DEBIAN_13: LazyLock<Packaged> = LazyLock::new(|| read(include_str!("debian-13.json")));
static UBUNTU_24_04: LazyLock<Packaged> = LazyLock::new(|| read(include_str!("ubuntu-24.04.json")));
static UBUNTU_26_04: LazyLock<Packaged> = LazyLock::new(|| read(include_str!("ubuntu-26.04.json")));

fn read(list: &str) -> Packaged {
    let empty = Packaged { distribution: String::new(), packages: BTreeMap::new(), agents: BTreeMap::new() };
    serde_json::from_str(list).unwrap_or(empty) // a test reads each
}

/// RHEL's own were not to be had: they are taken for Debian 12's.
fn list(os: Os) -> &'static Packaged {
    match os {
        Os::Debian12 | Os::Rhel9 => &DEBIAN_12,
        Os::Debian13 => &DEBIAN_13,
        Os::Ubuntu2404 => &UBUNTU_24_04,
        Os::Ubuntu2604 => &UBUNTU_26_04,
    }
}

/// An agent that the distribution has, by its name in a spec: `fence_ipmilan`, `ocf:heartbeat:Dummy`.
pub fn packaged(os: Os, agent: &str) -> Option<Agent> {
    list(os).agents.get(agent).map(|words| of_words(words))
}

/// The names of its agents of the same class, for "did you mean".
pub fn packaged_like(os: Os, agent: &str) -> impl Iterator<Item = &'static str> {
    let ocf = agent.starts_with("ocf:");
    list(os).agents.keys().map(String::as_str).filter(move |name| name.starts_with("ocf:") == ocf)
}

/// The package that has agents of that class there, with its version.
pub fn package(os: Os, agent: &str) -> String {
    let name = if agent.starts_with("ocf:pacemaker:") {
        "pacemaker"
    } else if agent.starts_with("ocf:") {
        "resource-agents"
    } else {
        "fence-agents"
    };
    format!("{name} {}", list(os).packages.get(name).map(String::as_str).unwrap_or_default())
}

/// `NAME`, `NAME!` (required), `NAME=NEW` (old), `NAME-` (old, without a new one), between spaces.
fn of_words(words: &str) -> Agent {
    let parameter = |word: &str| match (word.split_once('='), word.strip_suffix('!'), word.strip_suffix('-'))
    {
        (Some((name, new)), ..) => {
            (name.to_owned(), Parameter { old: true, new: Some(new.to_owned()), ..Parameter::default() })
        }
        (_, Some(name), _) => (name.to_owned(), Parameter { required: true, ..Parameter::default() }),
        (_, _, Some(name)) => (name.to_owned(), Parameter { old: true, ..Parameter::default() }),
        _ => (word.to_owned(), Parameter::default()),
    };
    Agent { parameters: words.split_whitespace().map(parameter).collect() }
}

impl Agent {
    /// Reads what an agent prints as its metadata: fence agents (`-o metadata`) and OCF agents (`meta-data`) write the
    /// same form, and say differently what is old.
    pub fn of_metadata(text: &str) -> Option<Self> {
        let text = text.get(text.find('<')?..)?; // some warn before they answer
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let tree = roxmltree::Document::parse_with_options(text, options).ok()?;
        let all: Vec<_> = tree.descendants().filter(|node| node.has_tag_name("parameter")).collect();
        let mut parameters: BTreeMap<_, _> = all.iter().filter_map(|node| of_node(*node)).collect();
        for node in &all {
            let (Some(old), Some(name)) = (node.attribute("obsoletes"), node.attribute("name")) else {
                continue;
            };
            if let Some(parameter) = parameters.get_mut(old).filter(|_| old != name) {
                *parameter = Parameter { old: true, new: Some(name.to_owned()), ..parameter.clone() };
            }
        }
        tree.root_element().has_tag_name("resource-agent").then_some(Self { parameters })
    }
}

fn of_node(node: roxmltree::Node<'_, '_>) -> Option<(String, Parameter)> {
    let yes = |name: &str| matches!(node.attribute(name), Some("1" | "true"));
    let child = |name: &str| node.descendants().find(|child| child.has_tag_name(name));
    let new = child("replaced-with").and_then(|child| child.attribute("name")).map(str::to_owned);
    let about = child("shortdesc").and_then(|child| child.text()).unwrap_or_default();
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
    let old = yes("deprecated") || child("deprecated").is_some();
    let parameter = Parameter { required: yes("required") && !old, old, new, about };
    Some((node.attribute("name")?.to_owned(), parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_agents_of_each_distribution_are_known_with_old_names_and_what_they_require() {
        for os in Os::ALL {
            let agent = packaged(os, "fence_apc_snmp").unwrap();
            assert!(agent.parameters["ip"].required, "{os:?}");
            assert_eq!(agent.parameters["port"].new.as_deref(), Some("plug"), "{os:?}");
            assert!(
                packaged(os, "ocf:heartbeat:Filesystem").unwrap().parameters["device"].required,
                "{os:?}"
            );
            let fenced = packaged(os, "pacemaker-fenced").unwrap();
            assert!(fenced.parameters.contains_key("pcmk_host_map"), "{os:?}");
            assert!(os == Os::Rhel9 || list(os).distribution == os.word());
        }
        assert_eq!(package(Os::Debian12, "fence_apc_snmp"), "fence-agents 4.12.1-1");
    }

    #[test]
    fn metadata_says_what_is_required_what_is_old_and_what_it_is() {
        let text = r#"warning: pipes is old
<?xml version="1.0"?><resource-agent name="fence_x"><parameters>
 <parameter name="ip" required="1" obsoletes="ipaddr"><shortdesc lang="en">IP address
   of the device</shortdesc></parameter>
 <parameter name="ipaddr" required="1" deprecated="1"/>
 <parameter name="state"><deprecated><replaced-with name="file"/></deprecated></parameter>
</parameters></resource-agent>"#;
        let agent = Agent::of_metadata(text).unwrap();
        assert!(agent.parameters["ip"].required && !agent.parameters["ipaddr"].required);
        assert_eq!(agent.parameters["ipaddr"].new.as_deref(), Some("ip"));
        assert_eq!(agent.parameters["ip"].about, "IP address of the device");
        assert_eq!(agent.parameters["state"].new.as_deref(), Some("file"));
        assert_eq!(Agent::of_metadata("sh: fence_x: not found"), None);
        assert_eq!(Agent::of_metadata("<html/>"), None);
    }
}

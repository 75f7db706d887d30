//! The lab's fence agent in the manner of the RHCS agents: options as lines on standard input, an exit code. It
//! only carries the question to the keeper; it must not decide whether to fence.

use std::collections::BTreeMap;
use std::fs;

use super::KEEPER_PLACE;
use super::error::LabError;
use super::keeper::{Answer, Ask, Switch, ask};

/// How the agent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// Exit code 0, with what to print.
    Done(String),
    /// Exit code 2: the machine is off (only `status`).
    Off,
    /// Exit code 1: not done, and why.
    Failed(String),
}

const LINKS: &str = "/sys/class/net";

const METADATA: &str = r#"<?xml version="1.0" ?>
<resource-agent name="fence_haoscar" shortdesc="Power switches of a haoscar lab">
  <longdesc>Kills a lab host as a power cut does and, for reboot, switches it on again.</longdesc>
  <vendor-url></vendor-url>
  <parameters>
    <parameter name="action" unique="0" required="1"><getopt mixed="-o, --action=[action]"/>
      <content type="string" default="reboot"/><shortdesc lang="en">Fencing action</shortdesc></parameter>
    <parameter name="port" unique="0" required="0"><getopt mixed="-n, --plug=[host]"/>
      <content type="string"/><shortdesc lang="en">Host of the lab</shortdesc></parameter>
    <parameter name="level" unique="0" required="0">
      <content type="integer" default="1"/><shortdesc lang="en">Which of the host's switches</shortdesc></parameter>
  </parameters>
  <actions>
    <action name="on" automatic="0"/>
    <action name="off"/>
    <action name="reboot"/>
    <action name="status"/>
    <action name="monitor"/>
    <action name="list"/>
    <action name="metadata"/>
  </actions>
</resource-agent>
"#;

/// Does what the options on standard input ask; the word of the command line, if any, is the action.
pub fn run(input: &str, action: Option<&str>) -> Fenced {
    let options: BTreeMap<_, _> = input.lines().filter_map(|line| line.trim().split_once('=')).collect();
    let action = action.or_else(|| options.get("action").copied()).unwrap_or("reboot");
    let host = options.get("port").or_else(|| options.get("plug")).or_else(|| options.get("nodename"));
    let level = options.get("level").and_then(|level| level.parse().ok()).unwrap_or(1);
    let switch = |host: &str| Switch { host: host.to_owned(), level };
    let question = match (action, host) {
        ("metadata" | "meta-data", _) => return Fenced::Done(METADATA.to_owned()),
        // stonith_admin --query falls back to it: a device that is silent lists nothing either
        ("list", Some(host)) if silent(&switch(host)) => Ask::Status(switch(host)),
        ("list", _) | ("monitor", None) => Ask::List,
        // one device a host: a device that does not answer must be seen before it is needed
        ("status" | "monitor", Some(host)) => Ask::Status(switch(host)),
        ("on", Some(host)) => Ask::On(switch(host)),
        ("off", Some(host)) => Ask::Off(switch(host)),
        ("reboot", Some(host)) => Ask::Reboot(switch(host)),
        ("status", None) => Ask::List,
        (_, None) => return Fenced::Failed(format!("action `{action}` needs port=HOST")),
        (_, Some(_)) => return Fenced::Failed(format!("action `{action}` is not known")),
    };
    if !cabled(LINKS) {
        return Fenced::Failed(
            "no cable of this host has a link: no fence device is in its reach".to_owned(),
        );
    }
    ended(action, ask(KEEPER_PLACE, &question))
}

/// Whether a NIC of this host has a carrier. The question goes by a socket, which no cable carries; a real one does not.
fn cabled(links: &str) -> bool {
    let Ok(links) = fs::read_dir(links) else { return true };
    links.flatten().filter(|link| link.file_name() != "lo").any(|link| {
        // a NIC that is down has no carrier to read
        fs::read_to_string(link.path().join("carrier")).is_ok_and(|carrier| carrier.trim() == "1")
    })
}

fn silent(switch: &Switch) -> bool {
    !matches!(ask(KEEPER_PLACE, &Ask::Status(switch.clone())), Ok(Answer::On(_)))
}

fn ended(action: &str, answer: Result<Answer, LabError>) -> Fenced {
    match answer {
        Ok(Answer::Hosts(hosts)) if action == "list" => {
            Fenced::Done(hosts.iter().map(|host| format!("{host},{host}\n")).collect())
        }
        Ok(Answer::On(false)) if action == "status" => Fenced::Off,
        Ok(Answer::Hosts(_) | Answer::On(_)) => Fenced::Done(String::new()),
        Ok(Answer::Failed(said)) => Fenced::Failed(said),
        Err(error) => Fenced::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_without_a_host_fences_nobody() {
        let ended = run("action=off\n", None);
        assert_eq!(ended, Fenced::Failed("action `off` needs port=HOST".to_owned()));
    }

    #[test]
    fn a_host_without_a_link_reaches_no_device() {
        let links = tempfile::tempdir().unwrap();
        let nic = |name: &str, carrier: &str| {
            fs::create_dir_all(links.path().join(name)).unwrap();
            fs::write(links.path().join(name).join("carrier"), carrier).unwrap();
        };
        let at = links.path().to_str().unwrap();
        nic("lo", "1\n");
        nic("eno1", "0\n");
        assert!(!cabled(at), "the loopback is no cable");
        nic("eno2", "1\n");
        assert!(cabled(at));
    }

    #[test]
    fn metadata_is_xml_and_names_reboot() {
        let Fenced::Done(text) = run("", Some("metadata")) else { panic!("metadata failed") };
        let document = roxmltree::Document::parse(&text).unwrap();
        assert!(document.descendants().any(|node| node.attribute("name") == Some("reboot")));
    }
}

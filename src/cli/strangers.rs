//! Machines that nobody knows, asked who they are: the window in which they are, and what they have said.

use std::collections::BTreeMap;

use camino::Utf8Path;
use clap::Args;
use indicatif::HumanBytes;

use super::image::failure;
use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, build, own_program, source};
use crate::apply::Crew;
use crate::backends::boot;
use crate::desired::Question;
use crate::host::{Request, Response, now_s};
use crate::images::asking::{self, Stranger, Window};
use crate::images::{Store, prepare};
use crate::spec::{BootLoader, Cluster, Mac, Service, Span, macs};

/// Options of `haoscar macs` about them.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// Have machines that nobody knows say who they are when they boot from the network, and wait for a name
    #[arg(long, conflicts_with_all = ["follow", "assign"])]
    pub(super) ask: bool,
    /// With --ask: for how long
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "ask")]
    within: Span,
    /// With --ask: their console, beside the screen (ttyS0,115200)
    #[arg(long, value_name = "CONSOLE", requires = "ask")]
    console: Option<String>,
    /// Ask nobody any more: those that wait start again
    #[arg(long, conflicts_with_all = ["ask", "follow", "assign"])]
    pub(super) end: bool,
}

/// A walk along the racks takes as long as the building of a head.
const WITHIN_MS: std::ops::RangeInclusive<u64> = 60_000..=86_400_000;

const READ_LIMIT_MS: u64 = 10_000;

/// Opens the window, or ends it, on the head that serves what machines boot.
pub(super) fn run(
    common: &Common,
    spec: &source::Spec,
    options: &Asking,
    reach: &Reach,
) -> Result<Exit, Failure> {
    let cluster = &spec.loaded.cluster;
    if !WITHIN_MS.contains(&options.within.as_millis()) {
        return Err(Failure::new(Exit::Usage, format!("--within {}: 1m to 1d are possible", options.within)));
    }
    possible(cluster)?;
    let head = server(spec, reach)?;
    if via::own_name() != head {
        return via::elsewhere(&head, reach, &argv(common, options));
    }
    let store = Store::at(boot::image_store(cluster));
    if options.end {
        let was = asking::close(&store).map_err(|error| failure(&error))?;
        line!(
            "{}",
            if was { "nobody is asked any more; those that wait start again" } else { "nobody was asked" }
        );
        return Ok(Exit::Done);
    }
    if !common.quiet {
        line!("making what they boot");
    }
    prepare::of_strangers(&store, &own_program()?).map_err(|error| failure(&error))?;
    build::boot_files(cluster)?;
    let window = Window {
        token: build::token()?,
        expires: now_s() + options.within.as_duration().as_secs(),
        known: macs(cluster).into_iter().map(|(mac, _)| mac).collect(),
        console: options.console.clone(),
    };
    asking::open(&store, &window).map_err(|error| failure(&error))?;
    if !common.quiet {
        line!(
            "ready for {}: switch them on, and have them boot from the network; haoscar macs --follow shows them",
            options.within
        );
    }
    Ok(Exit::Done)
}

/// Strangers are told what to boot by a script of iPXE, where the spec has one at all.
fn possible(cluster: &Cluster) -> Result<(), Failure> {
    let grub = |service: &Service| matches!(service, Service::Boot(boot) if boot.loader == BootLoader::Grub);
    let why = if cluster.services.values().any(grub) {
        "nodes boot by GRUB, which asks nobody: it reads a list"
    } else if !boot::scripted(cluster) {
        "no node has an image to boot, and no head is built: machines are given no script"
    } else {
        return Ok(());
    };
    Err(Failure::new(Exit::Missing, format!("machines cannot be asked: {why}"))
        .hint("haoscar macs lists them all the same, by their leases"))
}

/// The head that carries dhcp and boot; before any does, one that could.
fn server(spec: &source::Spec, reach: &Reach) -> Result<String, Failure> {
    let cluster = &spec.loaded.cluster;
    let could = cluster.builders("").next().cloned().ok_or_else(|| {
        Failure::new(Exit::Missing, "machines cannot be asked: no group carries dhcp and boot")
    })?;
    let serves = |name: &&String| cluster.services.get(*name).is_some_and(|service| service.kind() == "boot");
    let group = cluster.groups.iter().find(|(_, group)| group.services.iter().any(|name| serves(&name)));
    let found = via::survey(spec, reach)?;
    let carries = group.and_then(|(name, _)| found.observed.carrier(&found.desired, name));
    Ok(carries.unwrap_or(could))
}

fn argv(common: &Common, options: &Asking) -> Vec<String> {
    let mut argv =
        ["haoscar", "macs", if options.end { "--end" } else { "--ask" }].map(str::to_owned).to_vec();
    if options.ask {
        argv.push(format!("--within={}", options.within));
        argv.extend(options.console.iter().map(|console| format!("--console={console}")));
    }
    argv.extend(common.quiet.then(|| "--quiet".to_owned()));
    argv
}

/// What strangers have said, by the card that they booted with.
pub(super) fn heard(cluster: &Cluster, crew: &mut Crew, heads: &[String]) -> BTreeMap<Mac, Stranger> {
    let folder = asking::heard(&Store::at(boot::image_store(cluster)));
    let mut found = BTreeMap::new();
    for head in heads {
        let question = question(&folder);
        let Some(Ok(Response::Answer(answer))) = crew.get(head).map(|host| host.ask(&Request::Ask(question)))
        else {
            continue;
        };
        let said = answer.stdout.lines().filter_map(|line| serde_json::from_str::<Stranger>(line).ok());
        found.extend(said.map(|stranger| (stranger.mac, stranger)));
    }
    found
}

fn question(folder: &Utf8Path) -> Question {
    let argv = ["sh", "-c", "cat -- \"$1\"/*.json 2>/dev/null || true", "sh", folder.as_str()]
        .map(str::to_owned)
        .into();
    Question::Command { argv, timeout_ms: READ_LIMIT_MS }
}

/// `sw1 Gi1/0/12  Dell PowerEdge R650 ABC123, 256.00 GiB, 64 processors`.
pub(super) fn told(stranger: &Stranger) -> String {
    let port = stranger.port().map_or("-".to_owned(), |port| format!("{} {}", port.switch, port.name));
    let is = format!("{} {}", stranger.product, stranger.serial);
    let (memory, processors) = (HumanBytes(stranger.memory_bytes), stranger.processors);
    format!("{port}  {}, {memory}, {processors} processors", is.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::asking::{OwnCard, Port};

    #[test]
    fn a_stranger_is_its_port_and_what_it_is() {
        let mac: Mac = "52:54:00:99:99:99".parse().unwrap();
        let port = Port { switch: "sw1".to_owned(), name: "Gi1/0/12".to_owned() };
        let card = OwnCard { mac, linked: true, port: Some(port), ..OwnCard::default() };
        let mut said = Stranger {
            mac,
            product: "Dell R650".to_owned(),
            serial: "ABC".to_owned(),
            memory_bytes: 1 << 30,
            processors: 64,
            cards: vec![card],
            ..Stranger::default()
        };
        assert_eq!(told(&said), "sw1 Gi1/0/12  Dell R650 ABC, 1.00 GiB, 64 processors");
        (said.serial, said.cards) = (String::new(), Vec::new());
        assert_eq!(told(&said), "-  Dell R650, 1.00 GiB, 64 processors");
    }
}

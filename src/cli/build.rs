//! `haoscar build`: a blank machine becomes a head, from an image; and what such a machine itself runs.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::HumanBytes;

use super::ask::confirmed;
use super::image::failure;
use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, own_program, source};
use crate::backends::boot;
use crate::desired::{IMAGE_KEY, hex};
use crate::host::{now_s, secret_path};
use crate::images::ticket::{self, Card, Identity, Ticket, UP, Word};
use crate::images::{self, Manifest, Seal, Store, prepare};
use crate::spec::{Cluster, Disk, Head, Nic, Span};

/// Options of `haoscar build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar image capture head            what it is built from
  haoscar build head-2                  show what will happen, ask, wait for the machine, then have it join
  haoscar build head-2 --follow         how far it is
  haoscar build head-2 --cancel         nothing is built any more

The machine boots from the network, once: its entry is bound to its MACs, is used up when it begins, and ends after --within.
Any other machine that boots gets nothing. The disk that the spec names (heads.NAME.disk) is wiped. When the machine is up it
joins by the same `apply` as ever; until then it is no member, and nobody fences it. A stage that fails says why here, leaves
the cluster as it is and the machine off; say the same again.
Exit status: 0 it is a member; 1 a stage failed, see there; 64 no terminal to ask and no -y; 66 no image, or a program is
missing; 69 the head that builds is not reached; 107 it is a member, or answers; 124 nothing was heard in time.")]
pub struct Options {
    /// The head that is built
    head: String,
    /// Another version of its image: NAME@VERSION
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The machine must be up within this time
    #[arg(long, value_name = "TIME", default_value = "1h")]
    within: Span,
    /// Only watch a build that somebody has begun
    #[arg(short, long, conflicts_with = "cancel")]
    follow: bool,
    /// Take the entry away
    #[arg(long)]
    cancel: bool,
    /// Do not wait: `haoscar apply` has it join when it is up
    #[arg(long)]
    no_wait: bool,
    /// Its disk may be wiped; do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Less is no time to walk to a machine, more is no end.
const WITHIN_MS: std::ops::RangeInclusive<u64> = 60_000..=86_400_000;

/// A person who watches does not see less than this.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    if !WITHIN_MS.contains(&options.within.as_millis()) {
        return Err(Failure::new(Exit::Usage, format!("--within {}: 1m to 1d are possible", options.within)));
    }
    let spec = source::read(common, None)?;
    let cluster = &spec.loaded.cluster;
    let (name, head) = wanted(cluster, &options.head)?;
    let builder = builder(cluster, name)?;
    if via::own_name() != builder {
        return via::elsewhere(&builder, &options.reach, &argv(common, options));
    }
    let store = Store::at(boot::image_store(cluster));
    if options.cancel {
        let was = ticket::close(&store, name).map_err(|e| failure(&e))?;
        line!("{name}: {}", if was { "its build is over" } else { "nothing was to be built" });
        return Ok(Exit::Done);
    }
    if !options.follow {
        begin(common, &spec, options, (name, head), &store)?;
        if options.no_wait {
            return Ok(Exit::Done);
        }
    }
    let keys = follow(common, &store, name)?;
    join(common, &spec, name, &keys, options)
}

fn wanted<'a>(cluster: &'a Cluster, name: &'a str) -> Result<(&'a str, &'a Head), Failure> {
    let head = cluster.heads.get(name).ok_or_else(|| {
        let known: Vec<_> = cluster.heads.keys().map(String::as_str).collect();
        Failure::new(Exit::Usage, format!("the spec has no head {name}"))
            .hint(format!("it has: {}", known.join(", ")))
    })?;
    if head.image.is_none() {
        let failure = Failure::new(Exit::Usage, format!("the spec names no image for {name}"));
        return Err(
            failure.hint(format!("heads.{name}: {{ image: NAME, … }}; haoscar explain heads.*.image"))
        );
    }
    Ok((name, head))
}

/// A head of the group that carries the boot service, and not the one that is built: this one if it is one of them.
fn builder(cluster: &Cluster, name: &str) -> Result<String, Failure> {
    let of_kind = |group: &&crate::spec::Group, kind: &str| {
        group.services.iter().any(|service| cluster.services.get(service).is_some_and(|s| s.kind() == kind))
    };
    let group = cluster.groups.values().find(|group| of_kind(group, "boot") && of_kind(group, "dhcp"));
    let own = via::own_name();
    let mut heads = group.into_iter().flat_map(|group| &group.heads).filter(|head| *head != name);
    let first = heads.clone().next();
    heads.find(|head| **head == own).or(first).cloned().ok_or_else(|| {
        Failure::new(
            Exit::Missing,
            format!("nothing can build {name}: no group of another head carries dhcp and boot"),
        )
        .hint("a machine that is built boots from the network: services: { dhcp: {}, boot: {} } in one group")
    })
}

fn argv(common: &Common, options: &Options) -> Vec<String> {
    let mut argv = vec!["haoscar".to_owned(), "build".to_owned(), options.head.clone()];
    let flags = [("--follow", options.follow), ("--cancel", options.cancel), ("--no-wait", options.no_wait)];
    let flags = flags.into_iter().chain([("--yes", options.yes), ("--quiet", common.quiet)]);
    argv.extend(flags.filter(|(_, said)| *said).map(|(flag, _)| flag.to_owned()));
    argv.extend(options.image.iter().map(|image| format!("--image={image}")));
    argv.push(format!("--within={}", options.within));
    argv
}

/// Shows what will happen, asks, and opens the entry.
fn begin(
    common: &Common,
    spec: &source::Spec,
    options: &Options,
    (name, head): (&str, &Head),
    store: &Store,
) -> Result<(), Failure> {
    absent(spec, name)?;
    let image = options.image.as_deref().or(head.image.as_deref()).unwrap_or_default();
    let seal = Seal::of(secret_path(IMAGE_KEY));
    let manifest = store.proven(image, &seal).map_err(|e| failure(&e))?;
    let kernel = manifest.kernel.clone().ok_or_else(|| {
        Failure::new(
            Exit::Missing,
            format!("{} has no kernel: no machine can be built from it", manifest.title()),
        )
        .hint("install one on its head, and take the image again")
    })?;
    let disk = head.disk.clone().unwrap_or_default();
    shown(name, head, &manifest, &disk, options.within);
    let consent = options.yes || disk.wipe;
    if !consent && !confirmed(&format!("build {name}, and wipe that disk?"))? {
        return Err(Failure::new(Exit::Failed, "not confirmed: nothing will be built"));
    }
    let _lock = store.lock().map_err(|e| failure(&e))?;
    if !common.quiet {
        line!("making what it boots (linux {kernel})");
    }
    prepare::installer(store, name, &kernel, &seal, &own_program()?).map_err(|e| failure(&e))?;
    boot_files(&spec.loaded.cluster)?;
    let host = name.to_owned();
    let cards = head.nics.iter().map(|(card, nic)| card_of(&spec.loaded.cluster, card, nic)).collect();
    let key = prepare::own_key(&via::own_name()).map_err(|e| failure(&e))?;
    let ticket = Ticket {
        head: name.to_owned(),
        image: manifest.title(),
        token: token()?,
        macs: head.nics.values().map(|nic| nic.mac).collect(),
        expires: now_s() + options.within.as_duration().as_secs(),
        disk,
        identity: Identity { host, cards, authorized: vec![key] },
        console: head.console.clone(),
    };
    ticket::open(store, &ticket).map_err(|e| failure(&e))?;
    if !common.quiet {
        line!("ready: switch {name} on, and have it boot from the network");
    }
    Ok(())
}

/// A machine that is a member, or runs, is not built over.
fn absent(spec: &source::Spec, name: &str) -> Result<(), Failure> {
    let found = via::survey(spec, &Reach::of_head())?;
    let member = found.observed.engine.as_ref().is_some_and(|engine| engine.nodes.contains_key(name));
    let reached = found.crew.names().iter().any(|known| known == name);
    if member {
        let failure = Failure::new(Exit::Unsafe, format!("{name} is a member of the cluster"));
        return Err(failure.hint("take it out of the spec and apply, then add it again"));
    }
    if reached {
        let failure = Failure::new(Exit::Unsafe, format!("{name} runs and answers: it is not blank"));
        return Err(
            failure.hint(format!("have it join: haoscar apply; or switch it off, then haoscar build {name}"))
        );
    }
    Ok(())
}

fn shown(name: &str, head: &Head, manifest: &Manifest, disk: &Disk, within: Span) {
    let or = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    line!(
        "{name} will be built from {}: {}, taken from {}, generation {}",
        manifest.title(),
        manifest.os,
        manifest.from,
        or(manifest.generation)
    );
    let macs: Vec<_> = head.nics.values().map(|nic| nic.mac.to_string()).collect();
    line!("  boots from the network with {}: once, and within {within}", macs.join(" or "));
    line!("  - the disk with {disk}: ALL ON IT IS LOST; {} are written", HumanBytes(manifest.bytes));
    line!(
        "  + name, machine-id, ssh host keys, addresses and boot loader of its own; root of {} may log in",
        via::own_name()
    );
    line!("  then joins as a member (haoscar apply); nobody fences it before");
}

fn card_of(cluster: &Cluster, name: &str, nic: &Nic) -> Card {
    let gateway = cluster.networks.get(&nic.network).and_then(|network| network.gateway);
    Card { name: name.to_owned(), mac: nic.mac, addresses: cluster.own_addresses(nic), gateway }
}

/// 128 random bits, in hex.
fn token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| Failure::new(Exit::Failed, format!("random bytes: {e}")))?;
    Ok(hex(&bytes))
}

/// iPXE for machines whose firmware has none, where TFTP gives it.
fn boot_files(cluster: &Cluster) -> Result<(), Failure> {
    let mut folders = cluster.stored("boot").map(|(_, folder)| folder);
    folders.try_for_each(|folder| prepare::ipxe(&[boot::BIOS, boot::UEFI], &folder)).map_err(|e| failure(&e))
}

/// Tells what the machine says until it is up; answers its public keys of ssh.
fn follow(common: &Common, store: &Store, name: &str) -> Result<Vec<String>, Failure> {
    let Some(ticket) = ticket::of(store, name) else {
        return Err(Failure::new(Exit::Missing, format!("{name} is not being built"))
            .hint(format!("haoscar build {name}")));
    };
    let (mut told, mut tenth, begin) = (0, (String::new(), 0), Instant::now());
    loop {
        let said = ticket::said(store, name);
        for word in &said[told.min(said.len())..] {
            let step = (word.stage.clone(), word.done * 10 / word.total.max(1));
            let news = word.keys.is_empty() && (word.total == 0 || step != tenth); // ten lines a stage are enough
            tenth = step;
            if news && !common.quiet {
                line!("[{:6.1} s] {name}: {}", begin.elapsed().as_secs_f64(), sentence(word, &said));
            }
            if word.failed {
                let failure =
                    Failure::new(Exit::Failed, format!("{name}: {} failed: {}", word.stage, word.text));
                return Err(failure.hint(format!(
                    "the cluster is as it was; mend that, then say haoscar build {name} again"
                )));
            }
        }
        told = said.len();
        if said.iter().any(|word| word.stage == UP) {
            return Ok(said.into_iter().flat_map(|word| word.keys).collect());
        }
        if now_s() > ticket.expires {
            let heard = said.last().map_or("nothing", |word| word.stage.as_str());
            let failure =
                Failure::new(Exit::TimedOut, format!("{name}: its time is over; heard last: {heard}"));
            return Err(failure.hint("look at its console: does it boot from the network?"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// What a machine said, with the rate where it says how far it is.
fn sentence(word: &Word, said: &[Word]) -> String {
    if word.total == 0 {
        return format!("{} {}", word.stage, word.text).trim_end().to_owned();
    }
    let first = said.iter().find(|first| first.stage == word.stage).map_or(word.at, |first| first.at);
    let rate = word.done / word.at.saturating_sub(first).max(1);
    format!("{} {} of {}, {}/s", word.stage, HumanBytes(word.done), HumanBytes(word.total), HumanBytes(rate))
}

/// ssh knows the machine by the keys that it said it has, and the same apply as ever makes it a member.
fn join(
    common: &Common,
    spec: &source::Spec,
    name: &str,
    keys: &[String],
    options: &Options,
) -> Result<Exit, Failure> {
    let cluster = &spec.loaded.cluster;
    let own = cluster.heads[name].nics.values().map(|nic| nic.address.to_string());
    let names: Vec<_> = std::iter::once(name.to_owned()).chain(own).collect();
    prepare::know(&names, keys).map_err(|e| failure(&e))?;
    if !common.quiet {
        line!("{name} is up; it joins");
    }
    let own = own_program()?;
    let mut last = None;
    for _ in 0..JOIN_TRIES {
        let mut apply = Command::new(&own);
        apply.args(["apply", "--via", "head"]).args(options.yes.then_some("--yes"));
        apply.args(common.spec.iter().flat_map(|spec| ["--spec", spec.as_str()]));
        apply.args(common.quiet.then_some("--quiet"));
        let status = apply.status().map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        if !status.success() {
            last = status.code();
            break;
        }
        if member(spec, name)? {
            let store = Store::at(boot::image_store(cluster));
            ticket::close(&store, name).map_err(|e| failure(&e))?;
            line!("{name} is a member");
            return Ok(Exit::Done);
        }
        std::thread::sleep(JOIN_PAUSE); // it was not reached: its own units still start
    }
    let exit = last.map_or(Exit::Unreachable, |code| Exit::of_code(Some(code)));
    Err(Failure::new(exit, format!("{name} is up, and has not joined"))
        .hint(format!("when what is said above is mended: haoscar build {name} --follow, or haoscar apply")))
}

/// A machine that has just booted may be too busy to answer an agent's first question.
const JOIN_TRIES: u32 = 10;
const JOIN_PAUSE: Duration = Duration::from_secs(10);

/// Whether the engine has it, and has heard of it.
fn member(spec: &source::Spec, name: &str) -> Result<bool, Failure> {
    let found = via::survey(spec, &Reach::of_head())?;
    let node = found.observed.engine.as_ref().and_then(|engine| engine.nodes.get(name));
    Ok(node.is_some_and(|node| node.online))
}

/// Options of `haoscar install`.
#[derive(Debug, Args)]
pub struct InstallOptions {
    /// Where the ticket is asked for; the kernel's command line says it if it is not given
    #[arg(long, value_name = "URL", conflicts_with = "up")]
    from: Option<String>,
    /// Only say that this machine is up
    #[arg(long)]
    up: bool,
}

/// In the machine that is built.
pub(super) fn install(options: &InstallOptions) -> Result<Exit, Failure> {
    let told = |text: &str| eprintln!("haoscar: {text}");
    let failed = |error: images::InstallError| Failure::new(Exit::Failed, error.to_string());
    if options.up {
        return images::say_up(&told).map(|()| Exit::Done).map_err(failed);
    }
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let named = line.split_whitespace().find_map(|word| word.strip_prefix("haoscar=")).map(str::to_owned);
    let url = options.from.clone().or(named).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "haoscar= is not on the kernel's command line: this is no machine that is built",
        )
    })?;
    images::install(&url, &told).map(|()| Exit::Done).map_err(failed)
}

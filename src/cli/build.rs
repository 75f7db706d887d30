//! `haoscar build`: a blank machine becomes a head, from an image; and what such a machine itself runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::HumanBytes;

use super::ask::confirmed;
use super::image::failure;
use super::out::line;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, own_program, source};
use crate::apply::{Crew, run_within};
use crate::backends::boot;
use crate::desired::{IMAGE_KEY, hex};
use crate::engines::EngineNode;
use crate::host::{now_s, secret_path};
use crate::images::ticket::{self, Becomes, Card, Identity, Ticket, UP, Word};
use crate::images::{self, Manifest, STARTING, Seal, Store, prepare};
use crate::spec::{Cluster, Disk, Head, Nic, Span};

/// Options of `haoscar build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar image capture head            what it is built from
  haoscar build head-2                  show what will happen, ask, wait for the machine, then have it join
  haoscar build head-2 --follow         how far it is
  haoscar build head-2 --cancel         nothing is built any more
  haoscar build head-1 --replace        a member that is dead and off, on new disks or a new machine

The machine boots from the network, once: its entry is bound to its MACs, is used up when it begins, and ends after --within.
Any other machine that boots gets nothing. The disk that the spec names (heads.NAME.disk) is wiped. When the machine is up it
joins by the same `apply` as ever; until then it is no member, and nobody fences it. A stage that fails says why here, leaves
the cluster as it is and the machine off; say the same again.
Exit status: 0 it is a member; 1 a stage failed, see there; 64 no terminal to ask and no -y; 66 no image, or a program is
missing; 69 the head that builds is not reached; 107 it answers, or is a member and --replace was not said, or may still run;
124 nothing was heard in time.")]
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
    /// It is a member that is off: it is built anew, and is that member again
    #[arg(long, conflicts_with = "cancel")]
    replace: bool,
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

/// A head reads and writes a small file.
const ASK_LIMIT_MS: u64 = 10_000;

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
    let own = via::own_name();
    let mut heads = cluster.builders(name);
    let first = cluster.builders(name).next();
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
    let more = [("--replace", options.replace), ("--yes", options.yes), ("--quiet", common.quiet)];
    let said = flags.into_iter().chain(more).filter(|(_, said)| *said);
    argv.extend(said.map(|(flag, _)| flag.to_owned()));
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
    let mut found = via::survey(spec, &Reach::of_head())?;
    let again = absent(&found, name, options.replace)?;
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
    line!(
        "  then {} (haoscar apply); nobody fences it before",
        if again { "is the member again that it was" } else { "joins as a member" }
    );
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
    let own = prepare::own_key(&via::own_name()).map_err(|e| failure(&e))?;
    let mut authorized: BTreeSet<_> =
        on_heads(spec, &mut found.crew, &["sh", "-c", prepare::PUBLIC_KEYS], "");
    authorized.insert(own);
    let ticket = Ticket {
        head: name.to_owned(),
        becomes: Becomes::Head,
        image: manifest.title(),
        servers: spec
            .loaded
            .cluster
            .images
            .get(&manifest.name)
            .map(|image| image.servers.clone())
            .unwrap_or_default(),
        token: token()?,
        macs: head.nics.values().map(|nic| nic.mac).collect(),
        expires: now_s() + options.within.as_duration().as_secs(),
        disk,
        identity: Identity { host, cards, authorized: authorized.into_iter().collect() },
        console: head.console.clone(),
    };
    ticket::open(store, &ticket).map_err(|e| failure(&e))?;
    if !common.quiet {
        line!("ready: switch {name} on, and have it boot from the network");
    }
    Ok(())
}

/// Every head that is reached is asked this; what they say, a line each.
fn on_heads(spec: &source::Spec, crew: &mut Crew, argv: &[&str], input: &str) -> BTreeSet<String> {
    let heads = &spec.loaded.cluster.heads;
    let reached: Vec<_> = crew.names().into_iter().filter(|name| heads.contains_key(name)).collect();
    let answers = crew.each(&reached, |name, host| run_within(name, host, argv, input, ASK_LIMIT_MS));
    let said = answers.into_iter().filter_map(|(_, answer)| Some(answer.ok()?.stdout));
    said.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// On a head: every open build, and what its machine said last; the same of nodes that are on their way (`$2`). `$1`: the store.
const BUILDS: &str = r#"cat "$2" 2>/dev/null
cd "$1/builds" 2>/dev/null || exit 0
for build in *; do
    [ ! -e "$build/ticket.json" ] || echo "$build $(tail -n 1 "$build/said" 2>/dev/null)"
done"#;

/// Machines that are being built, and how far each is, as the heads have it that could build them.
pub(super) fn progress(spec: &source::Spec, found: &mut Survey) -> BTreeMap<String, String> {
    let cluster = &spec.loaded.cluster;
    if !cluster.serves_images() {
        return BTreeMap::new();
    }
    let store = boot::image_store(cluster);
    let said = on_heads(spec, &mut found.crew, &["sh", "-c", BUILDS, "builds", store.as_str(), STARTING], "");
    said.iter().filter_map(|line| how_far(line)).collect()
}

fn how_far(line: &str) -> Option<(String, String)> {
    let (head, said) = line.split_once(' ')?;
    let far = match serde_json::from_str::<Word>(said).ok() {
        None => "its machine has not been heard yet".to_owned(),
        Some(word) if word.failed => format!("{} failed: {}", word.stage, word.text),
        Some(word) if word.total > 0 => {
            format!("{} {} of {}", word.stage, HumanBytes(word.done), HumanBytes(word.total))
        }
        Some(word) => format!("{} {}", word.stage, word.text).trim_end().to_owned(),
    };
    Some((head.to_owned(), far))
}

/// A machine that runs is not built over, and a member only where that was said. Whether it is one.
fn absent(found: &Survey, name: &str, replace: bool) -> Result<bool, Failure> {
    if found.crew.names().iter().any(|known| known == name) {
        let failure = Failure::new(Exit::Unsafe, format!("{name} runs and answers: it is not blank"));
        return Err(
            failure.hint(format!("have it join: haoscar apply; or switch it off, then haoscar build {name}"))
        );
    }
    let node = found.observed.engine.as_ref().and_then(|engine| engine.nodes.get(name));
    node.map_or(Ok(false), |node| replaceable(name, node, replace).map(|()| true))
}

/// A member is built anew when the engine itself is sure that it is off: what still runs would come back beside its successor.
fn replaceable(name: &str, node: &EngineNode, replace: bool) -> Result<(), Failure> {
    let refused = |why: &str, mend: String| {
        Err(Failure::new(Exit::Unsafe, format!("{name} is a member of the cluster{why}")).hint(mend))
    };
    let unknown = format!("pull its plug, look at it, then: haoscar fenced {name} --i-saw-it-off");
    let anew = "take it out of the spec and apply, then add it again; or, if it is dead:";
    match node {
        EngineNode { online: true, .. } if replace => {
            refused(", and runs", format!("haoscar drain {name}, switch it off, then say it again"))
        }
        EngineNode { unclean: true, .. } if replace => refused(", lost, and not known to be off", unknown),
        _ if replace => Ok(()),
        _ => refused("", format!("{anew} haoscar build {name} --replace")),
    }
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
    if !disk.layout.is_empty() {
        let parts: Vec<_> = disk.layout.iter().map(ToString::to_string).collect();
        line!("  divided: {}", parts.join(", "));
    }
    line!(
        "  + name, machine-id, ssh host keys, addresses and boot loader of its own; root of the heads may log in"
    );
}

fn card_of(cluster: &Cluster, name: &str, nic: &Nic) -> Card {
    let gateway = cluster.networks.get(&nic.network).and_then(|network| network.gateway);
    Card { name: name.to_owned(), mac: nic.mac, addresses: cluster.own_addresses(nic), gateway }
}

/// 128 random bits, in hex.
pub(super) fn token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| Failure::new(Exit::Failed, format!("random bytes: {e}")))?;
    Ok(hex(&bytes))
}

/// iPXE for machines whose firmware has none, where TFTP gives it.
pub(super) fn boot_files(cluster: &Cluster) -> Result<(), Failure> {
    let mut folders = cluster.stored("boot").map(|(_, folder)| folder);
    folders.try_for_each(|folder| prepare::ipxe(&folder)).map_err(|e| failure(&e))
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
                let log = ticket::folder(store, name).join(ticket::LOG);
                let kept = if log.exists() {
                    format!("its kernel's log: {log} on {}; ", via::own_name())
                } else {
                    String::new()
                };
                return Err(failure.hint(format!(
                    "{kept}the cluster is as it was; mend that, then say haoscar build {name} again"
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
    let mut crew = via::reached(spec, &Reach::of_head())?.crew; // nobody is asked how it is
    let known = prepare::known(&names, keys);
    on_heads(spec, &mut crew, &["sh", "-c", prepare::KNOW, "know", &names.join(" ")], &known);
    if !common.quiet {
        line!("{name} is up; it joins");
    }
    let own = own_program()?;
    let (mut last, mut failed) = (None, 0);
    // an apply that is half done looks like files of somebody else's to another one's plan
    let store = Store::at(boot::image_store(cluster));
    let _turn = ticket::turn(&store).map_err(|e| failure(&e))?;
    for _ in 0..JOIN_TRIES {
        let mut apply = Command::new(&own);
        apply.args(["apply", "--via", "head"]).args(options.yes.then_some("--yes"));
        apply.args(common.spec.iter().flat_map(|spec| ["--spec", spec.as_str()]));
        apply.args(common.quiet.then_some("--quiet"));
        let status = apply.status().map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        last = Some(Exit::of_code(status.code())).filter(|exit| *exit != Exit::Done);
        match last {
            None if member(spec, name)? => {
                ticket::close(&store, name).map_err(|e| failure(&e))?;
                line!("{name} is a member");
                return Ok(Exit::Done);
            }
            // it was not reached, for its own units still start; or the loop of a head is at it, too
            None | Some(Exit::Stale | Exit::Unreachable) => {}
            // another machine may have come up meanwhile, so that there is more to do than was planned
            Some(Exit::Failed) if failed < JOIN_FAILURES => failed += 1,
            Some(_) => break,
        }
        std::thread::sleep(JOIN_PAUSE);
    }
    Err(Failure::new(last.unwrap_or(Exit::Unreachable), format!("{name} is up, and has not joined"))
        .hint(format!("when what is said above is mended: haoscar build {name} --follow, or haoscar apply")))
}

/// A machine that has just booted may be too busy to answer an agent's first question.
const JOIN_TRIES: u32 = 10;
const JOIN_FAILURES: u32 = 1;
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
    /// Say who this machine is, and wait until it has a name
    #[arg(long, conflicts_with = "up")]
    introduce: bool,
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
    let done = if options.introduce { images::introduce(&url, &told) } else { images::install(&url, &told) };
    done.map(|()| Exit::Done).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_build_is_is_what_its_machine_said_last() {
        let far = |line: &str| how_far(line).unwrap();
        let said = |word: &Word| format!("head-2 {}", serde_json::to_string(word).unwrap());
        assert_eq!(far("head-2 "), ("head-2".to_owned(), "its machine has not been heard yet".to_owned()));
        let writing = Word { stage: "writing".to_owned(), done: 1 << 20, total: 1 << 30, ..Word::default() };
        assert_eq!(far(&said(&writing)).1, "writing 1.00 MiB of 1.00 GiB");
        let failed =
            Word { stage: "disk".to_owned(), text: "too small".to_owned(), failed: true, ..Word::default() };
        assert_eq!(far(&said(&failed)).1, "disk failed: too small");
    }

    #[test]
    fn a_member_is_built_anew_only_where_that_is_said_and_the_engine_knows_that_it_is_off() {
        let node = |online, unclean| EngineNode { online, unclean, ..EngineNode::default() };
        let said = |node: EngineNode, replace| {
            replaceable("head-1", &node, replace).map_err(|e| (e.message, e.hint.unwrap_or_default()))
        };
        assert_eq!(said(node(false, false), true), Ok(()));
        let (why, mend) = said(node(false, false), false).unwrap_err();
        assert!(why.ends_with("is a member of the cluster") && mend.contains("--replace"), "{why}: {mend}");
        let (why, mend) = said(node(true, false), true).unwrap_err();
        assert!(why.ends_with("and runs") && mend.contains("drain head-1"), "{why}: {mend}");
        for online in [true, false] {
            let (why, _) = said(node(online, true), true).unwrap_err();
            assert!(why.contains("member of the cluster, "), "{why}");
        }
        let (why, mend) = said(node(false, true), true).unwrap_err();
        assert!(
            why.contains("not known to be off") && mend.contains("haoscar fenced head-1"),
            "{why}: {mend}"
        );
    }
}

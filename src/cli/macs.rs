//! `haoscar macs`: machines that asked for an address and that no spec knows, what they say that they are, and their names, given in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::out::line;
use super::strangers::{self, Asking, heard};
use super::via::{self, Reach};
use super::{Common, Exit, Failure, Format, out, problems, source};
use crate::apply::Crew;
use crate::backends::dhcp::{LEASE_FILES, Lease, read_leases};
use crate::desired::Question;
use crate::host::{Request, Response, now_s};
use crate::images::asking::{Port, Stranger, by_number};
use crate::spec::{Mac, NodeRange, mac_rows, macs};

/// Options of `haoscar macs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar macs                              who asked for an address and is not in the spec, last
  haoscar macs --follow                     and those to come: switch the nodes on one after the other
  haoscar macs --assign 'compute[001-064]'  the next free names of that range, in the order in which they asked
  haoscar macs --ask                        for an hour those that boot from the network say what they are and which switch port they
                                            are plugged into, and wait
  haoscar macs --assign 'compute[001-064]' --by port      the same names, in the order of those ports

A machine that is asked writes nothing to its disks. It starts again when it is a node with an image in what was applied, or when nobody is asked
any more (--end). Cards of the spec are never asked.
--assign writes NAME,MAC rows to a file beside the spec (--file, macs.csv), which the range names as `macs: macs.csv`, and commits that
file where the spec lies in a git repository (by the system's git: your name, your signature). Nothing is applied.
Exit status: 0 shown or written; 64 no such range; 65 FILE is no such list; 66 the spec has no dhcp service; 69 no head was reached.")]
pub struct Options {
    /// And those to come
    #[arg(short, long, conflicts_with = "assign")]
    follow: bool,
    /// Give them the names of this node range that have no MAC yet
    #[arg(long, value_name = "RANGE")]
    assign: Option<String>,
    /// With --assign: in which order they get them
    #[arg(long, value_name = "ORDER", default_value = "asked", requires = "assign")]
    by: By,
    /// With --assign: the list beside the spec
    #[arg(long, value_name = "FILE", default_value = "macs.csv")]
    file: Utf8PathBuf,
    /// With --assign: only write the list
    #[arg(long, requires = "assign")]
    no_commit: bool,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    reach: Reach,
}

/// An order of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// In which they asked for an address
    Asked,
    /// Of the switch ports that they are plugged into; those whose port is not known get none
    Port,
}

/// A person who switches nodes on does not see less than this.
const PAUSE: Duration = Duration::from_secs(1);

/// Where Debian's ieee-data and hwdata keep who makes which cards.
const VENDORS: [&str; 2] = ["/usr/share/ieee-data/oui.txt", "/usr/share/hwdata/oui.txt"];

/// The bit of an address that no maker has given (IEEE 802).
const LOCAL: u8 = 2;

const READ_LIMIT_MS: u64 = 10_000;

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, None)?;
    let cluster = &spec.loaded.cluster;
    if options.asking.ask || options.asking.end {
        return strangers::run(common, &spec, &options.asking, &options.reach);
    }
    let folders: Vec<_> = cluster.stored("dhcp").map(|(_, folder)| folder).collect();
    if folders.is_empty() {
        let failure = Failure::new(Exit::Missing, "no group carries a dhcp service with a storage");
        return Err(failure
            .hint("machines are known by the addresses that they are given: haoscar explain services.dhcp"));
    }
    let mut reached = via::reached(&spec, &options.reach)?;
    let heads: Vec<_> =
        cluster.heads.keys().filter(|name| reached.crew.names().contains(name)).cloned().collect();
    if heads.is_empty() {
        return Err(Failure::new(Exit::Unreachable, "no head was reached: leases lie on the heads' storage"));
    }
    let known = macs(cluster).into_iter().map(|(mac, _)| mac).collect();
    let mut look = || {
        let heard = heard(cluster, &mut reached.crew, &heads);
        let leases = leases(&mut reached.crew, &heads, &folders, &known);
        leases
            .into_iter()
            .map(|lease| Found { said: heard.get(&lease.mac).cloned(), lease })
            .collect::<Vec<_>>()
    };
    if let Some(range) = &options.assign {
        let found = ordered(look(), options.by);
        return assign(common, &spec, (range, &options.file), &found, !options.no_commit);
    }
    let (mut shown, vendors) = (Vec::new(), vendors());
    loop {
        let found: Vec<_> = look().into_iter().filter(|found| !shown.contains(found)).collect();
        shown.extend(found.iter().cloned());
        print(common, &found, &vendors);
        if !options.follow {
            return Ok(Exit::Done);
        }
        std::thread::sleep(PAUSE);
    }
}

/// A machine that no spec knows.
#[derive(Debug, Clone)]
struct Found {
    lease: Lease,
    /// What it says that it is, where it was asked.
    said: Option<Stranger>,
}

/// Whoever follows sees a machine again when it has another address, or has said something new.
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        let of = |found: &Self| (found.lease.mac, found.lease.address);
        of(self) == of(other) && self.said == other.said
    }
}

fn ordered(mut found: Vec<Found>, by: By) -> Vec<Found> {
    fn port(found: &Found) -> Option<&Port> {
        found.said.as_ref()?.port()
    }
    if by == By::Port {
        found.retain(|found| port(found).is_some());
        found.sort_by(|one, other| match (port(one), port(other)) {
            (Some(one), Some(other)) => {
                by_number(&one.switch, &other.switch).then_with(|| by_number(&one.name, &other.name))
            }
            _ => std::cmp::Ordering::Equal,
        });
    }
    found
}

/// Leases of machines that no spec knows; any head sees the storage.
fn leases(crew: &mut Crew, heads: &[String], folders: &[Utf8PathBuf], known: &BTreeSet<Mac>) -> Vec<Lease> {
    let files = folders.iter().flat_map(|folder| LEASE_FILES.map(|file| folder.join(file).into_string()));
    let argv = ["cat".to_owned()].into_iter().chain(files).collect();
    let question = Question::Command { argv, timeout_ms: READ_LIMIT_MS };
    let mut ask = |head: &String| match crew.get(head)?.ask(&Request::Ask(question.clone())) {
        Ok(Response::Answer(answer)) => Some(answer.stdout).filter(|text| !text.is_empty()), // one of them is not there
        _ => None,
    };
    let text = heads.iter().find_map(&mut ask).unwrap_or_default();
    let leases = read_leases(&text, now_s());
    leases.into_iter().filter(|lease| !known.contains(&lease.mac)).collect()
}

fn print(common: &Common, found: &[Found], vendors: &BTreeMap<String, String>) {
    if common.format == Format::Json {
        for Found { lease, said } in found {
            let vendor = vendor(lease.mac, vendors);
            let Lease { mac, address, name, until } = lease;
            let mut row =
                json!({ "mac": mac, "address": address, "name": name, "vendor": vendor, "until": until });
            if let Some(said) = said {
                row["said"] = json!(said);
            }
            line!("{row}");
        }
        return;
    }
    let mut text = String::new();
    for Found { lease, said } in found {
        let vendor = vendor(lease.mac, vendors).unwrap_or_else(|| "-".to_owned());
        let name = if lease.name.is_empty() { "-" } else { &lease.name };
        let own = said.as_ref().map(|said| format!("  {}", strangers::told(said))).unwrap_or_default();
        let _ = writeln!(text, "{}  {:<15}  {name:<16}  {vendor}{own}", lease.mac, lease.address.to_string());
    }
    out::say(&text);
}

/// Who makes the card; none: nobody says.
fn vendor(mac: Mac, vendors: &BTreeMap<String, String>) -> Option<String> {
    if mac.0[0] & LOCAL == LOCAL {
        return Some("(a virtual card)".to_owned());
    }
    let prefix = mac.to_string().to_uppercase().replace(':', "-");
    vendors.get(prefix.get(..8)?).cloned()
}

/// `28-6F-B9 (hex) Nokia Shanghai Bell`, where this machine has such a list.
fn vendors() -> BTreeMap<String, String> {
    let text = VENDORS.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let of = |line: &str| {
        let (prefix, name) = line.split_once("(hex)")?;
        Some((prefix.trim().to_owned(), name.trim().to_owned()))
    };
    text.lines().filter_map(of).collect()
}

/// Names of the range that have no MAC yet, in order, for machines in the order in which they asked.
fn assign(
    common: &Common,
    spec: &source::Spec,
    (range, file): (&str, &Utf8Path),
    found: &[Found],
    commits: bool,
) -> Result<Exit, Failure> {
    let known = spec.loaded.cluster.nodes.keys().find(|known| known.as_str() == range);
    let Some(known) = known else {
        let ranges: Vec<_> = spec.loaded.cluster.nodes.keys().map(NodeRange::as_str).collect();
        let failure = Failure::new(Exit::Usage, format!("--assign {range}: the spec has no such nodes"));
        return Err(failure.hint(format!("it has: {}", ranges.join(", "))));
    };
    if spec.gathered.kept.is_some() {
        let failure =
            Failure::new(Exit::Usage, "what is accepted lies in the history, where nobody writes a list");
        return Err(failure.hint("name the file of the spec: --spec PATH"));
    }
    let path = spec.gathered.folder.join(file);
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, format!("{path}: {e}"));
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "name,mac\n".to_owned(),
        Err(e) => return Err(failed(e)),
    };
    let rows = mac_rows(file, &before).map_err(|found| {
        eprint!("{}", problems::text(&found, &spec.gathered, problems::colour_of_stderr()));
        Failure::new(Exit::Invalid, format!("{path} is no list of MACs: nothing was written"))
    })?;
    let free = known.names().into_iter().filter(|name| !rows.contains_key(name));
    let new =
        found.iter().map(|found| &found.lease).filter(|lease| !rows.values().any(|mac| *mac == lease.mac));
    let given: Vec<_> = free.zip(new).collect();
    let added: String = given.iter().map(|(name, lease)| format!("{name},{}\n", lease.mac)).collect();
    let end = if before.ends_with('\n') { "" } else { "\n" };
    if !given.is_empty() {
        let beside = path.with_extension("csv.new");
        fs::write(&beside, format!("{before}{end}{added}"))
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(failed)?;
    }
    if !common.quiet {
        out::say(&added);
        let left = known.names().iter().filter(|name| !rows.contains_key(*name)).count() - given.len();
        let left = if left > 0 { format!("; {left} of them have none yet") } else { String::new() };
        line!("{} names of {range} have a MAC in {path} now{left}", given.len());
    }
    if commits && !given.is_empty() {
        let subject = format!("{file}: {} nodes of {range} have a MAC", given.len());
        commit(common, &path, &subject)?;
    }
    Ok(Exit::Done)
}

/// One commit of the list alone, by the system's git, where the spec lies in a work tree; what else was changed there stays as it is.
fn commit(common: &Common, path: &Utf8Path, subject: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let name = path.file_name().unwrap_or_default();
    let git =
        |argv: &[&str]| Command::new("git").arg("-C").arg(folder).args(argv).stdin(Stdio::null()).output();
    let inside = git(&["rev-parse", "--is-inside-work-tree"]);
    if !inside.is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"true")) {
        return Ok(()); // no repository, or no git
    }
    for argv in [&["add", "--", name][..], &["commit", "--quiet", "--only", "-m", subject, "--", name]] {
        let output = git(argv).map_err(|error| Failure::new(Exit::Failed, format!("git: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(Exit::Failed, format!("{path} is written, and not committed: {said}"))
                .hint(format!("git -C {folder} commit {name}, when that is mended; or --no-commit")));
        }
    }
    if !common.quiet {
        line!("committed: {subject}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::asking::OwnCard;

    #[test]
    fn machines_are_in_the_order_of_their_ports_and_one_without_is_not_among_them() {
        let found = |mac: u8, port: Option<(&str, &str)>| {
            let mac = Mac([2, 0, 0, 0, 0, mac]);
            let port = port.map(|(switch, name)| Port { switch: switch.to_owned(), name: name.to_owned() });
            let card = OwnCard { mac, linked: true, port, ..OwnCard::default() };
            let lease = Lease { mac, address: [10, 0, 0, 1].into(), name: String::new(), until: 0 };
            Found { lease, said: Some(Stranger { mac, cards: vec![card], ..Stranger::default() }) }
        };
        let all = [
            found(1, Some(("sw2", "1"))),
            found(2, Some(("sw1", "Gi1/0/10"))),
            found(3, None),
            found(4, Some(("sw1", "Gi1/0/9"))),
        ];
        let order =
            |by| ordered(all.to_vec(), by).iter().map(|found| found.lease.mac.0[5]).collect::<Vec<_>>();
        assert_eq!(order(By::Port), [4, 2, 1]);
        assert_eq!(order(By::Asked), [1, 2, 3, 4]);
    }
}

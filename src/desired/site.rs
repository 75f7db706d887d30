//! Files of the site's own: `files/WHO/etc/motd.hbs` beside the spec is `/etc/motd` on the hosts that WHO names.
//!
//! A front matter between two lines of `---` says whose the file is, what is done when it changes and how it is checked.

use std::collections::BTreeSet;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    HostDesired, HostName, Mode, OnChange, Owner, Question, Rendered, Role, Surroundings, Unit, UnitWant,
    names, resolve,
};
use crate::backends::zero_is_good;
use crate::desired::Check;
use crate::spec::{Cluster, Problem, Sources, nearest, place_in, small};
use crate::templates::Templates;

/// One of them, not yet rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// Its template's name: the file's own, beside the spec.
    pub name: String,
    /// Hosts: `all`, `heads`, `witnesses`, `nodes`, a group or one host.
    pub who: String,
    /// Where it lies there.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
    /// The rest of what its front matter says.
    front: FrontMatter,
}

/// What stands between the two lines of `---`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FrontMatter {
    /// `user:group`; root:root.
    owner: Option<String>,
    /// Permission bits in octal; 0644.
    mode: Option<String>,
    /// A unit that is reloaded when the file changes.
    reload: Option<String>,
    /// A unit that is restarted when the file changes.
    restart: Option<String>,
    /// The file is a unit that runs, and is started at boot.
    enable: bool,
    /// A program that ends with 0 when the new file is good; `{staged}` is the new file.
    check: Vec<String>,
    /// The check needs to be root. Else it runs as nobody, without a network.
    check_as_root: bool,
}

impl FrontMatter {
    fn mode(&self) -> Result<Mode, String> {
        let Some(said) = &self.mode else { return Ok(Mode(0o644)) };
        let bits = u32::from_str_radix(said, 8).ok().filter(|bits| *bits <= 0o7777 && said.len() >= 3);
        bits.map(Mode).ok_or_else(|| format!("mode `{said}` is none: four octal digits, \"0644\""))
    }

    fn owner(&self) -> Result<Owner, String> {
        let Some(said) = &self.owner else { return Ok(Owner::root()) };
        let plain = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !name.is_empty() && name.chars().all(known)
        };
        match said.split_once(':') {
            Some((user, group)) if plain(user) && plain(group) => Ok(Owner::of(user, group)),
            _ => Err(format!("owner `{said}` is none: user:group is expected")),
        }
    }
}

/// Folders that are not a site's to write: haoscar's own state, and what is no disk.
const TABOO: [&str; 7] =
    ["/etc/haoscar/secrets", "/var/lib/haoscar", "/proc", "/sys", "/dev", "/run", "/usr/lib/haoscar-lab"];

/// Units that no file of a site's restarts: the cluster would be without its engine for it.
const ENGINE: [&str; 5] = [
    "corosync.service",
    "pacemaker.service",
    "heartbeat.service",
    "corosync-qdevice.service",
    "haoscar-recover.service",
];

/// Where unit files lie.
const UNITS: &str = "/etc/systemd/system";

/// Roles and `all`, as folders say them.
const WORDS: [&str; 4] = ["all", "heads", "witnesses", "nodes"];

/// A site's check has this long.
const CHECK_LIMIT_MS: u64 = 30_000;

/// Where a check that runs as nobody sees the new file.
const SEEN_AT: &str = "/run/haoscar-staged";

impl SiteFile {
    /// What a file below `files/` is, its template, and how many lines of it come before that.
    ///
    /// # Errors
    /// It has no place on a host, or its front matter cannot be read.
    pub fn read<'a>(file: &Utf8Path, text: &'a str) -> Result<(Self, &'a str, usize), Problem> {
        let wrong = |message: String, hint: &str| {
            Problem::error("file/place", message).at(place_in(file, "", 1, 1)).hint(hint)
        };
        let within = file.strip_prefix(Sources::FILES).unwrap_or(file);
        let mut parts = within.components();
        let who = parts.next().map(|part| part.as_str().to_owned()).unwrap_or_default();
        let rest = parts.as_path();
        let plain = rest.components().all(|part| matches!(part, Utf8Component::Normal(_)));
        if rest.as_str().is_empty() || !plain {
            let hint = "files/WHO/PATH.hbs is /PATH on the hosts that WHO names: files/heads/etc/motd.hbs";
            return Err(wrong(format!("{file} has no place on a host"), hint));
        }
        let path = Utf8Path::new("/").join(rest).with_extension("");
        if let Some(taboo) = TABOO.iter().find(|taboo| path.starts_with(taboo)) {
            let hint = "secrets are put there by hand; the rest is no place for files of a site";
            return Err(wrong(format!("{file}: nothing below {taboo} is a site's to write"), hint));
        }
        let (front, template, before) = front_matter(file, text)?;
        let wrong = |said: String| {
            Problem::error("file/front-matter", format!("{file}: {said}")).at(place_in(file, text, 1, 1))
        };
        let (owner, mode) = (front.owner().map_err(wrong)?, front.mode().map_err(wrong)?);
        let found = Self { name: file.to_string(), who, path, owner, mode, front };
        found.judge().map_err(wrong)?;
        Ok((found, template, before))
    }

    fn judge(&self) -> Result<(), String> {
        let front = &self.front;
        if front.reload.is_some() && front.restart.is_some() {
            return Err("`reload` and `restart` exclude each other".to_owned());
        }
        if front.enable && self.unit().is_none() {
            return Err(format!("`enable` is for unit files right below {UNITS}"));
        }
        if !front.check.is_empty() && !front.check.iter().any(|word| word.contains("{staged}")) {
            return Err(
                "`check` does not look at the new file: say {staged} where its path belongs".to_owned()
            );
        }
        if front.check_as_root && front.check.is_empty() {
            return Err("`check_as_root` without a `check`".to_owned());
        }
        let mode = self.mode;
        if !front.check.is_empty() && !front.check_as_root && mode.0 & 0o004 == 0 {
            return Err(format!(
                "`check` runs as nobody, who may not read a file of mode {mode}: add check_as_root: true"
            ));
        }
        let units = [&front.reload, &front.restart].into_iter().flatten();
        if let Some(unit) = units.into_iter().find(|unit| !is_unit(unit)) {
            return Err(format!("`{unit}` is no unit: say it with its suffix, chrony.service"));
        }
        let mut acted =
            [&front.reload, &front.restart].into_iter().flatten().map(String::as_str).chain(self.unit());
        if let Some(unit) = acted.find(|unit| ENGINE.contains(unit)) {
            return Err(format!("{unit} is the engine's: no file of a site's acts on it"));
        }
        Ok(())
    }

    /// The unit that the file is, if it is one.
    fn unit(&self) -> Option<&str> {
        let name = self.path.strip_prefix(UNITS).ok()?.as_str();
        is_unit(name).then_some(name)
    }

    fn on_change(&self) -> OnChange {
        let front = &self.front;
        if self.path.starts_with(UNITS) {
            let own = self.unit().filter(|_| front.enable).map(str::to_owned);
            return OnChange::DaemonReload(front.restart.clone().or(own));
        }
        match (&front.reload, &front.restart) {
            (Some(unit), _) => OnChange::Reload(unit.clone()),
            (_, Some(unit)) => OnChange::Restart(unit.clone()),
            _ => OnChange::Nothing,
        }
    }

    /// The check as it is run. As nobody it has a file system that it cannot write, and sees the new file alone.
    fn check(&self) -> Option<Check> {
        let front = &self.front;
        let program = front.check.first()?;
        let staged = format!("{{staged:{}}}", self.path);
        let seen = if front.check_as_root { staged.as_str() } else { SEEN_AT };
        let words = front.check.iter().map(|word| word.replace("{staged}", seen));
        let nobody = [
            "systemd-run",
            "--quiet",
            "--pipe",
            "--wait",
            "--collect",
            "-pDynamicUser=yes",
            "-pPrivateNetwork=yes",
            "-pProtectHome=yes",
            &format!("-pBindReadOnlyPaths={staged}:{SEEN_AT}"),
            "--",
        ]
        .map(str::to_owned);
        let argv =
            if front.check_as_root { words.collect() } else { nobody.into_iter().chain(words).collect() };
        let question = Question::Command { argv, timeout_ms: CHECK_LIMIT_MS };
        Some(Check { name: format!("{program} (of {})", self.name), question, verdict: zero_is_good })
    }

    /// What people should know of it before they let it in.
    pub fn notes(&self) -> Option<String> {
        let words = self.front.check.join(" ");
        self.front.check_as_root.then(|| format!("the spec's {} is checked as root: {words}", self.name))
    }
}

/// What is wrong with the templates that lie beside a spec; a spec without any is not resolved for it.
pub fn judge_site(sources: &Sources, cluster: &Cluster) -> Vec<Problem> {
    let is_template = |path: &Utf8PathBuf| path.extension() == Some("hbs");
    if !sources.files.keys().any(is_template) {
        return Vec::new();
    }
    let resolved =
        Templates::of(sources).and_then(|all| resolve(cluster, &Surroundings::whole(cluster), &all));
    resolved.err().unwrap_or_default()
}

fn is_unit(name: &str) -> bool {
    let suffixes = [".service", ".timer", ".socket", ".path", ".mount", ".target"];
    !name.contains('/') && suffixes.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

/// The front matter, if there is one, the text after it, and how many lines it takes.
fn front_matter<'a>(file: &Utf8Path, text: &'a str) -> Result<(FrontMatter, &'a str, usize), Problem> {
    let Some(rest) = text.strip_prefix("---\n") else { return Ok((FrontMatter::default(), text, 0)) };
    let wrong = |line: usize, said: String| {
        Problem::error("file/front-matter", format!("{file}: {said}")).at(place_in(file, text, line, 1))
    };
    let Some((front, template)) =
        rest.split_once("---\n").filter(|(front, _)| front.is_empty() || front.ends_with('\n'))
    else {
        return Err(wrong(1, "the front matter that begins here has no end: a line of `---`".to_owned()));
    };
    let before = front.lines().count() + 2;
    if front.trim().is_empty() {
        return Ok((FrontMatter::default(), template, before));
    }
    let front = small(front).map_err(|(line, said)| {
        wrong(line + 1, said).hint("owner, mode, reload, restart, enable, check and check_as_root are known")
    })?;
    Ok((front, template, before))
}

/// Which nodes a folder means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OfNodes {
    None,
    All,
    /// Those that boot the image of the folder's name.
    Image,
}

/// Heads and witnesses that a folder names, and which nodes are meant.
fn hosts_of(cluster: &Cluster, who: &str) -> Option<(BTreeSet<HostName>, OfNodes)> {
    let heads = || cluster.heads.keys().cloned();
    let witnesses = || cluster.witnesses.keys().cloned();
    match who {
        "all" => Some((heads().chain(witnesses()).collect(), OfNodes::All)),
        "heads" => Some((heads().collect(), OfNodes::None)),
        "witnesses" => Some((witnesses().collect(), OfNodes::None)),
        "nodes" => Some((BTreeSet::new(), OfNodes::All)),
        _ if is_twice(cluster, who) => None,
        _ if is_host(cluster, who) => Some((BTreeSet::from([who.to_owned()]), OfNodes::None)),
        _ => match cluster.groups.get(who) {
            Some(group) => Some((group.heads.iter().cloned().collect(), OfNodes::None)),
            None => cluster.is_booted(who).then_some((BTreeSet::new(), OfNodes::Image)),
        },
    }
}

fn is_host(cluster: &Cluster, name: &str) -> bool {
    cluster.heads.contains_key(name) || cluster.witnesses.contains_key(name)
}

/// Whether an image that nodes boot is called as a host or a group is.
fn is_twice(cluster: &Cluster, name: &str) -> bool {
    cluster.is_booted(name) && (is_host(cluster, name) || cluster.groups.contains_key(name))
}

/// Whose files those are that are laid now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    /// A head's or witness's.
    Host(&'a HostName),
    /// Of all nodes.
    Nodes,
    /// Beside those, of the nodes that boot this image.
    NodesOf(&'a str),
}

fn nobody(cluster: &Cluster, site: &SiteFile) -> Problem {
    let file = Utf8Path::new(&site.name);
    let names = cluster.heads.keys().chain(cluster.witnesses.keys()).chain(cluster.groups.keys());
    let names = names.chain(cluster.images.keys().filter(|image| cluster.is_booted(image)));
    let known = WORDS.into_iter().chain(names.map(String::as_str));
    let is_node = cluster.nodes.keys().any(|range| range.names().contains(&site.who));
    let hint = match nearest(&site.who, known) {
        _ if is_twice(cluster, &site.who) => {
            "an image and a group or host have that name: call one of them otherwise".to_owned()
        }
        _ if is_node => {
            "nodes have the same files, all (files/nodes/) or those of an image (files/IMAGE/)".to_owned()
        }
        Some(near) => format!("did you mean files/{near}/?"),
        None => {
            "all, heads, witnesses, nodes, an image that nodes boot, a group or a host is expected".to_owned()
        }
    };
    let message = match is_twice(cluster, &site.who) {
        true => format!("{file}: {} is more than one thing", site.who),
        false => format!("{file}: the spec has no hosts that are called {}", site.who),
    };
    Problem::error("file/nobody", message).at(place_in(file, "", 1, 1)).hint(hint)
}

/// Every file of the site on the hosts that it names.
pub(super) struct Lay<'a> {
    cluster: &'a Cluster,
    templates: &'a Templates,
    /// What every file may ask for.
    common: Value,
}

impl<'a> Lay<'a> {
    /// None where the site has no files: its values are not free.
    ///
    /// # Errors
    /// Addresses of nodes that cannot be counted up.
    pub(super) fn new(cluster: &'a Cluster, templates: &'a Templates) -> Result<Option<Self>, Problem> {
        if templates.files().is_empty() {
            return Ok(None);
        }
        let nodes: Vec<_> = names::nodes(cluster)?
            .into_iter()
            .map(|node| json!({ "name": node.name, "network": node.network, "address": node.address, "mac": node.mac }))
            .collect();
        let common = json!({
            "cluster": { "name": cluster.name, "domain": cluster.domain },
            "hosts": names::fixed(cluster),
            "nodes": nodes,
            "spec": serde_json::to_value(cluster).unwrap_or_default(),
        });
        Ok(Some(Self { cluster, templates, common }))
    }

    /// On one host, or the one that stands for nodes.
    pub(super) fn on(&self, whose: Whose<'_>, role: Role, host: &mut HostDesired) -> Vec<Problem> {
        let mut wrong = Vec::new();
        for site in self.templates.files() {
            let Some((names, nodes)) = hosts_of(self.cluster, &site.who) else { continue };
            let here = match whose {
                Whose::Host(name) => names.contains(name),
                Whose::Nodes => nodes == OfNodes::All,
                Whose::NodesOf(image) => nodes == OfNodes::Image && site.who == image,
            };
            if here {
                wrong.extend(self.lay(site, whose, role, host).err());
            }
        }
        wrong
    }

    /// Images whose nodes have files of their own.
    pub(super) fn images(&self) -> BTreeSet<String> {
        let files = self.templates.files().iter();
        let of_image = files.filter(|site| {
            hosts_of(self.cluster, &site.who).is_some_and(|(_, nodes)| nodes == OfNodes::Image)
        });
        of_image.map(|site| site.who.clone()).collect()
    }

    /// Files that are nobody's.
    pub(super) fn nobodys(&self) -> impl Iterator<Item = Problem> {
        let files = self.templates.files().iter();
        files
            .filter(|site| hosts_of(self.cluster, &site.who).is_none())
            .map(|site| nobody(self.cluster, site))
    }

    fn lay(
        &self,
        site: &SiteFile,
        whose: Whose<'_>,
        role: Role,
        host: &mut HostDesired,
    ) -> Result<(), Problem> {
        let mut values = self.common.clone();
        let name = if let Whose::Host(name) = whose { Some(name) } else { None };
        values["host"] = json!({ "name": name, "role": role });
        if let Some(group) = self.cluster.groups.get(&site.who) {
            values["group"] = json!({ "name": site.who, "spec": group });
        }
        let file = self.templates.file(site.path.clone(), &site.name, values, site.on_change())?;
        host.files.push(Rendered { owner: site.owner.clone(), mode: site.mode, ..file });
        host.checks.extend(site.check());
        let Some(unit) = site.unit().filter(|_| site.front.enable) else { return Ok(()) };
        let known = host.units.iter().find(|known| known.name == unit);
        if known.is_some_and(|known| known.want != UnitWant::Running) {
            let message = format!("{}: `enable`, but the engine starts and stops {unit}", site.name);
            let place = place_in(Utf8Path::new(&site.name), "", 1, 1);
            return Err(Problem::error("file/front-matter", message).at(place).hint("leave `enable` away"));
        }
        host.units.push(Unit { name: unit.to_owned(), want: UnitWant::Running });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<SiteFile, String> {
        SiteFile::read(Utf8Path::new(name), text).map(|(site, _, _)| site).map_err(|problem| problem.message)
    }

    #[test]
    fn a_file_says_where_it_lies_and_what_is_done_with_it() {
        let text = "---\nmode: \"0600\"\nowner: munge:munge\nrestart: munge.service\n---\nhello\n";
        let (site, template, before) =
            SiteFile::read(Utf8Path::new("files/heads/etc/a.conf.hbs"), text).unwrap();
        assert_eq!((site.who.as_str(), site.path.as_str()), ("heads", "/etc/a.conf"));
        assert_eq!((template, before), ("hello\n", 5));
        assert_eq!(site.mode, Mode(0o600));
        assert_eq!(site.owner, Owner::of("munge", "munge"));
        assert_eq!(site.on_change(), OnChange::Restart("munge.service".to_owned()));
        assert_eq!(
            read("files/all/etc/motd.hbs", "no front matter\n").unwrap().on_change(),
            OnChange::Nothing
        );
    }

    #[test]
    fn what_lies_outside_of_a_host_or_is_not_a_sites_is_refused() {
        for (name, why) in [
            ("files/motd.hbs", "files/motd.hbs has no place on a host"),
            ("files/heads/../../etc/passwd.hbs", "has no place on a host"),
            ("files/heads/etc/haoscar/secrets/munge-key.hbs", "is a site's to write"),
            ("files/heads/proc/sys/kernel/panic.hbs", "nothing below /proc is a site's to write"),
        ] {
            let said = read(name, "x").unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }

    #[test]
    fn a_front_matter_that_means_nothing_is_refused() {
        for (front, why) in [
            ("mode: \"999\"", "mode `999` is none"),
            ("owner: root", "owner `root` is none"),
            ("enable: true", "`enable` is for unit files"),
            ("check: [true]", "does not look at the new file"),
            ("check_as_root: true", "without a `check`"),
            ("mode: \"0600\"\ncheck: [look, \"{staged}\"]", "who may not read a file of mode 0600"),
            ("restart: munge", "is no unit"),
            ("restart: corosync.service", "is the engine's"),
            ("reload: a.service\nrestart: b.service", "exclude each other"),
            ("colour: red", "colour"),
        ] {
            let said = read("files/all/etc/a.hbs", &format!("---\n{front}\n---\nx")).unwrap_err();
            assert!(said.contains(why), "{front}: {said}");
        }
        let open = read("files/all/etc/a.hbs", "---\nmode: \"0644\"\n").unwrap_err();
        assert!(open.contains("has no end"), "{open}");
    }

    #[test]
    fn a_check_runs_as_nobody_unless_the_spec_asks_for_root_and_then_people_are_told() {
        let of = |front: &str| {
            read("files/all/etc/a.hbs", &format!("---\ncheck: [look, \"{{staged}}\"]\n{front}---\n")).unwrap()
        };
        let argv = |site: &SiteFile| match site.check().unwrap().question {
            Question::Command { argv, .. } => argv,
            Question::Socket { .. } => Vec::new(),
        };
        let nobody = of("");
        assert!(argv(&nobody).contains(&"-pDynamicUser=yes".to_owned()) && nobody.notes().is_none());
        let root = of("check_as_root: true\n");
        assert_eq!(argv(&root), ["look", "{staged:/etc/a}"]);
        assert!(root.notes().is_some_and(|note| note.ends_with("is checked as root: look {staged}")));
    }
}

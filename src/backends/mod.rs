//! Backends: one program behind a service each. A new one costs one file here, its template folder, one golden
//! folder and one line in its kind's registry.
//!
//! This room decides what a program's configuration is and whether the program's answers are good. It must not
//! ask anybody anything.

pub mod boot;
pub mod dhcp;
pub mod names;
pub mod nfs;
pub mod scheduler;
pub mod time;
pub mod unit;

use std::collections::BTreeSet;
use std::net::IpAddr;

use camino::Utf8PathBuf;

use crate::desired::{
    Answer, Check, Directory, HostName, Live, Mode, OnChange, Owner, Probe, Question, Rendered, Role,
    SecretKind, Unit, Verdict,
};
use crate::engines::Carried;
use crate::spec::{Cluster, Group, Head, Network, NetworkRole, Problem, Service, Storage};
use crate::templates::Templates;

/// Units of services that have haoscar's name: distributions have none for them.
pub const OF_OUR_NAME: [&str; 2] = [dhcp::dnsmasq::UNIT, boot::UNIT];

/// Which hosts a part of a backend lands on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// Every head that the service's group may run on.
    Heads,
    /// Every host of a role.
    Role(Role),
    /// One host.
    Host(HostName),
}

/// What a backend is resolved in.
pub struct Context<'a> {
    /// The whole spec.
    pub cluster: &'a Cluster,
    /// The service's name.
    pub name: &'a str,
    /// The group that carries it, with its name.
    pub group: (&'a str, &'a Group),
    /// The group's storage.
    pub storage: Option<&'a Storage>,
    /// The heads that the part lands on.
    pub heads: &'a BTreeSet<HostName>,
    /// Templates to render with.
    pub templates: &'a Templates,
    /// Hosts see a hybrid cgroup tree.
    pub cgroup_hybrid: bool,
}

impl<'a> Context<'a> {
    /// Networks of role private where the group has an address, in order of name.
    pub fn private_networks(&self) -> impl Iterator<Item = (&'a str, &'a Network, IpAddr)> {
        let networks = &self.cluster.networks;
        self.group.1.addresses.iter().filter_map(move |(name, address)| {
            let network = networks.get(name).filter(|n| n.role == NetworkRole::Private)?;
            Some((name.as_str(), network, *address))
        })
    }

    /// The group's services, as the spec has them.
    pub fn services(&self) -> impl Iterator<Item = &'a Service> + use<'a> {
        let cluster = self.cluster;
        self.group.1.services.iter().filter_map(|name| cluster.services.get(name))
    }

    /// The group's first private address, which nodes and daemons speak to.
    ///
    /// # Errors
    /// `group/no-private-address` when it has none.
    pub fn private_address(&self) -> Result<IpAddr, Problem> {
        self.private_networks().next().map(|(_, _, address)| address).ok_or_else(|| {
            let (group, _) = self.group;
            let message =
                format!("service {} needs a private address, and group {group} has none", self.name);
            Problem::error("group/no-private-address", message).hint(format!(
                "add `addresses: {{ NETWORK: ADDRESS }}` to groups.{group} for a network of role private"
            ))
        })
    }

    /// The group's IPv6 address on a network.
    pub fn address6(&self, network: &str) -> Option<IpAddr> {
        self.group.1.addresses6.get(network).copied()
    }

    /// Where the service keeps its state: `<storage>/<service>`.
    ///
    /// # Errors
    /// `group/state-without-storage` when the group has no storage.
    pub fn state(&self) -> Result<Utf8PathBuf, Problem> {
        self.storage.map(|storage| storage.path.join(self.name)).ok_or_else(|| {
            let (group, _) = self.group;
            let message = format!("service {} keeps state, and group {group} has no storage", self.name);
            Problem::error("group/state-without-storage", message)
                .hint(format!("declare a storage and name it in groups.{group}.storage"))
        })
    }

    /// The interface of `head` on `network`.
    pub fn nic(head: &Head, network: &str) -> Option<String> {
        head.nics.iter().find(|(_, nic)| nic.network == network).map(|(name, _)| name.clone())
    }

    /// The part's heads with what the spec says of them.
    pub fn declared_heads(&self) -> impl Iterator<Item = (&'a HostName, &'a Head)> + '_ {
        let cluster = self.cluster;
        cluster.heads.iter().filter(|(name, _)| self.heads.contains(*name))
    }

    /// A root-owned text file made from one template.
    ///
    /// # Errors
    /// What [`Templates::render`] says.
    pub fn file(
        &self,
        path: impl Into<Utf8PathBuf>,
        template: &str,
        values: serde_json::Value,
        on_change: OnChange,
    ) -> Result<Rendered, Problem> {
        self.templates.file(path, template, values, on_change)
    }
}

/// Everything that one service asks for.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Whole files.
    pub files: Vec<(Placement, Rendered)>,
    /// Folders; a shared one is made once.
    pub directories: Vec<(Placement, Directory)>,
    /// Units that systemd itself owns (munge, slurmd).
    pub units: Vec<(Placement, Unit)>,
    /// Units that the engine carries.
    pub carried: Vec<Carried>,
    /// Distribution packages.
    pub packages: Vec<(Placement, String)>,
    /// Questions about staged files.
    pub checks: Vec<(Placement, Check)>,
    /// Questions to the running daemon about what it has loaded.
    pub probes: Vec<Probe>,
    /// Objects that the running service holds itself.
    pub live: Vec<Live>,
    /// Secrets that the files use.
    pub secrets: Vec<(Placement, String, SecretKind)>,
}

/// One program behind a kind of service.
pub trait Backend {
    /// The words of the spec that it reads.
    type Service;
    /// Its name in the spec, of its template folder and of its golden folder.
    fn name(&self) -> &'static str;
    /// Turns the spec's words into everything that the service needs.
    ///
    /// # Errors
    /// A [`Problem`] when the spec asks for what this program cannot do.
    fn resolve(&self, service: &Self::Service, context: &Context<'_>) -> Result<Part, Problem>;
}

/// The registry: one line a kind, which knows its backends.
///
/// # Errors
/// What the backend says.
pub fn resolve(service: &Service, context: &Context<'_>) -> Result<Part, Problem> {
    match service {
        Service::Dhcp(service) => dhcp::backend(service.backend).resolve(service, context),
        Service::Boot(service) => boot::Dnsmasq.resolve(service, context),
        Service::Names(service) => names::Dnsmasq.resolve(service, context),
        Service::Time(service) => time::Chrony.resolve(service, context),
        Service::Nfs(service) => nfs::backend(service.backend).resolve(service, context),
        Service::Scheduler(service) => scheduler::backend(service.backend).resolve(service, context),
        Service::Unit(service) => unit::SystemdUnit.resolve(service, context),
        Service::Ocf(service) => unit::OcfAgent.resolve(service, context),
    }
}

impl Part {
    /// A program of haoscar's own on every head of the group, with the folder that it lies in.
    fn script(&mut self, script: Rendered) {
        self.directories.extend(script.path.parent().map(|path| folder(path.as_str())));
        self.files.push((Placement::Heads, Rendered { mode: Mode(0o755), ..script }));
    }
}

/// A folder of root's on every head of the group.
fn folder(path: &str) -> (Placement, Directory) {
    (Placement::Heads, Directory::of_root(path, 0o755))
}

/// A folder for state on the group's storage.
fn state_folder(path: Utf8PathBuf, user: &str, group: &str, mode: u32) -> (Placement, Directory) {
    (Placement::Heads, Directory { path, owner: Owner::of(user, group), mode: Mode(mode), shared: true })
}

/// Whether a daemon that speaks no words of a shell answers: bash opens `place` (`tcp/ADDRESS/PORT`) as file 3, `ask` writes to it,
/// and so many bytes of an answer must come, whatever they are.
fn question(place: &str, ask: &str, bytes: u32) -> String {
    let heard = format!("[ \"$(head -c {bytes} <&3 | wc -c)\" = {bytes} ]");
    format!("timeout 4 bash -c 'exec 3<>/dev/{place}; {ask}; {heard}'")
}

/// A program that reads a staged file and answers 0 when it is right.
pub(crate) fn validator(name: &str, argv: &[&str]) -> Check {
    let argv = argv.iter().map(ToString::to_string).collect();
    Check {
        name: name.to_owned(),
        question: Question::Command { argv, timeout_ms: VALIDATOR_TIMEOUT_MS },
        verdict: zero_is_good,
    }
}

/// Words of a shell, in a mount namespace of its own: `program` reads the file `$1` where it will lie, as `path`, beside what lies
/// there. AppArmor lets some programs (Kea, chronyd) read their own folder and no staging area.
fn in_place(path: &str, program: &str) -> String {
    format!(
        "at={path} && folder=${{at%/*}} && mount -t tmpfs none /mnt && cp -a \"$folder/.\" /mnt && cp \"$1\" \"/mnt/${{at##*/}}\" && mount --move /mnt \"$folder\" && exec {program} \"$at\""
    )
}

/// kea-dhcp4 takes 2.7 s to read 100,000 reservations (knowledge/scale.md); ten times that on a loaded machine.
const VALIDATOR_TIMEOUT_MS: u64 = 30_000;

/// A short name for a configuration, for the daemon to hold and to say again when it is asked what it has loaded.
fn fingerprint(values: &serde_json::Value) -> String {
    let mut name = crate::desired::fingerprint(values.to_string().as_bytes());
    name.truncate(16); // hex digits
    name
}

/// The verdict on programs whose exit status can be believed: knowledge/formats.md says which.
pub fn zero_is_good(answer: &Answer) -> Verdict {
    let said = || format!("{}{}", answer.stdout, answer.stderr).trim().to_owned();
    match answer.status {
        Some(0) => Verdict::Good,
        Some(_) => Verdict::Bad(said()),
        None => Verdict::Unknown(said()),
    }
}

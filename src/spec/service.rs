//! Something that must not stop. The `kind` decides which words a service knows.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// A service, by kind. In the spec the `kind` may be left out where it equals the service's name: the loader
/// fills it in before this type is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Service {
    /// Addresses by DHCP.
    Dhcp(DhcpService),
    /// Network boot.
    Boot(BootService),
    /// Host names and DNS.
    Names(NamesService),
    /// Time by NTP.
    Time(TimeService),
    /// Files by NFS.
    Nfs(NfsService),
    /// Jobs.
    Scheduler(SchedulerService),
    /// Any systemd unit of the site's own.
    Unit(UnitService),
    /// Any OCF agent.
    Ocf(OcfService),
}

impl Service {
    /// The kind's word, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dhcp(_) => "dhcp",
            Self::Boot(_) => "boot",
            Self::Names(_) => "names",
            Self::Time(_) => "time",
            Self::Nfs(_) => "nfs",
            Self::Scheduler(_) => "scheduler",
            Self::Unit(_) => "unit",
            Self::Ocf(_) => "ocf",
        }
    }
}

/// The program behind a dhcp service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DhcpBackend {
    /// ISC Kea.
    #[default]
    Kea,
    /// dnsmasq: IPv4, up to some 20,000 nodes.
    Dnsmasq,
}

/// Addresses by DHCP on every private network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhcpService {
    /// The program.
    #[serde(default)]
    pub backend: DhcpBackend,
    /// How long a lease lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Span>,
    /// A Kea on each head is told of every lease at once (Kea's HA hook, passive-backup), so that a power cut costs none that the
    /// storage's copy did not have yet; `kea` on a storage of kind `mirror` only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ha_hook: bool,
    /// How failures are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// What machines that boot from the network load first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootLoader {
    /// iPXE: everything else by HTTP; heads are built with it. Not signed for Secure Boot.
    #[default]
    Ipxe,
    /// GRUB, behind the distribution's signed shim for UEFI with Secure Boot; everything by TFTP.
    Grub,
}

/// Network boot: TFTP and the boot options that DHCP sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootService {
    /// What machines load first, that asks what to boot.
    #[serde(default)]
    pub loader: BootLoader,
    /// The boot file of BIOS clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"undionly.kpxe")]
    pub bios: Option<String>,
    /// The boot file of UEFI clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"snponly.efi")]
    pub uefi: Option<String>,
}

/// Host names: /etc/hosts of the heads, and DNS for the cluster's domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamesService {
    /// Servers that other questions are passed to; none means that only the cluster's names are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwarders: Vec<std::net::IpAddr>,
}

/// Time by NTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeService {
    /// Servers that the heads follow; none means that the heads' own clock is served (stratum 10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}

/// The program behind an nfs service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NfsBackend {
    /// NFS-Ganesha.
    #[default]
    Ganesha,
    /// The kernel's own server.
    Kernel,
}

/// What a client may do with an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read only.
    #[default]
    Ro,
    /// Read and write.
    Rw,
}

/// A folder that clients can mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The folder on the head.
    #[schemars(with = "String", extend("format" = "absolute-path"), example = &"/srv/state/home")]
    pub path: Utf8PathBuf,
    /// The network whose machines may mount it.
    pub to: String,
    /// What they may do.
    #[serde(default)]
    pub access: Access,
    /// Whether the folder lies outside the group's storage on purpose.
    #[serde(default)]
    pub external: bool,
}

/// Files by NFS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NfsService {
    /// The program.
    #[serde(default)]
    pub backend: NfsBackend,
    /// What can be mounted.
    #[schemars(length(min = 1))]
    pub exports: Vec<Export>,
    /// How long clients have to reclaim their locks after a move; also the lease lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// How failures are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// The program behind a scheduler service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerBackend {
    /// Slurm.
    Slurm,
    /// OpenPBS.
    Openpbs,
}

/// Who moves the scheduler when a head dies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerMode {
    /// The engine: one server, at the group's address.
    #[default]
    Managed,
    /// OpenPBS itself: a primary and a secondary server, each at its own head's address.
    Native,
}

impl SchedulerMode {
    fn is_managed(&self) -> bool {
        *self == Self::Managed
    }
}

/// A partition (Slurm) or queue (PBS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// A node range of the spec, or an image's name for all nodes that boot it.
    #[schemars(example = &"compute")]
    pub nodes: String,
    /// Where jobs go that name none.
    #[serde(default)]
    pub default: bool,
    /// The longest job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_time: Option<Span>,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Attribute {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// Any text.
    Text(String),
}

impl std::fmt::Display for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(true) => f.write_str("True"),
            Self::Flag(false) => f.write_str("False"),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What happens, and a hook is asked (hook.h of OpenPBS 23.06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// A job is submitted.
    Queuejob,
    /// A job has been taken.
    Postqueuejob,
    /// A job is changed.
    Modifyjob,
    /// A job goes to another queue.
    Movejob,
    /// A job is about to run.
    Runjob,
    /// A job has ended.
    Jobobit,
    /// An administrator changes something.
    Management,
    /// A node changes its state.
    Modifyvnode,
    /// A node is provisioned.
    Provision,
    /// Every so often, on the server.
    Periodic,
    /// A reservation is asked for.
    Resvsub,
    /// A reservation is changed.
    Modifyresv,
    /// A reservation is confirmed.
    ResvConfirm,
    /// A reservation begins.
    ResvBegin,
    /// A reservation ends.
    ResvEnd,
    /// A node gets a job.
    ExecjobBegin,
    /// Before a job on a node.
    ExecjobPrologue,
    /// Before its program.
    ExecjobLaunch,
    /// A process joins it.
    ExecjobAttach,
    /// It gives nodes back.
    ExecjobResize,
    /// It has been suspended.
    ExecjobPostsuspend,
    /// It is about to go on.
    ExecjobPreresume,
    /// It is about to be ended.
    ExecjobPreterm,
    /// Its start has failed.
    ExecjobAbort,
    /// After a job on a node.
    ExecjobEpilogue,
    /// A node has cleaned up after it.
    ExecjobEnd,
    /// A mom starts.
    ExechostStartup,
    /// Every so often, on each node.
    ExechostPeriodic,
}

/// A hook of OpenPBS: Python of the site's own that its server, or moms, ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// When it is asked.
    #[schemars(length(min = 1))]
    pub event: Vec<HookEvent>,
    /// The program: Python, with OpenPBS's module `pbs`.
    #[schemars(length(min = 1))]
    pub body: String,
    /// Its place among hooks of one event: 1 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub order: Option<u32>,
    /// It is given up after this time: whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Span>,
    /// How often, of a periodic one: whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Whether it is asked at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// Jobs: one controller under the engine at the group's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulerService {
    /// The program.
    pub backend: SchedulerBackend,
    /// Who moves it. `native` is for OpenPBS on two heads with a storage that both have mounted; the engine fences for it.
    #[serde(default, skip_serializing_if = "SchedulerMode::is_managed")]
    pub mode: SchedulerMode,
    /// Partitions or queues, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "label" })))]
    pub partitions: BTreeMap<String, Partition>,
    /// Nodes have no file of Slurm's: slurmd asks slurmctld for them when it starts, and is told when they change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configless: bool,
    /// Attributes of OpenPBS's server, in its own words; one that is not named here is left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "pbs-attribute" })))]
    pub attributes: BTreeMap<String, Attribute>,
    /// Hooks of OpenPBS, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "pbs-hook" })))]
    pub hooks: BTreeMap<String, Hook>,
    /// How failures are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// How a service of the site's own is asked whether it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A URL that must answer 200; `{address}` is the group's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://{address}/health")]
    pub http: Option<String>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How long an answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// What follows when restarts did not help.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryThen {
    /// The group moves to the next head.
    #[default]
    Failover,
    /// Only an event is raised.
    Alert,
    /// The service is stopped.
    Stop,
}

/// How failures are answered: at most `restarts` within `within`, then `then`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Restarts on the same head before `then` follows.
    pub restarts: u32,
    /// The time in which they count.
    pub within: Span,
    /// What follows.
    #[serde(default)]
    pub then: RecoveryThen,
}

/// What a stop that fails leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStopFailure {
    /// The head is fenced: right for services with state.
    Fence,
    /// The service is blocked until a person looks.
    Block,
}

/// Any systemd unit of the site's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitService {
    /// The unit.
    #[schemars(extend("format" = "unit"), example = &"apache2.service")]
    pub unit: String,
    /// How it is asked whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// How failures are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What a stop that fails leads to; `block` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_stop_failure: Option<OnStopFailure>,
}

/// Any OCF agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OcfService {
    /// The agent.
    #[schemars(extend("format" = "ocf-agent"), example = &"ocf:heartbeat:Dummy")]
    pub agent: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// How failures are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

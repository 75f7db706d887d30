//! What a person writes: one YAML document, a file a noun.
//!
//! This room decides what a valid spec is. It must not resolve defaults that depend on other fields
//! (that is [`crate::desired`]) and never touches a file: callers hand it [`Sources`].

pub mod address;
pub mod agents;
mod cluster;
mod codes;
pub mod draft;
mod duration;
mod field;
mod group;
mod ha;
mod image;
mod limits;
mod lint;
mod load;
mod machine;
mod nearest;
mod network;
mod node;
mod os;
mod policy;
mod problem;
mod sample;
pub mod schema;
mod service;
mod sources;
mod storage;
mod window;

pub use address::{Cidr, Mac, NodeRange, Range};
pub use agents::{Use, uses};
pub use cluster::{ApiVersion, Cluster, ClusterKind, Waive};
pub use codes::{Code, code, codes};
pub use duration::Span;
pub use field::{Field, field_paths, fields};
pub use group::{Apart, Group};
pub use ha::{EngineKind, Failback, Ha, WatchUrl, WatchedBy};
pub use image::{Capture, Image};
pub use limits::{Limit, heartbeat_limits, heartbeat_paths, ping_node};
pub use lint::{judge, lint, macs};
pub use load::{
    BYTES_MAX, Loaded, PROBLEMS_MAX, Places, check_format, load, mac_rows, place_in, public_keys, small,
};
pub use machine::{
    Disk, Division, Fence, FenceDevice, FenceLevel, FenceValue, Head, Nic, Witness, WitnessKind, fence_agent,
};
pub use nearest::nearest;
pub use network::{Network, NetworkRole};
pub use node::{MacList, NodeNic, Nodes};
pub use os::{Os, Versions};
pub use policy::{Heal, Packages, Policy, Rollout, Source, Trust};
pub use problem::{Place, Problem, Severity};
pub use sample::{Listing, sample};
pub use service::{
    Access, Attribute, BootLoader, BootService, Check, DhcpBackend, DhcpService, Export, Hook, HookEvent,
    NamesService, NfsBackend, NfsService, OcfService, OnStopFailure, Partition, Recovery, RecoveryThen,
    SchedulerBackend, SchedulerMode, SchedulerService, Service, TimeService, UnitService,
};
pub use sources::Sources;
pub use storage::{Replicated, Storage, StorageKind};
pub use window::{Freeze, Window};

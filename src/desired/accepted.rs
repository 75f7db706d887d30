//! What one host must be by the accepted generation: all that healing needs, without a spec, a template or another host.

use serde::{Deserialize, Serialize};

use super::{Desired, Directory, HostName, Rendered, Role, Unit, fingerprint};
use crate::engines::EngineDesired;
use crate::spec::Policy;

/// Kept on the host itself; a newer one replaces it when an apply has gone through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The cluster's name.
    pub cluster: String,
    /// The host that it is for.
    pub host: HostName,
    /// What kind of machine it is.
    pub role: Role,
    /// The generation.
    pub generation: u64,
    /// The spec's commit; none where the spec lay in no repository.
    pub commit: Option<String>,
    /// What the loop may do by itself.
    pub policy: Policy,
    /// The spec's first group, whose carrier leads.
    pub group: Option<String>,
    /// Files, secrets as names.
    pub files: Vec<Rendered>,
    /// Folders.
    pub directories: Vec<Directory>,
    /// Units.
    pub units: Vec<Unit>,
    /// The engine's configuration.
    pub engine: Option<EngineDesired>,
}

impl Accepted {
    /// What it asks, without number and commit, as sha256 in hex: equal where nothing would be healed otherwise.
    pub fn digest(&self) -> String {
        let bare = Self { generation: 0, commit: None, ..self.clone() };
        let text = serde_json::to_string(&bare).unwrap_or_default(); // strings and numbers: it cannot fail
        fingerprint(text.as_bytes())
    }

    /// The part of `name` in a resolved cluster; none where it has no such host.
    pub fn of(
        name: &str,
        desired: &Desired,
        policy: &Policy,
        group: Option<String>,
        (generation, commit): (u64, Option<String>),
    ) -> Option<Self> {
        let (role, host) = desired.hosts.get(name)?;
        Some(Self {
            cluster: desired.cluster.clone(),
            host: name.to_owned(),
            role: *role,
            generation,
            commit,
            policy: policy.clone(),
            group,
            files: host.files.clone(),
            directories: host.directories.clone(),
            units: host.units.clone(),
            engine: desired.engine.clone(),
        })
    }
}

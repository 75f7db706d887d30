//! What one host must be by the accepted generation: all that healing needs, without a spec, a template or another host.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Desired, Directory, HostName, Piece, Rendered, Role, Unit, fingerprint};
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
    /// What the whole cluster is asked, as a digest: what concerns a host alone that is away now is accepted too.
    #[serde(default)]
    pub whole: String,
    /// Nodes that were not reached since: the head that leads brings them to it when they are back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub away: BTreeSet<HostName>,
}

impl Accepted {
    /// What it asks, without number, commit and who was away, as sha256 in hex: equal where nothing would be healed otherwise.
    pub fn digest(&self) -> String {
        let bare = Self { generation: 0, commit: None, away: BTreeSet::new(), ..self.clone() };
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
            whole: String::new(),
            away: BTreeSet::new(),
        })
    }
}

impl Desired {
    /// What every host is asked, as sha256 in hex.
    pub fn digest(&self) -> String {
        let mut said = String::new();
        for (name, host) in self.distinct() {
            for file in &host.files {
                let text: Vec<_> = file.text.iter().map(Piece::digest).collect();
                let Rendered { path, owner, mode, on_change, .. } = file;
                let _ = writeln!(said, "{name} {path} {owner:?} {mode} {on_change:?} {text:?}");
            }
            let _ = writeln!(said, "{name} {:?} {:?}", host.directories, host.units);
        }
        fingerprint(said.as_bytes())
    }
}

impl Piece {
    fn digest(&self) -> String {
        match self {
            Self::Text(text) => fingerprint(text.as_bytes()),
            Self::Secret(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{HostDesired, Mode, OnChange, Owner};
    use std::sync::Arc;

    #[test]
    fn a_change_of_any_host_is_another_cluster() {
        let file = |text: &str| Rendered {
            path: "/etc/motd".into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: vec![Piece::Text(text.into())],
            on_change: OnChange::Nothing,
            source: String::new(),
        };
        let host = |text: &str| Arc::new(HostDesired { files: vec![file(text)], ..HostDesired::default() });
        let of = |head: &str, node: &str| {
            let (head, node) = ((Role::Head, host(head)), (Role::Node, host(node)));
            let hosts = [("head-1", head), ("node1", node.clone()), ("node2", node)];
            let hosts = hosts.map(|(name, host)| (name.to_owned(), host)).into();
            Desired { hosts, ..Desired::default() }.digest()
        };
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("a", "b"), of("a", "c"));
        assert_ne!(of("a", "b"), of("c", "b"));
    }
}

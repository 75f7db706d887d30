//! Backends: one program behind a service each. A new one costs one file here, its template folder, one golden
//! folder and one line in its kind's registry.
//!
//! This room decides what a program's configuration is and whether the program's answers are good. It must not
//! ask anybody anything.

use std::collections::BTreeSet;

use crate::desired::{Check, Directory, HostName, Probe, Rendered, Role, SecretKind, Unit};
use crate::engines::Carried;
use crate::spec::{Cluster, Group, Problem, Storage};
use crate::templates::Templates;

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
    /// Questions about the running service, asked on the head that carries the group.
    pub probes: Vec<Probe>,
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

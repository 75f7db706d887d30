//! From spec to hosts: every service's part is laid on the hosts that it names, then the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::site::Whose;
use super::{
    Desired, HostDesired, HostName, OnChange, Rendered, Role, SecretKind, SiteFile, Surroundings, Unit,
    UnitWant, image, names, os, site, storage,
};
use crate::backends::{self, Context, Part, Placement};
use crate::engines::{Carried, CarriedAs, heartbeat, pacemaker};
use crate::spec::{Cluster, EngineKind, Nodes, Os, Packages, Problem, WitnessKind};
use crate::templates::Templates;

/// Resolves the spec for every host.
///
/// # Errors
/// Every [`Problem`] that a backend or the engine has with the spec.
pub fn resolve(
    cluster: &Cluster,
    surroundings: &Surroundings,
    templates: &Templates,
) -> Result<Desired, Vec<Problem>> {
    let mut builder = Builder::new(cluster);
    let mut problems = Vec::new();
    for (group_name, group) in &cluster.groups {
        let heads: BTreeSet<HostName> = group.heads.iter().cloned().collect();
        let mut inside = Vec::new();
        for name in &group.services {
            let Some(service) = cluster.services.get(name) else { continue }; // lint: reference/service
            let storage = group.storage.as_ref().and_then(|name| cluster.storage.get(name));
            let group = (group_name.as_str(), group);
            let cgroup_hybrid = surroundings.cgroup_hybrid;
            let context = Context { cluster, name, group, storage, heads: &heads, templates, cgroup_hybrid };
            match backends::resolve(service, &context) {
                Ok(mut part) => {
                    inside.extend(storage::taken(&mut part, storage));
                    builder.lay(part, group_name, &heads);
                }
                Err(problem) => problems.push(problem),
            }
        }
        match storage::part(cluster, group, &inside, templates) {
            Ok(part) => builder.lay(part, group_name, &heads),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(builder.hosts_files(templates).err());
    problems.extend(builder.engine(surroundings, templates).err());
    image::lay(cluster, &mut builder.hosts);
    problems.extend(builder.site(templates));
    builder.order_nodes();
    image::overlay(cluster, (&builder.node, &builder.of_image), &mut builder.hosts);
    let desired = builder.finish();
    problems.extend(twice(&desired));
    if problems.is_empty() { Ok(desired) } else { Err(problems) }
}

/// Two services that write one path differently on one host: neither may win by chance.
fn twice(desired: &Desired) -> Vec<Problem> {
    let pairs = desired
        .hosts
        .iter()
        .flat_map(|(name, (_, host))| host.files.windows(2).map(move |pair| (name, pair)));
    let same = pairs.filter(|(_, pair)| pair[0].path == pair[1].path);
    let mut found: Vec<_> = same
        .map(|(name, pair)| {
            let (path, one, other) = (&pair[0].path, &pair[0].source, &pair[1].source);
            let message = format!("{name}: {path} is written twice, from {one} and from {other}");
            Problem::error("resolve/file-twice", message)
        })
        .collect();
    found.truncate(1); // nodes are many, and the first says it all
    found
}

struct Builder<'a> {
    cluster: &'a Cluster,
    desired: Desired,
    /// Heads and witnesses.
    hosts: BTreeMap<HostName, (Role, HostDesired)>,
    /// Every node: they are rendered once.
    node: HostDesired,
    /// Nodes that boot an image with files of their own.
    of_image: BTreeMap<String, HostDesired>,
    carried: BTreeMap<String, Vec<Carried>>,
}

impl<'a> Builder<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let heads = cluster.heads.keys().map(|name| (name.clone(), Role::Head));
        let witnesses = cluster.witnesses.keys().map(|name| (name.clone(), Role::Witness));
        let hosts = heads.chain(witnesses).map(|(name, role)| (name, (role, HostDesired::default())));
        let groups = cluster.groups.iter().map(|(name, group)| (name.clone(), group.heads.clone()));
        let desired = Desired {
            cluster: cluster.name.clone(),
            os: cluster.os,
            groups: groups.collect(),
            ensure_packages: cluster.policy.packages == Packages::Ensure,
            ..Desired::default()
        };
        let (hosts, node) = (hosts.collect(), HostDesired::default());
        Self { cluster, desired, hosts, node, of_image: BTreeMap::new(), carried: BTreeMap::new() }
    }

    /// Hosts that a placement names; of the nodes all or none.
    fn hosts(
        &mut self,
        placement: &Placement,
        heads: &BTreeSet<HostName>,
    ) -> impl Iterator<Item = &mut HostDesired> {
        let nodes = (*placement == Placement::Role(Role::Node)).then_some(&mut self.node);
        let others = self.hosts.iter_mut().filter_map(move |(name, (role, host))| {
            let here = match placement {
                Placement::Heads => heads.contains(name),
                Placement::Role(wanted) => role == wanted,
                Placement::Host(wanted) => name == wanted,
            };
            here.then_some(host)
        });
        others.chain(nodes)
    }

    fn lay(&mut self, mut part: Part, group: &str, heads: &BTreeSet<HostName>) {
        os::part(self.cluster.os, &mut part);
        for (placement, file) in &part.files {
            self.hosts(placement, heads).for_each(|host| host.files.push(file.clone()));
        }
        for (placement, directory) in &part.directories {
            self.hosts(placement, heads).for_each(|host| host.directories.push(directory.clone()));
        }
        for (placement, unit) in &part.units {
            self.hosts(placement, heads).for_each(|host| host.units.push(unit.clone()));
        }
        for (placement, package) in &part.packages {
            self.hosts(placement, heads).for_each(|host| {
                host.packages.insert(package.clone());
            });
        }
        for (placement, check) in &part.checks {
            self.hosts(placement, heads).for_each(|host| host.checks.push(check.clone()));
        }
        for (placement, name, kind) in &part.secrets {
            self.hosts(placement, heads).for_each(|host| {
                host.secrets.insert(name.clone(), kind.clone());
            });
        }
        self.desired.probes.extend(part.probes);
        self.desired.live.extend(part.live);
        for carried in part.carried {
            self.carry(carried, group, heads);
        }
    }

    /// Two services of a group may share one unit (names and boot share dnsmasq): it is carried once.
    fn carry(&mut self, carried: Carried, group: &str, heads: &BTreeSet<HostName>) {
        if let CarriedAs::Unit { unit, .. } = &carried.what {
            // heartbeat has no clones: what runs on every head is systemd's there
            let everywhere = carried.clone && self.cluster.ha.engine == EngineKind::Heartbeat;
            let want = if everywhere { UnitWant::Running } else { UnitWant::Engine };
            let unit = Unit { name: unit.clone(), want };
            self.hosts(&Placement::Heads, heads).for_each(|host| host.units.push(unit.clone()));
        }
        let known = self.carried.entry(group.to_owned()).or_default();
        match (known.iter_mut().find(|known| known.shares_unit(&carried)), carried.what) {
            (Some(twin), CarriedAs::Unit { probe: Some(question), .. }) => {
                *twin = twin.clone().asked(&question)
            }
            (Some(_), _) => {}
            (None, what) => known.push(Carried { what, ..carried }),
        }
    }

    fn hosts_files(&mut self, templates: &Templates) -> Result<(), Problem> {
        let values = json!({ "hosts": names::fixed(self.cluster) });
        let file = templates.file("/etc/hosts", "hosts/hosts.hbs", values, OnChange::Nothing)?;
        // a qnetd server may be that of other clusters too, and needs no names of this one
        let server =
            |name: &str| self.cluster.witnesses.get(name).is_some_and(|w| w.kind == WitnessKind::Qnetd);
        let hosts = self.hosts.iter_mut().filter(|(name, _)| !server(name)).map(|(_, (_, host))| host);
        hosts.chain([&mut self.node]).for_each(|host| host.files.push(file.clone()));
        Ok(())
    }

    fn engine(&mut self, surroundings: &Surroundings, templates: &Templates) -> Result<(), Problem> {
        let compile = match self.cluster.ha.engine {
            EngineKind::Pacemaker => pacemaker::compile,
            EngineKind::Heartbeat => heartbeat::compile,
        };
        let compiled = compile(self.cluster, surroundings, &self.carried, templates)?;
        for (name, mut part) in compiled.hosts {
            os::host(self.cluster.os, &mut part);
            if let Some((_, host)) = self.hosts.get_mut(&name) {
                host.files.extend(part.files);
                host.directories.extend(part.directories);
                host.units.extend(part.units);
                host.packages.extend(part.packages);
                host.checks.extend(part.checks);
                host.secrets.extend(part.secrets);
            }
        }
        self.desired.engine = Some(compiled.engine);
        self.desired.probes.extend(compiled.probes);
        Ok(())
    }

    /// The site's own files, when it is known what else is there.
    fn site(&mut self, templates: &Templates) -> Vec<Problem> {
        let shadows = templates.shadowed().map(|name| {
            format!("{} stands in place of haoscar's own template {name}", templates.source(name))
        });
        self.desired.notes = shadows.chain(templates.files().iter().filter_map(SiteFile::notes)).collect();
        let lay = match site::Lay::new(self.cluster, templates) {
            Ok(Some(lay)) => lay,
            Ok(None) => return Vec::new(),
            Err(problem) => return vec![problem],
        };
        let mut wrong: Vec<_> = lay.nobodys().collect();
        for (name, (role, host)) in &mut self.hosts {
            wrong.extend(lay.on(Whose::Host(name), *role, host));
        }
        wrong.extend(lay.on(Whose::Nodes, Role::Node, &mut self.node));
        for image in lay.images() {
            let mut node = self.node.clone();
            wrong.extend(lay.on(Whose::NodesOf(&image), Role::Node, &mut node));
            self.of_image.insert(image, node);
        }
        wrong.sort_by(|a, b| a.message.cmp(&b.message));
        wrong.dedup(); // a file of several hosts is wrong on each
        wrong
    }

    fn order_nodes(&mut self) {
        for node in self.of_image.values_mut().chain([&mut self.node]) {
            *node = in_order(self.cluster.os, std::mem::take(node));
        }
    }

    /// The same input gives the same order, whatever order services stand in.
    fn finish(mut self) -> Desired {
        let os = self.cluster.os;
        let node = Arc::new(std::mem::take(&mut self.node));
        let of_image: BTreeMap<_, _> = std::mem::take(&mut self.of_image)
            .into_iter()
            .map(|(image, node)| (image, Arc::new(node)))
            .collect();
        let same =
            |nodes: &Nodes| nodes.image.as_ref().and_then(|image| of_image.get(image)).unwrap_or(&node);
        let given = |nodes: &Nodes| {
            let image = nodes.image.as_ref().and_then(|name| self.cluster.images.get(name));
            let secrets = || same(nodes).files.iter().any(|file| file.secrets().next().is_some());
            image.is_some_and(|image| image.capture.is_some() && (image.secrets || !secrets()))
        };
        let started = self.cluster.nodes.iter().filter(|(_, nodes)| given(nodes));
        self.desired.given = started.flat_map(|(range, _)| range.names()).collect();
        let nodes = self.cluster.nodes.iter();
        let nodes = nodes.flat_map(|(range, nodes)| range.names().into_iter().map(move |name| (name, nodes)));
        self.desired.hosts = nodes.map(|(name, nodes)| (name, (Role::Node, same(nodes).clone()))).collect();
        let others = self.hosts.into_iter();
        self.desired
            .hosts
            .extend(others.map(|(name, (role, host))| (name, (role, Arc::new(in_order(os, host))))));
        self.desired
    }
}

fn in_order(os: Os, mut host: HostDesired) -> HostDesired {
    os::packages(os, &mut host);
    let named: BTreeSet<_> = host.files.iter().flat_map(Rendered::secrets).map(str::to_owned).collect();
    for name in named {
        host.secrets.entry(name).or_insert(SecretKind::Given); // a site's template asks for it
    }
    host.files.sort_by(|a, b| a.path.cmp(&b.path));
    host.files.dedup();
    host.directories.sort();
    host.directories.dedup();
    host.units.sort();
    host.units.dedup();
    host
}

//! Services: what can be on a host only once, and what needs another.

use super::{Lint, Mend, Place};
use crate::spec::{
    BootService, DhcpBackend, DhcpService, EngineKind, Group, NetworkRole, SchedulerBackend, SchedulerMode,
    SchedulerService, Service, StorageKind,
};

pub(super) fn check(lint: &mut Lint<'_>) {
    one_a_host(lint);
    boot(lint);
    dhcp(lint);
    ha_hook(lint);
    partitions(lint);
    native(lint);
    pbs_only(lint);
    slurm_only(lint);
}

/// dnsmasq looks a host up in a list: 10,000 of them start in 0.45 s and 100,000 in 89 s
/// (knowledge/scale.md).
const DNSMASQ_NODES_MOST: usize = 20_000;

fn dhcp(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, service) in &cluster.services {
        let Service::Dhcp(DhcpService { backend: DhcpBackend::Dnsmasq, .. }) = service else { continue };
        let nodes: usize = cluster.nodes.keys().map(|range| range.names().len()).sum();
        for (group, words) in cluster.groups.iter().filter(|(_, words)| words.services.contains(name)) {
            let six = |network: &String| {
                cluster.networks.get(network).is_some_and(|n| n.role == NetworkRole::Private)
            };
            for network in words.addresses6.keys().filter(|network| six(network)) {
                let places = [
                    lint.at(&format!("services.{name}.backend"), "serves IPv4 only"),
                    lint.at(
                        &format!("groups.{group}.addresses6.{network}"),
                        "its nodes would be told nothing there",
                    ),
                ];
                let message = format!("{name} is to serve IPv6 on {network}, which dnsmasq does not do here");
                lint.error("dhcp/no-ipv6", message, places).mend("backend: kea");
            }
        }
        if nodes > DNSMASQ_NODES_MOST {
            let place = lint.at(&format!("services.{name}.backend"), "");
            let message =
                format!("dnsmasq takes longer with the square of its hosts, and this spec has {nodes} nodes");
            lint.note("dhcp/slow", message, [place]).mend("backend: kea");
        }
    }
}

/// Kea's hook carries leases to heads that have nothing else but a copy of them.
fn ha_hook(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, service) in &cluster.services {
        let Service::Dhcp(DhcpService { ha_hook: true, backend, .. }) = service else { continue };
        let place = lint.at_key(&format!("services.{name}.ha_hook"), "");
        if *backend != DhcpBackend::Kea {
            let message = format!("{name} is not Kea, and the hook is Kea's");
            lint.error("dhcp/ha-hook", message, [place]).mend("backend: kea");
            continue;
        }
        let groups = cluster.groups.iter().filter(|(_, group)| group.services.contains(name));
        let stored = groups.filter_map(|(group, words)| {
            let storage = words.storage.as_ref()?;
            let kind = cluster.storage.get(storage)?.kind;
            (kind != StorageKind::Mirror).then_some((group, storage))
        });
        for (group, storage) in stored {
            let at = lint.at(&format!("groups.{group}.storage"), "loses no lease by itself");
            let message = format!(
                "{name}'s leases lie on storage {storage}, which a head that takes over has as it was: there is nothing to be told"
            );
            lint.error("dhcp/ha-hook", message, [place.clone(), at]).mend("take `ha_hook` away");
        }
    }
}

/// What of a service can be on a host only once: its daemon's port and files, or its unit.
fn only_one(service: &Service) -> Option<String> {
    match service {
        Service::Unit(unit) => Some(unit.unit.clone()),
        Service::Ocf(_) => None,
        other => Some(other.kind().to_owned()),
    }
}

fn one_a_host(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let mut carried: Vec<(&String, &Group, usize, &String, String)> = Vec::new();
    for (name, group) in &cluster.groups {
        for (index, service) in group.services.iter().enumerate() {
            let Some(only) = cluster.services.get(service).and_then(only_one) else { continue };
            for (other, other_group, other_index, other_service, other_only) in &carried {
                let meet = group.heads.iter().find(|head| other_group.heads.contains(head));
                let Some(head) = meet.filter(|_| *other_only == only && *other_service != service) else {
                    continue;
                };
                let places = [
                    lint.at(&format!("groups.{name}.services.{index}"), format!("{only} of group {name}")),
                    lint.at(
                        &format!("groups.{other}.services.{other_index}"),
                        format!("{only} of group {other}"),
                    ),
                ];
                lint.error("service/one-a-host", format!("{other_service} and {service} could meet on {head}, and a host can have one {only} only"), places)
                    .mend("make them one service, or give their groups heads that do not overlap");
            }
            carried.push((name, group, index, service, only));
        }
    }
}

fn boot(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let dhcp = cluster.services.values().any(|service| matches!(service, Service::Dhcp(_)));
    for (name, service) in &cluster.services {
        if let Service::Boot(BootService { .. }) = service
            && !dhcp
        {
            let place = lint.at_key(&format!("services.{name}"), "");
            lint.note(
                "service/boot-without-dhcp",
                format!("machines find {name} by DHCP options, and this spec has no dhcp service"),
                [place],
            )
            .mend(
                "add a service `dhcp: {}`, or set next-server and boot file in the DHCP server that you have",
            );
        }
    }
}

fn partitions(lint: &mut Lint<'_>) {
    for (name, service) in &lint.cluster.services {
        let Service::Scheduler(scheduler) = service else { continue };
        let defaults: Vec<&String> =
            scheduler.partitions.iter().filter(|(_, p)| p.default).map(|(name, _)| name).collect();
        if defaults.len() > 1 {
            let places: Vec<_> = defaults
                .iter()
                .map(|p| lint.at(&format!("services.{name}.partitions.{p}.default"), ""))
                .collect();
            lint.error(
                "scheduler/two-defaults",
                format!("{name} has {} default partitions; jobs that name none go to one", defaults.len()),
                places,
            )
            .mend("leave `default: true` at one of them");
        }
    }
}

/// OpenPBS's own failover: two servers and one home, and an engine that says when the other one is gone.
fn native(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, service) in &cluster.services {
        let Service::Scheduler(scheduler) = service else { continue };
        if scheduler.mode != SchedulerMode::Native {
            continue;
        }
        let mode = lint.at(&format!("services.{name}.mode"), "");
        not_by_this(lint, name, scheduler, mode);
        for (group, about) in cluster.groups.iter().filter(|(_, group)| group.services.contains(name)) {
            if about.heads.len() != 2 {
                let place = lint.at(&format!("groups.{group}.heads"), "");
                let message = format!(
                    "{name} is native: OpenPBS knows a primary and a secondary server, and group {group} has {} heads",
                    about.heads.len()
                );
                lint.error("scheduler/native", message, [place])
                    .mend("name two heads, or say `mode: managed`");
            }
            let Some((storage, kind)) = about.storage.as_ref().and_then(|name| {
                let storage = cluster.storage.get(name)?;
                Some((name, storage.kind))
            }) else {
                continue;
            };
            if kind != StorageKind::Mounted {
                let place = lint.at(&format!("groups.{group}.storage"), "");
                let message = format!(
                    "{name} is native: both servers write to one home, and {storage} is on one head at a time"
                );
                lint.error("scheduler/native", message, [place])
                    .mend("name a storage of kind mounted, or say `mode: managed`");
            }
        }
    }
}

fn not_by_this(lint: &mut Lint<'_>, name: &str, scheduler: &SchedulerService, place: Place) {
    let why = if scheduler.backend != SchedulerBackend::Openpbs {
        format!("{name} is native, and that is OpenPBS's own failover: Slurm is moved by the engine")
    } else if lint.cluster.ha.engine != EngineKind::Pacemaker {
        format!("{name} is native: its secondary asks pacemaker whether the primary is gone")
    } else {
        return;
    };
    lint.error("scheduler/native", why, [place]).mend("mode: managed");
}

/// A word that only Slurm has.
fn slurm_only(lint: &mut Lint<'_>) {
    for (name, service) in &lint.cluster.services {
        let Service::Scheduler(scheduler) = service else { continue };
        if scheduler.configless && scheduler.backend != SchedulerBackend::Slurm {
            let place = lint.at_key(&format!("services.{name}.configless"), "");
            let message = format!("{name} is not Slurm, and its nodes need their files");
            lint.error("scheduler/slurm-only", message, [place]).mend("take `configless` away");
        }
    }
}

/// Words that only OpenPBS's `qmgr` has.
fn pbs_only(lint: &mut Lint<'_>) {
    for (name, service) in &lint.cluster.services {
        let Service::Scheduler(scheduler) = service else { continue };
        let words = [("attributes", scheduler.attributes.is_empty()), ("hooks", scheduler.hooks.is_empty())];
        let other = scheduler.backend != SchedulerBackend::Openpbs;
        for (word, _) in words.into_iter().filter(|(_, none)| other && !none) {
            let place = lint.at_key(&format!("services.{name}.{word}"), "");
            let message = format!("{name} is not OpenPBS, and `{word}` is not looked at");
            lint.error("scheduler/pbs-only", message, [place]).mend(
                "for Slurm's own words: templates/scheduler/slurm/slurm.conf.hbs in the spec's repository",
            );
        }
    }
}

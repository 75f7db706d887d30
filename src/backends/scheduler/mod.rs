//! Jobs: one controller under the engine, at the group's address.

mod openpbs;
pub mod qmgr;
mod slurm;

pub use openpbs::{EXEC as PBS_EXEC, Openpbs};
pub use slurm::Slurm;

use std::collections::BTreeSet;

use crate::backends::Backend;
use crate::spec::{Cluster, NodeRange, Partition, Problem, SchedulerBackend, SchedulerService};

/// The backend that the spec names.
pub fn backend(name: SchedulerBackend) -> Box<dyn Backend<Service = SchedulerService>> {
    match name {
        SchedulerBackend::Slurm => Box::new(Slurm),
        SchedulerBackend::Openpbs => Box::new(Openpbs),
    }
}

/// The nodes of a partition as a folded list: all ranges that boot an image, or names that the spec has.
///
/// # Errors
/// `reference/nodes` when it names a node that no range has.
fn nodes_of(name: &str, partition: &Partition, cluster: &Cluster) -> Result<String, Problem> {
    let wrong = |what: &str| {
        Problem::error(
            "reference/nodes",
            format!("partition {name} names nodes {what}, which no range and no image is called"),
        )
    };
    let images =
        cluster.nodes.iter().filter(|(_, nodes)| nodes.image.as_deref() == Some(partition.nodes.as_str()));
    let images: Vec<_> = images.map(|(range, _)| range.as_str()).collect();
    if !images.is_empty() {
        return Ok(images.join(","));
    }
    let wanted: NodeRange = partition.nodes.parse().map_err(|_| wrong(&partition.nodes))?;
    let known: BTreeSet<_> = cluster.nodes.keys().flat_map(NodeRange::names).collect();
    match wanted.names().iter().find(|node| !known.contains(*node)) {
        Some(unknown) => Err(wrong(unknown)),
        None => Ok(partition.nodes.clone()),
    }
}

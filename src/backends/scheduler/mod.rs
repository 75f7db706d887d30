//! Jobs: one controller under the engine, at the group's address.

mod openpbs;
pub mod qmgr;
mod slurm;

pub use openpbs::Openpbs;
pub use slurm::Slurm;

use crate::backends::{Backend, Context};
use crate::spec::{NodeRange, Nodes, Partition, Problem, SchedulerBackend, SchedulerService};

/// The backend that the spec names.
pub fn backend(name: SchedulerBackend) -> Box<dyn Backend<Service = SchedulerService>> {
    match name {
        SchedulerBackend::Slurm => Box::new(Slurm),
        SchedulerBackend::Openpbs => Box::new(Openpbs),
    }
}

/// The node ranges that a partition names: one range as written, or all that boot an image.
fn ranges<'a>(partition: &Partition, context: &Context<'a>) -> Vec<(&'a NodeRange, &'a Nodes)> {
    let named = |range: &NodeRange, nodes: &Nodes| {
        range.as_str() == partition.nodes || nodes.image.as_deref() == Some(partition.nodes.as_str())
    };
    context.cluster.nodes.iter().filter(|(range, nodes)| named(range, nodes)).collect()
}

/// The same, and an error when it names none.
fn some_ranges<'a>(
    name: &str,
    partition: &Partition,
    context: &Context<'a>,
) -> Result<Vec<(&'a NodeRange, &'a Nodes)>, Problem> {
    let found = ranges(partition, context);
    if found.is_empty() {
        let message = format!(
            "partition {name} names nodes {}, which no range and no image is called",
            partition.nodes
        );
        return Err(Problem::error("reference/nodes", message));
    }
    Ok(found)
}

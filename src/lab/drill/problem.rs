//! Why a drill has no figures: one kind a cause, each with what it is about.

/// Why a drill has no figures.
#[derive(Debug, thiserror::Error)]
pub enum DrillProblem {
    /// The prober could not be started.
    #[error("the prober cannot be started as `{argv}`")]
    Prober {
        /// Its command line.
        argv: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The group is not in the spec, or has nothing that can be probed.
    #[error("group {group} has nothing that can be probed")]
    Nothing {
        /// The group.
        group: String,
    },
    /// A target cannot be asked.
    #[error("{service} cannot be probed: {reason}")]
    Broken {
        /// The target.
        service: String,
        /// Why.
        reason: String,
    },
    /// The group did not settle before the fault.
    #[error("group {group} is not settled: {unwell} not answering")]
    Unsettled {
        /// The group.
        group: String,
        /// The targets.
        unwell: String,
    },
    /// No head holds the group's address, or more than one does.
    #[error("{count} heads hold the address of group {group}, and one should")]
    Carriers {
        /// The group.
        group: String,
        /// How many.
        count: usize,
    },
    /// The fault could not be made.
    #[error("the {fault} fault of {target} could not be made: {reason}")]
    Fault {
        /// The fault.
        fault: &'static str,
        /// The host.
        target: String,
        /// Why.
        reason: String,
    },
}

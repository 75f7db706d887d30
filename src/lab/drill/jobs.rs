//! What a fault did to jobs, from two lists of the scheduler's own client. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Jobs over a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// Running before the fault.
    pub running_before: usize,
    /// Of all jobs, running after the drill.
    pub running_after: usize,
    /// Known before, and after the drill unknown, failed, or begun again.
    pub lost: usize,
    /// Of these, begun again from their beginning.
    #[serde(default)]
    pub requeued: usize,
    /// Which ones, with what became of them.
    #[serde(skip)]
    pub named: Vec<String>,
}

/// A job as its scheduler has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownJob {
    state: String,
    /// When it began; before that, when it may, or nothing.
    begun: String,
}

/// `squeue -h -t all -o '%i %T %S'`: jobs by their ids.
pub fn job_states(text: &str) -> BTreeMap<String, KnownJob> {
    let known = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (id, state) = (words.next()?, words.next()?);
        Some((id, KnownJob { state, begun: words.next().unwrap_or_default() }))
    };
    text.lines().filter_map(known).collect()
}

/// Compares what the scheduler knew before and after. A job that had ended before is of no interest: the scheduler
/// forgets it in time.
pub fn jobs_of(before: &BTreeMap<String, KnownJob>, after: &BTreeMap<String, KnownJob>) -> Jobs {
    let running =
        |jobs: &BTreeMap<String, KnownJob>| jobs.values().filter(|job| job.state == "RUNNING").count();
    let both = || before.iter().filter_map(|(id, was)| Some((id, was, after.get(id)?)));
    let named = both().filter_map(|(id, was, is)| fate(id, was, is));
    let alive = |(id, was): &(&String, &KnownJob)| {
        ["RUNNING", "PENDING"].contains(&was.state.as_str()) && !after.contains_key(*id)
    };
    let unknown = before.iter().filter(alive);
    let unknown = unknown.map(|(id, was)| format!("job {id} was {} and is unknown", was.state));
    let named: Vec<String> = named.chain(unknown).collect();
    Jobs {
        running_before: running(before),
        running_after: running(after),
        lost: named.len(),
        requeued: both().filter(|(_, was, is)| is_begun_again(was, is)).count(),
        named,
    }
}

/// It ran, and waits for a node once more or has one since later.
fn is_begun_again(was: &KnownJob, is: &KnownJob) -> bool {
    was.state == "RUNNING" && (is.state == "PENDING" || is.begun != was.begun)
}

fn fate(id: &str, was: &KnownJob, is: &KnownJob) -> Option<String> {
    let ended_badly = ["FAILED", "NODE_FAIL", "CANCELLED", "BOOT_FAIL"].contains(&is.state.as_str());
    let lived = ["RUNNING", "PENDING"].contains(&was.state.as_str());
    let again = match is_begun_again(was, is) {
        true => ", begun again",
        false if lived && ended_badly => "",
        false => return None,
    };
    Some(format!("job {id} was {} and is {}{again}", was.state, is.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(before: &str, after: &str) -> (Jobs, Vec<String>) {
        let jobs = jobs_of(&job_states(before), &job_states(after));
        (jobs.clone(), jobs.named)
    }

    #[test]
    fn a_job_that_goes_on_or_ends_well_is_not_lost() {
        let (jobs, _) = compare(
            "1 RUNNING t1\n2 RUNNING t1\n3 PENDING N/A\n4 COMPLETED t0\n",
            "1 RUNNING t1\n2 COMPLETED t1\n3 RUNNING t2\n",
        );
        assert_eq!((jobs.running_before, jobs.running_after, jobs.lost, jobs.requeued), (2, 2, 0, 0));
    }

    #[test]
    fn a_job_that_is_forgotten_failed_or_begun_again_is_named() {
        let (jobs, named) = compare(
            "1 RUNNING t1\n2 RUNNING t1\n3 PENDING N/A\n4 RUNNING t1\n",
            "1 PENDING N/A\n2 NODE_FAIL t1\n4 RUNNING t2\n",
        );
        assert_eq!((jobs.lost, jobs.requeued), (4, 2));
        let expected = [
            "job 1 was RUNNING and is PENDING, begun again",
            "job 2 was RUNNING and is NODE_FAIL",
            "job 4 was RUNNING and is RUNNING, begun again",
            "job 3 was PENDING and is unknown",
        ];
        assert_eq!(named, expected);
    }
}

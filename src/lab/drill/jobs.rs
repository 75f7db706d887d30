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
    /// Which ones, with what became of them.
    #[serde(skip)]
    pub named: Vec<String>,
}

/// `squeue -h -t all -o '%i %T'`: states by job id.
pub fn job_states(text: &str) -> BTreeMap<String, String> {
    let pair =
        |line: &str| line.trim().split_once(' ').map(|(id, state)| (id.to_owned(), state.trim().to_owned()));
    text.lines().filter_map(pair).collect()
}

/// Compares what the scheduler knew before and after. A job that had ended before is of no interest: the scheduler
/// forgets it in time.
pub fn jobs_of(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Jobs {
    let running = |states: &BTreeMap<String, String>| states.values().filter(|s| *s == "RUNNING").count();
    let named: Vec<String> = before.iter().filter_map(|(id, was)| fate(id, was, after.get(id)?)).collect();
    let alive = |(id, was): &(&String, &String)| {
        ["RUNNING", "PENDING"].contains(&was.as_str()) && !after.contains_key(*id)
    };
    let unknown = before.iter().filter(alive).map(|(id, was)| format!("job {id} was {was} and is unknown"));
    let named: Vec<String> = named.into_iter().chain(unknown).collect();
    Jobs { running_before: running(before), running_after: running(after), lost: named.len(), named }
}

fn fate(id: &str, was: &str, is: &str) -> Option<String> {
    let ended_badly = ["FAILED", "NODE_FAIL", "CANCELLED", "BOOT_FAIL"].contains(&is);
    let lived = ["RUNNING", "PENDING"].contains(&was);
    let bad = (lived && ended_badly) || (was, is) == ("RUNNING", "PENDING");
    bad.then(|| format!("job {id} was {was} and is {is}"))
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
        let (jobs, _) =
            compare("1 RUNNING\n2 RUNNING\n3 PENDING\n4 COMPLETED\n", "1 RUNNING\n2 COMPLETED\n3 RUNNING\n");
        assert_eq!((jobs.running_before, jobs.running_after, jobs.lost), (2, 2, 0));
    }

    #[test]
    fn a_job_that_is_forgotten_failed_or_begun_again_is_named() {
        let (jobs, named) = compare("1 RUNNING\n2 RUNNING\n3 PENDING\n", "1 PENDING\n2 NODE_FAIL\n");
        assert_eq!(jobs.lost, 3);
        let expected = [
            "job 1 was RUNNING and is PENDING",
            "job 2 was RUNNING and is NODE_FAIL",
            "job 3 was PENDING and is unknown",
        ];
        assert_eq!(named, expected);
    }
}

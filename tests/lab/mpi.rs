//! A job of two ranks on two nodes that talk to each other all the time goes on through a head's power cut.
//! `make drill-mpi`: it needs a root with an MPI implementation, so it is not in CI.

use serde_json::Value;

use super::harness::{TestLab, Turn, haoscar, is_root, text, until};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
const HOSTS: &str = "head-1,head-2,arbiter,compute1,compute2";
/// MPICH without a compiler: the job loads its library from Python.
const PACKAGES: &str = "mpich";
const TICKS: usize = 400;

/// Each tick both ranks add up their numbers: a tick is there only if both were.
fn job() -> String {
    format!(
        "import ctypes, time
mpi = ctypes.CDLL('libmpich.so.12')
world, integer, add = 0x44000000, 0x4c000405, 0x58000003  # MPICH's ABI: MPI_COMM_WORLD, MPI_INT, MPI_SUM
mpi.MPI_Init(None, None)
rank = ctypes.c_int()
mpi.MPI_Comm_rank(world, ctypes.byref(rank))
own, total, last, longest = ctypes.c_int(), ctypes.c_int(), time.monotonic(), 0
for tick in range({TICKS}):
    own.value = tick + rank.value
    mpi.MPI_Allreduce(ctypes.byref(own), ctypes.byref(total), 1, integer, add, world)
    assert total.value == 2 * tick + 1, total.value
    longest, last = max(longest, time.monotonic() - last), time.monotonic()
    time.sleep(0.1)
print('rank', rank.value, 'on', __import__('socket').gethostname(), 'ticks', tick + 1, 'longest pause %.2f s' % longest, flush=True)
mpi.MPI_Finalize()
"
    )
}

#[test]
#[ignore = "builds a root with MPICH: make drill-mpi"]
fn a_job_of_two_ranks_on_two_nodes_goes_on_through_a_power_cut_of_the_head() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::named("test-mpi");
    lab.good(&["up", SPEC, "--name", &lab.name, "--hosts", HOSTS, "--packages", PACKAGES]);
    let via = format!("lab:{}", lab.name);
    let applied = haoscar(&["apply", SPEC, "--via", &via, "--adopt", "-y"]);
    assert!(applied.status.success(), "{}", text(&applied));
    for node in ["compute1", "compute2"] {
        lab.sh(node, &format!("cat >/usr/local/bin/ring.py <<'END'\n{}END", job()));
    }
    until("both nodes are idle", || {
        text(&lab.exec("compute1", &["sinfo", "-h", "-n", "compute1,compute2", "-o", "%D %t"]))
            .contains("2 idle")
    });
    let run = "mpirun -n 2 -ppn 1 python3 /usr/local/bin/ring.py";
    let batch = format!(
        "sbatch --parsable -N2 --ntasks-per-node=1 -w compute1,compute2 -o /tmp/mpi.out --wrap '{run}'"
    );
    let job = lab.sh("compute1", &batch);
    let state = || {
        lab.sh("compute1", &format!("timeout 5 scontrol show job {job} | grep -o 'JobState=[A-Z]*' || true"))
    };
    until("the job runs", || state() == "JobState=RUNNING");
    until("both ranks run", || {
        let runs = |node| lab.exec(node, &["pgrep", "-f", "ring.py"]).status.success();
        runs("compute1") && runs("compute2")
    });
    std::thread::sleep(std::time::Duration::from_secs(8)); // Slurm writes its state up to 5 s late
    let argv = ["lab", "drill", "--name", &lab.name, "--spec", SPEC, "--wait-return", "--format", "json"];
    let output = haoscar(&argv);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
    assert!(output.status.success(), "{report}");
    let jobs = &report["drills"][0]["jobs"];
    assert_eq!(
        (&jobs["running_before"], &jobs["running_after"], &jobs["lost"]),
        (&1.into(), &1.into(), &0.into())
    );
    until("the job has come to its end", || state() == "JobState=COMPLETED");
    let said = lab.sh("compute1", "cat /tmp/mpi.out");
    println!("{said}\n{report}");
    for rank in ["rank 0 on compute1", "rank 1 on compute2"] {
        assert!(said.contains(&format!("{rank} ticks {TICKS} ")), "{said}");
    }
}

//! What haoscar does where heartbeat is the engine: [`keep`] answers failures of carried units, and here its known hang is
//! mended: looks every two seconds, and does the one step that heartbeat has lost. When that is
//! so is decided in [`crate::engines::heartbeat`].

use std::io::Write;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::{WatchProblem, keep, system, tell};
use crate::engines::heartbeat::{Hang, MENDED, Mend, PAIR, Pair, Seen, claims};

/// Between two looks: cl_status costs 6 ms, and is asked on the head that does not carry the group only.
const LOOK: Duration = Duration::from_secs(2);

/// heartbeat's own scripts at work: while one runs, nothing hangs.
const SCRIPTS: [&str; 4] = ["/ResourceManager", "/req_resource", "/mach_down", "/hb_standby"];

/// Reads the list that apply laid on this host.
///
/// # Errors
/// None there, or it is none.
pub fn read_pair() -> Result<Pair, WatchProblem> {
    super::read_json(PAIR)
}

/// Looks until it is killed. What it does goes to `say`, one line each.
///
/// # Errors
/// Something that it needs is not there; nothing is looked at then.
pub fn mend(pair: &Pair, say: &(dyn Fn(&str) + Sync)) -> Result<(), WatchProblem> {
    let keeper = keep::Keeper::new(pair, say)?;
    std::thread::scope(|scope| {
        scope.spawn(move || keeper.run());
        mend_hangs(pair, say);
    });
    Ok(())
}

fn mend_hangs(pair: &Pair, say: &dyn Fn(&str)) {
    let begin = Instant::now();
    let mut hang = Hang::default();
    loop {
        let now_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(mend) = hang.look(look(pair), now_ms) {
            carry_out(pair, mend, say);
        }
        std::thread::sleep(LOOK);
    }
}

fn look(pair: &Pair) -> Seen {
    if is_here(pair) {
        return Seen::Well; // the address is here, and so is the group
    }
    let word = |argv: &[&str]| tell::run(argv).map(|said| said.trim().to_owned()).unwrap_or_default();
    let hold = word(&["cl_status", "rscstatus"]);
    let seen = match hold.as_str() {
        hold if claims(pair, hold) => Seen::Claimed,
        "transition" if word(&["cl_status", "nodestatus", &pair.peer]) == "active" => Seen::Undecided,
        _ => return Seen::Well,
    };
    if at_work() || answers(pair) { Seen::Well } else { seen }
}

/// The group's address is here, and so is the group.
pub(super) fn is_here(pair: &Pair) -> bool {
    UdpSocket::bind((pair.address, 0)).is_ok()
}

/// The other head carries the group whatever heartbeat says.
fn answers(pair: &Pair) -> bool {
    tell::run(&["ping", "-q", "-c", "1", "-W", "1", &pair.address.to_string()]).is_ok()
}

/// heartbeat's scripts are starting or stopping something.
pub(super) fn at_work() -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| SCRIPTS.iter().any(|script| line.split('\0').take(2).any(|word| word.ends_with(script))))
}

fn carry_out(pair: &Pair, mend: Mend, say: &dyn Fn(&str)) {
    let (what, argv): (_, &[&str]) = match mend {
        Mend::Take => (
            "heartbeat holds the group and has not started it: started",
            &["/usr/share/heartbeat/ResourceManager", "takegroup", &pair.resource],
        ),
        Mend::Ask => (
            "heartbeat is in transition and the group runs nowhere: the other head was asked to give it up",
            &["/usr/share/heartbeat/hb_takeover", "all"],
        ),
    };
    match tell::run_for(argv, START_LIMIT_MS) {
        Ok(_) => say(what),
        Err(error) => say(&format!("{what}, and that failed: {error}")),
    }
    if let Err(problem) = count() {
        say(&problem.to_string());
    }
}

/// Longer than a group's start may take: every service has 40 s of its own.
pub(super) const START_LIMIT_MS: u64 = 300_000;

fn count() -> Result<(), WatchProblem> {
    let folder = std::path::Path::new(MENDED).parent().unwrap_or(std::path::Path::new("/"));
    std::fs::create_dir_all(folder).map_err(system(MENDED))?;
    let mut file = std::fs::File::options().create(true).append(true).open(MENDED).map_err(system(MENDED))?;
    let line = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ\n").to_string();
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(system(MENDED))
}

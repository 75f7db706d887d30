//! Says "alive" to an outside watch while the cluster is whole; [`crate::engines::alive`] decides when that is.
//!
//! curl asks, and no client of ours: it knows the administrator's certificates and proxies, costs nothing between two
//! signs of life, and the address goes over its standard input, so that no list of processes shows it.

use std::time::{Duration, Instant};

use super::{WatchProblem, tell};
use crate::engines::alive::{ALIVE, ALIVE_URL, Alive, PLANNED_MS, against, planned, speaks};
use crate::engines::pacemaker;

/// A watch that has not answered by then has not heard.
const HEARD_LIMIT: &str = "10";

/// Longer than curl's own limit.
const LIMIT_MS: u64 = 12_000;

/// Reads what apply laid on this host.
///
/// # Errors
/// None there, or it is none.
pub fn read_alive() -> Result<Alive, WatchProblem> {
    super::read_json(ALIVE)
}

/// Looks and speaks until it is killed. What changes goes to `say`, one line each.
pub fn alive(of: &Alive, say: &dyn Fn(&str)) {
    let mut last = String::new();
    let mut since: Option<Instant> = None;
    loop {
        let now = look(of, &mut since);
        if now != last {
            say(&now);
            last = now;
        }
        std::thread::sleep(Duration::from_millis(of.every_ms));
    }
}

/// One look; what is to be said of it.
fn look(of: &Alive, since: &mut Option<Instant>) -> String {
    let state = match tell::run(&["crm_mon", "--output-as=xml", "-1"]).map(|text| pacemaker::state(&text)) {
        Ok(Ok(state)) => state,
        Ok(Err(error)) => return format!("silent: {error}"),
        Err(error) => return format!("silent: {error}"),
    };
    let begin = (!planned(of, &state).is_empty()).then(|| since.unwrap_or_else(Instant::now));
    *since = begin;
    let planned_ms =
        begin.map_or(0, |begin| u64::try_from(begin.elapsed().as_millis()).unwrap_or(PLANNED_MS));
    if !speaks(of, &state) {
        return "silent: the head that carries the first group speaks".to_owned();
    }
    match against(of, &state, planned_ms).as_slice() {
        [] => match ask() {
            Ok(()) => "the outside watch hears that the cluster is whole".to_owned(),
            Err(error) => format!("the outside watch cannot be told that the cluster is whole: {error}"),
        },
        reasons => format!("silent: {}", reasons.join("; ")),
    }
}

fn ask() -> Result<(), String> {
    let url = std::fs::read_to_string(ALIVE_URL).map_err(|error| format!("{ALIVE_URL}: {error}"))?;
    let argv =
        ["curl", "--silent", "--show-error", "--fail", "--max-time", HEARD_LIMIT, "--output", "/dev/null"];
    tell::run_with(
        &[&argv[..], &["--config", "-"]].concat(),
        &format!("url = \"{}\"\n", url.trim()),
        LIMIT_MS,
    )?;
    Ok(())
}

//! What is ours in worlds of chance: every rule of the pair under heartbeat and of the watcher, called for minutes of a
//! world where things die, come back, hang, are late and lie; and applies that a power cut ends. The same seed gives the same
//! world.
//!
//! `make simulate` runs 100,000 seeds; CI as many as its time allows. A seed that has found something is named and runs
//! first for ever. Every rule is broken on purpose in turn, and a world must catch it.

mod apply;
mod chance;
mod pair;
mod rules;
mod turns;
mod unit;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rules::{Mutation, Rules};

/// A kind of world.
type World = fn(u64, Rules) -> Result<(), String>;

const WORLDS: [(&str, World); 4] =
    [("pair", pair::world), ("watch", watch::world), ("apply", apply::world), ("turns", turns::world)];

/// Seeds that found something once, in a rule or in a rule that was broken on purpose, with what it was. They run first.
const NAMED: [(&str, u64, &str); 7] = [
    ("pair", 24, "a group went to and fro between two heads that could not run it"),
    ("pair", 0, "a hung takeover was taken while the other head still ran the group"),
    (
        "pair",
        14_264,
        "messages were lost to the end: a group went on hanging, and was mended, and hung again",
    ),
    ("pair", 76_443, "heartbeat stopped a unit that a person was just restarting, and did not wait for it"),
    ("apply", 64, "a head kept half of an apply after a power cut"),
    ("turns", 56, "two applies of other heads each (`--on`) made one and the same generation"),
    (
        "turns",
        40_400,
        "two persons applied the same over different tips, and the world took one's hold for the other's",
    ),
];

/// CI runs at least so many seeds of each kind, and goes on for [`CI_SECONDS`] in all.
const LEAST: u64 = 200;
const CI_SECONDS: u64 = 20;

/// A long run tells where it is.
const PROGRESS: u64 = 5_000;

/// A mutation that is not caught by then is not caught.
const CATCH_SEEDS: u64 = 2_000;

fn run(kind: &str, world: World, seed: u64) {
    if let Err(what) = world(seed, Rules(None)) {
        panic!("{kind} world, seed {seed}: {what}");
    }
}

fn run_named((kind, seed, what): (&str, u64, &str)) {
    let (_, world) = WORLDS.into_iter().find(|(name, _)| *name == kind).unwrap();
    println!("{kind}, seed {seed}: {what}");
    run(kind, world, seed);
}

#[test]
fn no_seed_breaks_a_promise_as_many_as_the_time_allows() {
    let most: u64 = std::env::var("HAOSCAR_SEEDS").ok().map_or(u64::MAX, |text| text.parse().unwrap());
    let limit = if most == u64::MAX { Duration::from_secs(CI_SECONDS) } else { Duration::MAX };
    NAMED.iter().for_each(|named| run_named(*named));
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= most || seed >= LEAST && begin.elapsed() >= limit {
            return;
        }
        WORLDS.into_iter().for_each(|(kind, world)| run(kind, world, seed));
        if (seed + 1).is_multiple_of(PROGRESS) {
            println!("{} seeds in {:.0} s", seed + 1, begin.elapsed().as_secs_f64());
        }
    };
    let cores =
        if most == u64::MAX { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let ran = next.into_inner() - u64::try_from(cores).unwrap();
    println!("{ran} seeds of each kind of world in {:.1} s", begin.elapsed().as_secs_f64());
}

#[test]
fn every_rule_that_is_broken_on_purpose_is_caught() {
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        let caught =
            |seed: &u64| WORLDS.into_iter().find_map(|(_, world)| world(*seed, Rules(Some(mutation))).err());
        match (0..CATCH_SEEDS).find_map(|seed| caught(&seed).map(|what| (seed, what))) {
            Some((seed, what)) => println!("{mutation:?}: seed {seed}: {what}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not caught in {CATCH_SEEDS} seeds: {missed:?}");
}

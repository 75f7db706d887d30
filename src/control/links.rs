//! Networks of this head: a network is lost when none of its cards has a carrier.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::gauge::Gauge;
use super::tell::Told;
use super::{WatchProblem, system, wake};
use crate::engines::watchlist::{WatchedLink, Watchlist};

/// Carriers are read again after that time though no notice has come: a notice that was lost is made good.
const SWEEP_MS: u64 = 30_000;

/// Heads on one switch lose it in the same instant, and their watchers say so within this time: equal loss moves
/// nothing.
const TOGETHER_MS: u64 = 100;

/// All networks of this head.
#[derive(Debug)]
pub(super) struct Links {
    host: String,
    cards: wake::Cards,
    links: Vec<(WatchedLink, Gauge)>,
    begin: Instant,
}

impl Links {
    pub(super) fn new(list: &Watchlist) -> Result<Self, WatchProblem> {
        let links = list.links.iter().map(|link| (link.clone(), Gauge::default())).collect();
        let cards = wake::Cards::new().map_err(system("netlink"))?;
        Ok(Self { host: list.host.clone(), cards, links, begin: Instant::now() })
    }

    pub(super) fn run(&mut self, say: &(dyn Fn(&str) + Sync)) {
        let told = Told { host: &self.host, begin: self.begin, together_ms: TOGETHER_MS, say };
        loop {
            for (link, gauge) in &mut self.links {
                told.read(gauge, has_carrier(link), &link.attribute);
            }
            let now = told.now_ms();
            let due = self.links.iter().filter_map(|(_, gauge)| gauge.due_ms()).min();
            let pause = due.map_or(SWEEP_MS, |at| at.saturating_sub(now).min(SWEEP_MS));
            wake::wait(&[self.cards.as_fd()], pause);
            self.cards.drain();
        }
    }
}

/// Carriers of the cards that the groups of this head need: what the loop is woken for when it changes. The watcher tells the
/// engine; a cable that is back may be what a turn or a roll-out waits for.
#[derive(Debug)]
pub(super) struct Carriers {
    notices: Option<wake::Cards>,
    links: Vec<WatchedLink>,
    known: Vec<bool>,
}

impl Carriers {
    /// Of the list that lies on this host; without one, or without netlink, of none.
    pub(super) fn here() -> Self {
        let links = super::read_list().map(|list| list.links).unwrap_or_default();
        let known = links.iter().map(has_carrier).collect();
        Self { notices: wake::Cards::new().ok().filter(|_| !links.is_empty()), links, known }
    }

    /// What can be waited for.
    pub(super) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(AsFd::as_fd)
    }

    /// Takes the notices; whether a network was lost or is back since the last time. Cards come and go with every container:
    /// those are no matter.
    pub(super) fn drain(&mut self) -> bool {
        self.notices.iter().for_each(wake::Cards::drain);
        let now: Vec<_> = self.links.iter().map(has_carrier).collect();
        std::mem::replace(&mut self.known, now.clone()) != now
    }
}

/// A card that is switched off cannot be asked, and one that is gone has no file: both have no carrier.
fn has_carrier(link: &WatchedLink) -> bool {
    let up = |card: &String| std::fs::read_to_string(format!("/sys/class/net/{card}/carrier"));
    link.cards.iter().any(|card| up(card).is_ok_and(|text| text.trim() == "1"))
}

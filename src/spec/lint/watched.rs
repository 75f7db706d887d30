//! The outside watch: an address that can be asked, not too often, by an engine that has it.

use super::{Lint, Mend};
use crate::spec::{EngineKind, WatchUrl};

/// One look at the engine costs 20 ms of a core: 0.2 % of it.
const EVERY_LEAST_MS: u64 = 10_000;

pub(super) fn check(lint: &mut Lint<'_>) {
    let Some(watched_by) = &lint.cluster.ha.watched_by else { return };
    if let WatchUrl::Text(url) = &watched_by.url
        && !is_url(url)
    {
        let place = lint.at("ha.watched_by.url", "");
        lint.error("ha/watch-url", format!("`{url}` is no address of the web"), [place])
            .mend("write https://HOST/PATH, or `url: { secret: NAME }`");
    }
    let every = watched_by.every;
    if every.as_millis() < EVERY_LEAST_MS {
        let place = lint.at("ha.watched_by.every", "");
        lint.error(
            "ha/watch-often",
            format!("a sign of life every {every} is more than a head has time for"),
            [place],
        )
        .mend("10s is the least; 60s is what such watches expect");
    }
    if lint.cluster.ha.engine == EngineKind::Heartbeat {
        let places =
            [lint.at_key("ha.watched_by", ""), lint.at("ha.engine", "cannot say whether it is whole")];
        lint.error("ha/watch-heartbeat", "engine heartbeat has no outside watch", places)
            .mend("have the watch ask the group's address itself, or use `engine: pacemaker`");
    }
}

/// No blank, quote or backslash: it goes through a line of curl's configuration.
fn is_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(plain))
}

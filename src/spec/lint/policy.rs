//! Policy: what may happen by itself must be signed, and windows must be readable.

use super::{Lint, Mend};
use crate::spec::Rollout;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(super) fn check(lint: &mut Lint<'_>) {
    let policy = &lint.cluster.policy;
    let required = policy.trust.as_ref().is_some_and(|trust| trust.required);
    if policy.rollout == Rollout::Auto && !required {
        let places = [
            lint.at("policy.rollout", "whoever can push changes the heads"),
            lint.at_key("policy.trust", ""),
        ];
        lint.error(
            "policy/unsigned-rollout",
            "`rollout: auto` applies commits that nobody has signed",
            places,
        )
        .mend("add `trust: { keys: [ops.pub], required: true }`, or use `rollout: manual`");
    }
    if required && policy.trust.as_ref().is_some_and(|trust| trust.keys.is_empty()) {
        let place = lint.at_key("policy.trust", "names no key");
        lint.error("policy/no-keys", "signed commits are required, but no key is trusted", [place])
            .mend("add `keys: [ops.pub]`");
    }
    for (index, window) in policy.windows.iter().enumerate().filter(|(_, window)| !is_window(window)) {
        let place = lint.at(&format!("policy.windows.{index}"), "");
        lint.error("policy/window", format!("`{window}` is not a window of time"), [place])
            .mend("write DAYS HH:MM-HH:MM, for example \"Sat 02:00-06:00\" or \"Mon-Fri 22:00-23:30\"");
    }
}

fn is_window(text: &str) -> bool {
    let Some((days, hours)) = text.split_once(' ') else { return false };
    days.split([',', '-']).all(|day| DAYS.contains(&day))
        && hours.split_once('-').is_some_and(|(from, to)| is_clock(from) && is_clock(to))
}

fn is_clock(text: &str) -> bool {
    let part = |text: &str, most: u8| text.len() == 2 && text.parse::<u8>().is_ok_and(|n| n <= most);
    text.split_once(':').is_some_and(|(hour, minute)| part(hour, 24) && part(minute, 59))
}

//! Policy: what may happen by itself must be signed, have somewhere to come from, and windows must be readable.

use camino::Utf8Path;

use super::{Lint, Mend};
use crate::spec::{EngineKind, Freeze, Rollout, Source, Window};

/// A fetch over ssh takes 0.13 s of a core (measured), and half a second of time.
const EVERY_LEAST_MS: u64 = 5_000;

pub(super) fn check(lint: &mut Lint<'_>) {
    let policy = &lint.cluster.policy;
    let required = policy.trust.as_ref().is_some_and(|trust| trust.required);
    if policy.rollout == Rollout::Auto && !required && !policy.follows_folder() {
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
    if policy.rollout == Rollout::Auto && policy.source.is_none() {
        let place = lint.at("policy.rollout", "rolls out what?");
        lint.error("policy/no-source", "`rollout: auto` has no repository to follow", [place])
            .mend("add `source: { repository: ADDRESS }`, or use `rollout: manual`");
    }
    if let Some(source) = &policy.source {
        check_source(lint, source);
    }
    for (index, window) in policy.windows.iter().enumerate() {
        if window.parse::<Window>().is_err() {
            let place = lint.at(&format!("policy.windows.{index}"), "");
            lint.error("policy/window", format!("`{window}` is not a window of time"), [place])
                .mend("write DAYS HH:MM-HH:MM, for example \"Sat 02:00-06:00\" or \"Mon-Fri 22:00-23:30\"");
        }
    }
    for (index, freeze) in policy.freezes.iter().enumerate() {
        if let Err(wrong) = freeze.parse::<Freeze>() {
            let place = lint.at(&format!("policy.freezes.{index}"), "");
            lint.error("policy/freeze", wrong, [place])
                .mend("write the first and the last day: \"2026-12-20..2027-01-06\"");
        }
    }
}

/// Every head that leads must read the same, and nothing in a folder is signed.
fn check_folder(lint: &mut Lint<'_>, folder: &Utf8Path) {
    let cluster = lint.cluster;
    let shared = cluster
        .storage
        .values()
        .filter(|storage| storage.is_shared())
        .any(|storage| folder.starts_with(&storage.path));
    if !shared {
        let place = lint.at("policy.source.folder", "each head would read its own");
        lint.error("policy/source-folder", format!("{folder} is on no storage of the spec"), [place])
            .mend("put it below a storage's path that all heads have: /srv/state/spec");
    }
    if cluster.policy.trust.as_ref().is_some_and(|trust| trust.required) {
        let places =
            [lint.at("policy.source.folder", "holds no signatures"), lint.at_key("policy.trust", "")];
        lint.error("policy/source-folder", "signed commits are required, and a folder has none", places)
            .mend("follow a repository, or leave `required: true` out: only root may write to the folder");
    }
}

/// What git gets as arguments, and how often.
fn check_source(lint: &mut Lint<'_>, source: &Source) {
    let plain =
        |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
    match (&source.repository, &source.folder) {
        (Some(repository), None) if plain(repository) => {}
        (Some(repository), None) => {
            let place = lint.at("policy.source.repository", "");
            lint.error("policy/source", format!("`{repository}` is no repository"), [place])
                .mend("write what `git fetch` takes: https://git.example/site/cluster.git");
        }
        (None, Some(folder)) => check_folder(lint, folder),
        (both, _) => {
            let place = lint.at_key("policy.source", "");
            let (count, mend) =
                if both.is_some() { ("two places", "one of both") } else { ("nowhere", "a place") };
            lint.error("policy/source", format!("new commits come from {count}"), [place])
                .mend(format!("name {mend}: `repository: ADDRESS`, or `folder: /PATH`"));
        }
    }
    let name = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !plain(&source.branch) || !source.branch.chars().all(name) || source.branch.contains("..") {
        let place = lint.at("policy.source.branch", "");
        lint.error("policy/source", format!("`{}` is no branch", source.branch), [place])
            .mend("write its name alone: main");
    }
    if source.path.is_absolute() || source.path.components().any(|part| part.as_str() == "..") {
        let place = lint.at("policy.source.path", "");
        lint.error("policy/source", format!("{} is not in the repository", source.path), [place])
            .mend("write the folder of cluster.yaml as seen from the repository's top");
    }
    if source.every.as_millis() < EVERY_LEAST_MS {
        let place = lint.at("policy.source.every", "");
        let message = format!("a fetch every {} is more than a head has time for", source.every);
        lint.error("policy/source", message, [place])
            .mend("5s is the least; `systemctl reload haoscar` from a webhook is faster than any interval");
    }
    if lint.cluster.ha.engine == EngineKind::Heartbeat {
        let places = [lint.at_key("policy.source", ""), lint.at("ha.engine", "cannot name what is accepted")];
        lint.error("policy/source-heartbeat", "engine heartbeat follows no repository", places)
            .mend("use `engine: pacemaker`, or `haoscar apply`");
    }
}

//! Packages that a host lacks, by the distribution's own tool, before anything else is changed.

use super::{ApplyError, Crew, Say, begin, engine};
use crate::desired::HostName;
use crate::host::Request;
use crate::plan::Plan;

/// By dnf or apt-get. With `SYSTEMD_OFFLINE` systemctl starts, stops and restarts nothing for maintainer scripts, and nothing of that outlives this
/// shell (a policy-rc.d would, where it is killed). Configuration files that are there stay.
const INSTALL: &str = r#"
export DEBIAN_FRONTEND=noninteractive
if command -v dnf >/dev/null; then get() {
    [ "$1" = update ] || SYSTEMD_OFFLINE=1 dnf -q -y --setopt=install_weak_deps=False "$@" 2>&1
}
elif command -v apt-get >/dev/null; then get() {
    SYSTEMD_OFFLINE=1 apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 \
        -o DPkg::Lock::Timeout=60 "$@" 2>&1
}
else
    echo "there is no apt-get or dnf here; install by hand: $*" >&2
    exit 1
fi
said=$(get install -- "$@") || said=$(get update && get install -- "$@")
status=$?
systemctl daemon-reload
[ $status = 0 ] || printf '%s\n' "$said" | tail -n 8 >&2
exit $status"#;

/// Fetching some hundred megabytes over a slow line, and unpacking them on a slow disk.
const LIMIT_MS: u64 = 1_800_000;

/// Installs what each host of the plan lacks, under its lock. Whether there was anything. A package is not taken back by
/// what fails later: it serves nobody until it is configured.
///
/// # Errors
/// The first host that did not get all of its packages, with what its tool said; the others have theirs.
pub fn install(plan: &Plan, crew: &mut Crew, id: &str, say: Say<'_>) -> Result<bool, ApplyError> {
    let with = plan.hosts.iter().filter(|(_, host)| !host.packages.is_empty());
    let names: Vec<HostName> = with.map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return Ok(false);
    }
    say(&format!("installing packages on {}", names.join(", ")));
    let answers = crew.each(&names, |name, host| {
        begin(name, host, id)?;
        let packages = plan.hosts[name].packages.iter().map(String::as_str);
        let argv: Vec<_> = ["sh", "-c", INSTALL, "install"].into_iter().chain(packages).collect();
        let answer = engine::run_within(name, host, &argv, "", LIMIT_MS);
        host.ask(&Request::Revert)?; // nothing is in the transaction but its lock
        answer
    });
    for (host, answer) in answers {
        let answer = answer?;
        if answer.status != Some(0) {
            return Err(ApplyError::Packages { host, said: answer.stderr.trim().to_owned() });
        }
    }
    Ok(true)
}

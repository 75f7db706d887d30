//! Packages that a host lacks, by the distribution's own tool, before anything else is changed.

use super::{ApplyError, Crew, Say, begin, engine};
use crate::desired::HostName;
use crate::host::Request;
use crate::plan::Plan;

/// Debian's way to install and start nothing: invoke-rc.d asks policy-rc.d, and 101 is no (its manual, "policy-rc.d"). A
/// policy of the site's own is left in its place. Configuration files that are there stay.
const INSTALL: &str = r#"
command -v apt-get >/dev/null || { echo "there is no apt-get here; install by hand: $*" >&2; exit 1; }
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy || exit
fi
export DEBIAN_FRONTEND=noninteractive
get() { apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=60 "$@" 2>&1; }
get install -- "$@" >/tmp/haoscar-apt.$$ || { get update && get install -- "$@"; } >/tmp/haoscar-apt.$$
status=$?
[ $status = 0 ] || tail -n 8 /tmp/haoscar-apt.$$ >&2
rm -f /tmp/haoscar-apt.$$
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

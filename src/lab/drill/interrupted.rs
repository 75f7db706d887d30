//! An apply that is held between its new files and its commit, for a power cut there, and what is left of it. Two files of
//! the target are edited by hand before, so that the apply has something to put back: afterwards both are edited (the old
//! files) or both are haoscar's (the new ones).

use std::time::{Duration, Instant};

use super::Ground;
use super::fault::set_drop_in;

const FILES: [&str; 2] = ["/etc/hosts", "/etc/chrony/chrony.conf"];
/// Restarted for the second file, after both are in place. The drop-in is gone with the power.
const UNIT: &str = "chrony.service";
const HOLD: &str = "[Service]\nExecStartPre=/bin/sleep 60\n";
const EDIT: &str = "# edited by haoscar's drill";
/// A loaded machine needs some seconds for the plan alone.
const REACHED_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// Edits the files, starts an apply and waits until it is in the middle.
pub(super) fn begin(ground: &dyn Ground, target: &str) -> Result<(), String> {
    let edit = "for file in \"$1\" \"$2\"; do test -s \"$file\" && echo \"$0\" >>\"$file\" && chmod u+x \"$file\" || exit 1; done";
    ground.run(target, &["sh", "-c", edit, EDIT, FILES[0], FILES[1]])?;
    set_drop_in(ground, target, UNIT, HOLD)?;
    let mut apply = ground.apply(target)?;
    let middle =
        "test -e /var/lib/haoscar/journal.json && test \"$(systemctl show -P SubState \"$0\")\" = start-pre";
    let begin = Instant::now();
    while ground.ask(target, &["sh", "-c", middle, UNIT]).is_none() {
        if let Ok(Some(status)) = apply.try_wait() {
            return Err(format!("the apply was over before it could be cut short ({status})"));
        }
        if begin.elapsed() > REACHED_WITHIN {
            let _ = apply.kill();
            let _ = apply.wait();
            return Err(format!("the apply was not in the middle within {} s", REACHED_WITHIN.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
    std::thread::spawn(move || apply.wait()); // it ends with an error when its host is gone
    Ok(())
}

/// Which files the target came back with: `old`, `new`, or `mixed`, which must not be.
pub(super) fn files(ground: &dyn Ground, target: &str) -> Option<String> {
    let count = "grep -lxF \"$0\" \"$1\" \"$2\" | wc -l";
    let edited = ground.ask(target, &["sh", "-c", count, EDIT, FILES[0], FILES[1]])?;
    let left = ground.ask(target, &["sh", "-c", "test ! -e /var/lib/haoscar/journal.json"]).is_none();
    Some(word(edited.trim(), left).to_owned())
}

fn word(edited: &str, journal_left: bool) -> &'static str {
    match (edited, journal_left) {
        ("0", false) => "new",
        ("2", false) => "old",
        _ => "mixed",
    }
}

/// A whole apply, so that the next drill meets the spec.
pub(super) fn finish(ground: &dyn Ground, target: &str) -> Result<(), String> {
    let status = ground.apply(target)?.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the apply after the drill ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn one_old_and_one_new_file_or_a_journal_that_is_left_is_neither() {
        assert_eq!((word("2", false), word("0", false)), ("old", "new"));
        assert_eq!((word("1", false), word("2", true), word("0", true)), ("mixed", "mixed", "mixed"));
    }
}

//! Keys that were added by hand on this machine: whose signature is believed before the accepted spec names keys.

use camino::Utf8Path;

use super::HostError;
use super::file::put;
use super::machine::Machine;
use super::real::Real;
use crate::desired::{Mode, Owner};

/// One public key of ssh a line.
pub(super) const TRUSTED: &str = "/etc/haoscar/trusted_keys";

/// The keys that were added by hand on this machine.
pub fn trusted() -> Vec<String> {
    read(&Real::under("/"))
}

/// Adds keys to those of this machine; answers those that are new.
///
/// # Errors
/// What the system said.
pub fn trust(keys: &[String]) -> Result<Vec<String>, HostError> {
    add(&Real::under("/"), keys)
}

fn read(machine: &dyn Machine) -> Vec<String> {
    let bytes = machine.read(Utf8Path::new(TRUSTED)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

fn add(machine: &dyn Machine, keys: &[String]) -> Result<Vec<String>, HostError> {
    let known = read(machine);
    let same = |one: &str, other: &str| bare(one) == bare(other);
    let new: Vec<_> =
        keys.iter().filter(|key| !known.iter().any(|known| same(known, key))).cloned().collect();
    if !new.is_empty() {
        let text: String = known.iter().chain(&new).map(|key| format!("{key}\n")).collect();
        put(machine, Utf8Path::new(TRUSTED), text.as_bytes(), &Owner::root(), Mode(0o644))?;
    }
    Ok(new)
}

/// Without whose it is.
fn bare(key: &str) -> Vec<&str> {
    key.split_whitespace().take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;

    #[test]
    fn a_key_is_added_once_whoever_it_is_said_to_be_of() {
        let machine = Memory::default();
        let keys = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(add(&machine, &keys(&["ssh-ed25519 AAA a"])).unwrap(), keys(&["ssh-ed25519 AAA a"]));
        let more = keys(&["ssh-ed25519 AAA b", "ssh-ed25519 BBB c"]);
        assert_eq!(add(&machine, &more).unwrap(), keys(&["ssh-ed25519 BBB c"]));
        assert_eq!(read(&machine), keys(&["ssh-ed25519 AAA a", "ssh-ed25519 BBB c"]));
    }
}

//! Public keys from files beside the spec, put in the place of the files' names.

use camino::Utf8Path;

use super::places::Places;
use crate::spec::{Cluster, Problem, Sources, nearest};

/// How the type of a key of ssh begins (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const TYPES: [&str; 3] = ["ssh-", "ecdsa-", "sk-"];

/// Replaces every file by the keys in it.
pub(super) fn expand(cluster: &mut Cluster, places: &Places, sources: &Sources) -> Vec<Problem> {
    let Some(trust) = &mut cluster.policy.trust else { return Vec::new() };
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, written) in trust.keys.iter().enumerate() {
        match read(written, sources) {
            Ok(found) => keys.extend(found),
            Err((message, hint)) => {
                let place = places.nearest(&format!("policy.trust.keys.{index}"));
                problems.push(Problem::error("policy/key", message).at(place).hint(hint));
            }
        }
    }
    trust.keys = keys;
    problems
}

type Wrong = (String, String);

fn read(written: &str, sources: &Sources) -> Result<Vec<String>, Wrong> {
    if let Some(key) = key(written) {
        return Ok(vec![key]);
    }
    let Some(bytes) = sources.get(Utf8Path::new(written)) else {
        let near = nearest(written, sources.files.keys().map(|path| path.as_str()));
        let add = || "add it: `cp ~/.ssh/id_ed25519.pub ops.pub`, or write the key itself here".to_owned();
        let hint = near.map_or_else(add, |near| format!("did you mean `{near}`?"));
        return Err((format!("{written} is not beside the spec"), hint));
    };
    let hint = "write `ssh-ed25519 AAAA… WHO`, one key a line, without options before it";
    let keys = public_keys(&String::from_utf8_lossy(bytes))
        .map_err(|bad| (format!("{written}: {bad}"), hint.to_owned()))?;
    if keys.is_empty() {
        return Err((format!("{written} has no key"), "put the public keys into it, one a line".to_owned()));
    }
    Ok(keys)
}

/// The public keys of ssh in a file that holds one a line (`id_ed25519.pub`, or several of them).
///
/// # Errors
/// The first line that is none.
pub fn public_keys(text: &str) -> Result<Vec<String>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let bad = |line: &str| {
        let short: String = line.chars().take(24).collect();
        format!("`{short}` is not a public key of ssh")
    };
    lines.map(|line| key(line).ok_or_else(|| bad(line))).collect()
}

/// A type, its bytes in base64, and whose it is.
fn key(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (kind, bytes) = (words.next()?, words.next()?);
    let base64 = bytes.len() > 40 && bytes.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let known = TYPES.iter().any(|start| kind.starts_with(start)) && base64;
    known.then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

//! What the live CIB names beside the engine's own configuration: the accepted generation, and the commit that is held.
//! Both are properties, so every member knows them, and a head that was away cannot overwrite them with what it knew.

use super::EngineError;
use super::back::{next_epoch, properties};
use super::cib::PROPERTIES;
use super::xml::Element;

/// Names the accepted generation and the spec's commit: `12 4f2c1aa`.
const GENERATION: &str = "haoscar-generation";

/// Names the commit of the followed branch that is not rolled out: `4f2c1aa… refused its gate failed`.
const HOLD: &str = "haoscar-hold";

/// A reason is one line of the CIB.
const REASON_MAX: usize = 300;

/// A commit of the followed branch that is not rolled out, until a newer one comes or a person resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its full name; [`Hold::ANY`]: whichever is the newest.
    pub commit: String,
    /// Its roll-out failed; else a person applied something else.
    pub refused: bool,
    /// Why, in one line.
    pub why: String,
}

impl Hold {
    /// Held before anybody knew what the branch has.
    pub const ANY: &str = "*";

    /// It holds this commit.
    pub fn holds(&self, commit: &str) -> bool {
        self.commit == Self::ANY || self.commit == commit
    }

    fn value(&self) -> String {
        let line = self.why.split_whitespace().collect::<Vec<_>>().join(" ");
        let why: String = line.chars().take(REASON_MAX).collect();
        format!("{} {} {why}", self.commit, if self.refused { "refused" } else { "held" })
    }

    fn of(value: &str) -> Option<Self> {
        let mut words = value.splitn(3, ' ');
        let commit = words.next().filter(|commit| !commit.is_empty())?.to_owned();
        let refused = words.next() == Some("refused");
        Some(Self { commit, refused, why: words.next().unwrap_or_default().to_owned() })
    }
}

/// The generation that a CIB names as accepted; 0: none.
pub fn generation(cib: &str) -> u64 {
    accepted(cib).0
}

/// The generation that a CIB names as accepted, 0 for none, and the spec's commit where it has one.
pub fn accepted(cib: &str) -> (u64, Option<String>) {
    let value = value(cib, GENERATION).unwrap_or_default();
    let (number, commit) = value.split_once(' ').unwrap_or_default();
    (number.parse().unwrap_or_default(), Some(commit.to_owned()).filter(|commit| commit.len() > 1))
}

/// What a CIB holds.
pub fn held(cib: &str) -> Option<Hold> {
    Hold::of(&value(cib, HOLD)?)
}

/// The current CIB with this generation as the accepted one, this hold in place of another, and the next epoch.
///
/// # Errors
/// A CIB that cannot be read, or that names one which is as high.
pub fn accept(
    current: &str,
    number: u64,
    commit: Option<&str>,
    hold: Option<&Hold>,
) -> Result<String, EngineError> {
    let known = generation(current);
    if known >= number {
        return Err(EngineError::Generation(known));
    }
    let generation = format!("{number} {}", commit.unwrap_or("-"));
    with(current, &[(GENERATION, Some(generation)), (HOLD, hold.map(Hold::value))])
}

/// The current CIB with this hold or with none, and the next epoch.
///
/// # Errors
/// A CIB that cannot be read.
pub fn hold(current: &str, hold: Option<&Hold>) -> Result<String, EngineError> {
    with(current, &[(HOLD, hold.map(Hold::value))])
}

fn value(cib: &str, property: &str) -> Option<String> {
    let cib = Element::read(cib).ok()?;
    properties(cib.child("configuration")?).get(property).map(|value| (*value).to_owned())
}

fn with(current: &str, wanted: &[(&str, Option<String>)]) -> Result<String, EngineError> {
    let mut cib = Element::read(current)?;
    next_epoch(&mut cib);
    let section = cib.child_mut("configuration").child_mut("crm_config");
    let set = section.children.iter_mut().find(|set| set.id() == PROPERTIES);
    let set = set.ok_or(EngineError::Missing(PROPERTIES))?;
    for (name, value) in wanted {
        set.children.retain(|pair| pair.get("name") != Some(name));
        let pair = |value: &String| {
            let pair = Element::new("nvpair").with("id", format!("{PROPERTIES}-{name}"));
            pair.with("name", *name).with("value", value.as_str())
        };
        set.children.extend(value.as_ref().map(pair));
    }
    Ok(cib.write())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cib() -> String {
        format!(
            r#"<cib epoch="4" num_updates="2"><configuration><crm_config><cluster_property_set id="{PROPERTIES}"><nvpair id="a" name="stonith-enabled" value="true"/></cluster_property_set></crm_config></configuration></cib>"#
        )
    }

    fn refused() -> Hold {
        Hold { commit: "4f2c1aa0".to_owned(), refused: true, why: "a <gate> failed".to_owned() }
    }

    #[test]
    fn a_generation_is_named_with_its_commit_and_a_lower_one_is_refused() {
        let named = accept(&cib(), 7, Some("4f2c1aa"), None).unwrap();
        assert_eq!((accepted(&named), held(&named)), ((7, Some("4f2c1aa".to_owned())), None));
        assert!(accept(&named, 7, None, None).is_err());
        assert_eq!(accepted(&accept(&named, 8, None, None).unwrap()), (8, None));
    }

    #[test]
    fn a_hold_is_read_as_it_was_set_and_goes_with_the_next_generation_or_a_release() {
        let held_now = hold(&cib(), Some(&refused())).unwrap();
        assert_eq!(held(&held_now), Some(refused()));
        assert_eq!(held(&hold(&held_now, None).unwrap()), None);
        assert_eq!(held(&accept(&held_now, 1, None, None).unwrap()), None);
        let by_hand = Hold { refused: false, why: String::new(), ..refused() };
        assert_eq!(held(&accept(&held_now, 1, None, Some(&by_hand)).unwrap()), Some(by_hand));
    }

    #[test]
    fn a_hold_of_any_commit_holds_each_and_another_its_own_only() {
        assert!(refused().holds("4f2c1aa0") && !refused().holds("0123456"));
        assert!(Hold { commit: Hold::ANY.to_owned(), ..refused() }.holds("0123456"));
    }

    #[test]
    fn a_reason_of_many_lines_becomes_one() {
        let long = Hold { why: format!("one\n  two {}", "x".repeat(1_000)), ..refused() };
        let kept = held(&hold(&cib(), Some(&long)).unwrap()).unwrap();
        assert!(kept.why.starts_with("one two x") && kept.why.chars().count() == REASON_MAX);
    }
}

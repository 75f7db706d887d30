//! Every code that a problem can carry: what it means, why it is refused, how it is mended. `haoscar explain CODE`
//! prints this table; a test holds a rejected spec against every row.

mod rules;
mod services;
mod shape;

/// What `haoscar explain` says about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `area/rule`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// Why that is refused, or said.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
    /// A few lines of a spec that are right.
    pub example: &'static str,
    /// Whether `waive` may turn it into a note.
    pub waivable: bool,
}

/// Every code, in order of area.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    shape::SHAPE.iter().chain(rules::RULES).chain(services::SERVICES)
}

/// One code.
pub fn code(name: &str) -> Option<&'static Code> {
    codes().find(|code| code.code == name)
}

const fn shape(
    code: &'static str,
    title: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Code {
    Code { code, title, why, mend, example, waivable: false }
}

const fn rule(
    code: &'static str,
    title: &'static str,
    why: &'static str,
    mend: &'static str,
    example: &'static str,
) -> Code {
    Code { code, title, why, mend, example, waivable: true }
}

//! Rules across fields.

use super::{Loaded, Problem};

/// Every rule.
pub fn lint(_loaded: &Loaded) -> Vec<Problem> {
    Vec::new()
}

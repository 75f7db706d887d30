//! No bytes make the loader or the lints panic, and every place lies in the file. Seeds: `tests/rejects`, `specs`.
#![no_main]

use haoscar::spec::{Problem, Sources, lint, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let found = match load(&Sources::of_text("cluster.yaml", bytes)) {
        Ok(loaded) => lint(&loaded),
        Err(found) => {
            assert!(!found.is_empty());
            found
        }
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    found.iter().for_each(|problem| check(problem, text));
});

fn check(problem: &Problem, text: &str) {
    assert!(haoscar::spec::code(&problem.code).is_some(), "{} has no page", problem.code);
    for place in &problem.places {
        assert!(place.line >= 1 && place.column >= 1);
        assert!(text.is_empty() || text.get(place.bytes.clone()).is_some());
    }
}

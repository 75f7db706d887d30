//! Every file of specs and of tests/accepts is valid.

use super::{folder, haoscar, specs_of};

#[test]
fn every_reference_spec_and_every_accepted_one_is_valid() {
    for path in specs_of("specs").into_iter().chain(specs_of("tests/accepts")) {
        let (said, status) = haoscar(&folder("."), &["validate", path.to_str().unwrap()]);
        assert_eq!(status, Some(0), "{}:\n{said}", path.display());
    }
}

//! Every file of tests/rejects is refused with exactly the text beside it. `HAOSCAR_BLESS=1` writes the texts.

use super::{folder, haoscar, specs_of};

#[test]
fn every_reject_says_exactly_what_stands_beside_it() {
    let bless = std::env::var_os("HAOSCAR_BLESS").is_some();
    let mut wrong = Vec::new();
    for file in specs_of("tests/rejects") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (said, status) = haoscar(&folder("tests/rejects"), &["validate", name]);
        if status != Some(65) {
            wrong.push(format!("{name}: exit {status:?}, not 65\n{said}"));
            continue;
        }
        let expected = file.with_extension("txt");
        if bless {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{name} says something else than {}:\n{said}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nHAOSCAR_BLESS=1 accepts what is said now", wrong.join("\n"));
}

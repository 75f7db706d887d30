//! Every file of tests/rejects is refused with exactly the text beside it, and every one of tests/accepts is accepted
//! with exactly the notes beside it. `HAOSCAR_BLESS=1` writes the texts.

use super::{folder, haoscar, specs_of};

/// Codes that no file here can show: too large for git, no file at all, of templates, or of hosts.
const SHOWN_ELSEWHERE: [&str; 9] = [
    "agent/not-installed",
    "file/front-matter",
    "file/nobody",
    "file/place",
    "spec/missing-file",
    "spec/too-large",
    "template/parse",
    "template/render",
    "template/unknown",
];

#[test]
fn every_reject_says_exactly_what_stands_beside_it() {
    compare("tests/rejects", 65);
}

#[test]
fn every_accepted_spec_says_exactly_the_notes_beside_it() {
    compare("tests/accepts", 0);
}

fn compare(name: &str, expected_status: i32) {
    let bless = std::env::var_os("HAOSCAR_BLESS").is_some();
    let mut wrong = Vec::new();
    for file in specs_of(name) {
        let name_of_file = file.file_name().unwrap().to_str().unwrap();
        let (said, status) = haoscar(&folder(name), &["validate", name_of_file]);
        if status != Some(expected_status) {
            wrong.push(format!("{name_of_file}: exit {status:?}, not {expected_status}\n{said}"));
            continue;
        }
        let expected = file.with_extension("txt");
        if bless {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{name_of_file} says something else than {}:\n{said}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nHAOSCAR_BLESS=1 accepts what is said now", wrong.join("\n"));
}

#[test]
fn at_least_sixty_specs_are_rejected() {
    assert!(specs_of("tests/rejects").len() >= 60);
}

#[test]
fn every_code_has_a_spec_that_shows_it_and_every_shown_code_has_a_page() {
    let files = specs_of("tests/rejects").into_iter().chain(specs_of("tests/accepts"));
    let said: String = files.map(|f| std::fs::read_to_string(f.with_extension("txt")).unwrap()).collect();
    for code in haoscar::spec::codes() {
        let shown = said.contains(&format!("[{}]", code.code)) || SHOWN_ELSEWHERE.contains(&code.code);
        assert!(shown, "no file of tests/rejects or tests/accepts shows {}", code.code);
    }
    for line in said.lines().filter(|line| line.starts_with("error[") || line.starts_with("note[")) {
        let code = line.split(['[', ']']).nth(1).unwrap();
        assert!(haoscar::spec::code(code).is_some(), "`haoscar explain {code}` has no page");
    }
}

#[test]
fn the_books_page_names_every_reference_spec() {
    let page = std::fs::read_to_string(folder("docs/book/spec.md")).unwrap();
    for path in specs_of("specs") {
        let name = format!("`specs/{}`", path.file_name().unwrap().to_str().unwrap());
        assert!(page.contains(&name), "docs/book/spec.md does not name {name}");
    }
}

//! Sessions of the command line, each a file beside this one, run as written. `TRYCMD=overwrite` writes what is said now.

mod init;
mod site;

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn every_session_goes_as_written() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cli/*.trycmd");
}

fn haoscar(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haoscar"));
    command.args(arguments);
    command
}

/// Exit status and all that it says, standard output first, when it runs in that folder and nobody is there.
fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        haoscar(arguments).env("NO_COLOR", "1").current_dir(folder).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn man_pages_and_the_schema_are_written_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(haoscar(&["generate", "man", &path("man/man1")]).status().unwrap().success());
    let page = std::fs::read_to_string(path("man/man1/haoscar-validate.1")).unwrap();
    assert!(page.contains("Exit status: 0 valid"), "the examples are part of the page");
    assert!(haoscar(&["generate", "schema", "-o", &path("deep/schema.json")]).status().unwrap().success());
    let written = std::fs::read(path("deep/schema.json")).unwrap();
    assert_eq!(written, haoscar(&["generate", "schema"]).output().unwrap().stdout);
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = haoscar(&["generate", "completions", shell]).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 1_000, "{shell}");
    }
}

#[test]
fn a_spec_can_come_from_standard_input() {
    let spec = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/minimal.yaml")).unwrap();
    let output = haoscar(&["validate", "-"]).stdin(spec).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "ok: cluster tiny: 1 head, 0 witnesses, 0 nodes, 2 services\n"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child =
        haoscar(&["generate", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}

//! Sessions of the command line, each a file beside this one, run as written. `TRYCMD=overwrite` writes what is said now.

#[test]
fn every_session_goes_as_written() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cli/*.trycmd");
}

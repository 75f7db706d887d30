//! A doorway: parse, run, exit code.

use std::process::ExitCode;

/// Specs are millions of small texts: the C library's allocator takes as long as all the rest (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    haoscar::cli::main()
}

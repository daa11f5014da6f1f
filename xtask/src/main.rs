//! `cargo xtask`: the development commands. The commands that link the product are in another program,
//! which is built and started when one of them is asked for.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::run(xtask::dispatch)
}

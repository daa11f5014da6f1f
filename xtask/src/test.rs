//! `test`: runs everything that can be tested here, and says what could not.

use anyhow::Result;

use crate::{
    engine::{self, Answer},
    process, product, shells,
    workspace::Workspace,
};

/// Runs all tests; those on a real engine when one answers.
pub(crate) fn run(workspace: &Workspace, require_engine: bool) -> Result<()> {
    if require_engine {
        // Before minutes of other tests.
        engine::require()?;
    }
    shells::ensure()?;
    without_engine(workspace)?;
    let real_engine = match engine::ask()? {
        Answer::Engine(engine) => {
            product::run(workspace, &["e2e"])?;
            format!("real engine ({engine}): ran")
        }
        Answer::Silence(silence) if require_engine => return Err(silence.into_error()),
        Answer::Silence(silence) => format!(
            "real engine: NOT run, no engine answers at {} (cargo xtask engine up provides one)",
            silence.address()
        ),
    };
    println!();
    println!("unit, integration and documentation tests: ran");
    println!("{real_engine}");
    Ok(())
}

/// Runs the tests that need no engine.
pub(crate) fn without_engine(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(["test", "--workspace", "--all-features", "--locked"]))
}

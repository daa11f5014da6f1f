//! `test`: everything that can be tested here, and a plain word about what could not.

use anyhow::Result;

use crate::{
    e2e,
    engine::{self, Answer},
    process, shells,
    workspace::Workspace,
};

/// Runs all tests; those on a real engine when one answers.
pub(crate) async fn run(workspace: &Workspace, require_engine: bool) -> Result<()> {
    if require_engine {
        // Before minutes of other tests.
        engine::require().await?;
    }
    shells::ensure().await?;
    process::run(&mut workspace.cargo(["test", "--workspace", "--all-features"])).await?;
    let real_engine = match engine::ask().await? {
        Answer::Engine(_) => {
            let engine = e2e::run(workspace, None).await?;
            format!("real engine ({engine}): ran")
        }
        Answer::Silence(silence) if require_engine => return Err(silence.into_error()),
        Answer::Silence(silence) => format!(
            "real engine: NOT run, no engine answers at {} (cargo xtask engine up provides one)",
            silence.docker.endpoint()
        ),
    };
    println!();
    println!("unit, integration and documentation tests: ran");
    println!("{real_engine}");
    Ok(())
}

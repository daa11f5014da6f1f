//! The shells that tests run the executor's shell text in.

use anyhow::Result;

use crate::{apt, failure::failure, process};

/// Programs and the Debian packages that have them.
const SHELLS: [(&str, &str); 3] =
    [("dash", "dash"), ("bash", "bash"), ("busybox", "busybox-static")];

/// Makes sure that they are there. Debian's packages are installed as root; elsewhere the user is told
/// what is missing.
pub(crate) fn ensure() -> Result<()> {
    for (program, package) in SHELLS {
        if process::find(program).is_some() {
            continue;
        }
        let is_root = rustix::process::geteuid().is_root();
        if !is_root || process::find("apt-get").is_none() {
            return Err(failure(
                format!("there is no {program}, in which the executor's shell text is tested"),
                format!("install {program}; on Debian it is in the package {package}"),
            ));
        }
        eprintln!("installing {package}, in which the executor's shell text is tested");
        apt::with_lists(|| apt::install(package))?;
    }
    Ok(())
}

//! The shell that a container runs: scripts are fed to it one after another, which costs neither a
//! container nor a request a step, and leaves no trace of a script on the engine.
//!
//! # Protocol
//! The container's program reads steps from its standard input. For each, the client writes a line
//! `MARK SIZE`, then the script, SIZE bytes, and then a line break and `MARK` on a line. The shell
//! answers on both of its outputs with `MARK+` before the script's own output and `MARK-CODE.` after
//! it, CODE being the script's exit code. A mark is 128 random bits that the client draws anew for
//! each step, so that no output can be taken for one. The outputs' own bytes are never changed.
//!
//! - The script runs in a subshell that reads nothing, so that it cannot eat what comes after it; its
//!   variables and its current folder go with it.
//! - A script that did not arrive whole is not run: its last line is the mark.
//! - Asking the container to stop does not end the shell, only what it runs: an after-script can
//!   follow.
//! - At the end of its input, which is also the end of its client, the shell ends; a script that runs
//!   then is killed after a second.
//!
//! `cargo xtask bench job` has it beside programs of their own in the container (exec): there four
//! steps cost 184 ms and 8 requests more.

mod mark;
mod program;
mod scan;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use mark::Mark;
pub(crate) use program::{Prelude, arguments, is_shell_name, quoted, script_of};
pub(crate) use scan::{Scanned, Scanner};
pub(crate) use session::{BEGIN_LIMIT, Ended, Feed, Session};

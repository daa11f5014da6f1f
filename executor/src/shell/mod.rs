//! The supervisor that a container runs: scripts are fed to it one after another, which costs neither a
//! container nor a request a step, and leaves no trace of a script on the engine.
//!
//! # Protocol
//! The supervisor writes the container's name and `+` to both of its outputs when it is ready; nothing
//! is sent before, so that no other program ever gets a script. Then it reads steps from its standard
//! input. For each, the client writes a line `MARK SIZE`, then SIZE bytes of text that says what to run,
//! and then a line break and `MARK` on a line. The supervisor answers on both of its outputs with
//! `MARK+` before the script's own output and `MARK-CODE.` after it, CODE being the script's exit code.
//! A mark is 128 random bits that the client draws for each step, so that no output can be taken for
//! one. The outputs' own bytes are never changed.
//!
//! - Each script runs in a shell process of its own, in a session of its own where the image has
//!   `setsid`. It has an empty standard input and shares nothing with the supervisor.
//! - A script that did not arrive whole is not run: its last line is the mark.
//! - Asking the container to stop does not end the supervisor, only what it runs: an after-script can
//!   follow.
//! - At the end of its input, which is also the end of its client, the supervisor ends; a script that
//!   runs then is killed after a second.
//!
//! `cargo xtask bench job` compares it with programs of their own in the container (exec): there four
//! steps cost 184 ms and 8 requests more.

mod entrypoint;
mod mark;
mod scan;
mod script;
mod session;
mod supervisor;
#[cfg(test)]
mod tests;

pub(crate) use entrypoint::{normalized, program, shell_line};
pub(crate) use mark::Mark;
pub(crate) use scan::{Scanned, Scanner};
pub(crate) use script::{
    OWN_PREFIX, StepVariables, internal, is_for_steps_only, is_shell_name, quote, script_of,
};
pub(crate) use session::{BEGIN_LIMIT, Ended, Feed, Greeting, Session};

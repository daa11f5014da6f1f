//! One step: its run, how it is stopped, how its end is classified, and whether its container still runs.

mod exit;
mod exit_rules;
mod liveness;
mod run;
mod stop;

pub(super) use liveness::poll_exit;

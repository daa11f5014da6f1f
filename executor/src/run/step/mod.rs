//! One step: its run, how it is stopped, what its end means, and the question whether it goes on.

mod exit;
mod liveness;
mod run;
mod stop;
mod verdict;

pub(crate) use self::{
    liveness::pulse,
    run::{Runner, run},
};

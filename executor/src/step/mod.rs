//! One step: its run, how it is stopped, what its end means, and the question whether it goes on.

mod meaning;
mod pulse;
mod run;
mod stop;
mod verdict;

pub(crate) use self::{
    pulse::pulse,
    run::{Runner, run},
};

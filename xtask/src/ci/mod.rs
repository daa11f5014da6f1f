//! `ci`: everything that a change must pass, in the order of what fails soonest.

mod audit;
mod features;
mod report;
mod steps;
mod toolchain;

pub(crate) use steps::{Selection, run};

//! `soak`: many jobs with faults, and what is left of them.

mod dice;
mod report;
mod run;

pub(crate) use run::soak;

//! Measurements, each against a baseline in the same run.

mod bare;
mod exec;
mod floor;
mod mask;
mod gitlab;
mod job;
mod statistics;
mod target;
mod volumes;

pub(crate) use floor::floor;
pub(crate) use mask::mask;
pub(crate) use job::job;
pub(crate) use volumes::volumes;

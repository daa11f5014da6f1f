//! Measurements, each against a baseline in the same run.

mod bare;
mod exec;
mod floor;
mod frames;
mod gitlab;
mod job;
mod log;
mod many;
mod mask;
mod memory;
mod release;
mod served;
mod statistics;
mod target;
mod text;
mod volumes;
mod witness;

pub(crate) use floor::floor;
pub(crate) use job::job;
pub(crate) use log::log;
pub(crate) use many::many;
pub(crate) use mask::mask;
pub(crate) use volumes::volumes;

//! Measurements, each against a baseline in the same run.

mod bare;
mod floor;
mod mask;
mod statistics;
mod volumes;

pub(crate) use floor::floor;
pub(crate) use mask::mask;
pub(crate) use volumes::volumes;

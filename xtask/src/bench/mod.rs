//! Measurements, each against a baseline in the same run.

mod bare;
mod floor;
mod statistics;

pub(crate) use floor::floor;

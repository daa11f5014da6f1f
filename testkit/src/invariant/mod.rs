//! What must be true after a fault, whatever it was.

mod baseline;
mod delivered;
mod difference;
#[cfg(test)]
mod tests;

pub use baseline::Baseline;
pub use delivered::Delivered;
pub use difference::Difference;

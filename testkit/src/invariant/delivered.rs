//! A log against what was written to it.

use super::difference::Difference;

/// What came of a log, and what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// What came.
    pub came: &'a [u8],
    /// All that was written.
    pub whole: &'a [u8],
    /// Whether its end says that it is complete, and what wrote it came to its end.
    pub is_complete: bool,
}

impl Delivered<'_> {
    /// Whether it is not what every log must be: a true beginning, and all of it when it says so.
    pub fn broken(&self) -> Option<Difference> {
        let (came, whole) = (self.came.len(), self.whole.len());
        let agrees = self.came.iter().zip(self.whole).take_while(|(one, other)| one == other);
        let agrees = agrees.count();
        let is_true = agrees == came && (came == whole || !self.is_complete);
        (!is_true).then_some(Difference::Log { agrees, came, whole })
    }
}

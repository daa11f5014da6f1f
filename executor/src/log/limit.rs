//! How much of a log is delivered.

use bytes::Bytes;

/// A limit, in bytes, for all streams of a log together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogLimit {
    /// What is left; nothing means that there is no limit.
    left: Option<u64>,
    reached: bool,
}

impl LogLimit {
    /// So many bytes, or any number.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { left: limit, reached: false }
    }

    /// Returns as much of the piece as may be delivered, without a copy, and whether anything was
    /// ever kept back. A log that is exactly as long as its limit is complete. Once something was
    /// kept back, nothing passes.
    #[must_use = "what is not delivered is lost"]
    pub(crate) fn take(&mut self, piece: Bytes) -> (Bytes, bool) {
        let Some(left) = &mut self.left else {
            return (piece, false);
        };
        let length = piece.len() as u64;
        if length <= *left {
            *left -= length;
            return (piece, self.reached);
        }
        self.reached = true;
        // Less than the piece's length, which fits.
        let passed = usize::try_from(*left).unwrap_or(usize::MAX);
        *left = 0;
        (piece.slice(..passed), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(limit: &mut LogLimit, text: &'static str) -> (String, bool) {
        let (piece, reached) = limit.take(Bytes::from_static(text.as_bytes()));
        (String::from_utf8(piece.to_vec()).unwrap(), reached)
    }

    #[test]
    fn passes_the_beginning_and_then_nothing() {
        let mut limit = LogLimit::new(Some(5));
        assert_eq!(take(&mut limit, "abc"), ("abc".to_owned(), false));
        assert_eq!(take(&mut limit, "def"), ("de".to_owned(), true));
        assert_eq!(take(&mut limit, "g"), (String::new(), true));
        assert_eq!(take(&mut limit, ""), (String::new(), true));
    }

    #[test]
    fn a_log_as_long_as_its_limit_is_complete() {
        let mut limit = LogLimit::new(Some(3));
        assert_eq!(take(&mut limit, "abc"), ("abc".to_owned(), false));
        assert_eq!(take(&mut limit, ""), (String::new(), false));
        assert_eq!(take(&mut limit, "d"), (String::new(), true));
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_pass() {
        assert_eq!(take(&mut LogLimit::new(Some(0)), "a"), (String::new(), true));
    }

    #[test]
    fn without_a_limit_everything_passes_as_it_is() {
        let piece = Bytes::from_static(b"abc");
        let (passed, reached) = LogLimit::new(None).take(piece.clone());
        assert_eq!(passed.as_ptr(), piece.as_ptr());
        assert!(!reached);
    }
}

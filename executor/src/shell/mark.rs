//! Marks: what tells the shell's own words from a script's output.

use crate::random;

/// A mark of one step: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// A mark that nobody can guess, drawn by the operating system.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub(crate) fn draw() -> Self {
        Self(random::draw())
    }

    /// The mark of these bytes.
    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(random::digits(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The mark by which the supervisor of the container `name` says that it is ready.
    pub(crate) fn of_container(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// What is written to the supervisor's standard input so that it evaluates `text`.
    pub(crate) fn frame(&self, text: &str) -> String {
        let mark = &self.0;
        // By its first and last line the supervisor knows that all of it arrived.
        let size = text.len() + 2 * (mark.len() + 2);
        format!("{mark} {size}\n#{mark}\n{text}\n#{mark}\n{mark}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_marks_differ() {
        assert_ne!(Mark::draw(), Mark::draw());
    }

    #[test]
    fn a_frame_tells_its_size_in_bytes() {
        let mark = Mark::from_bytes([0xab; 16]);
        let frame = mark.frame("echo ä");
        let (head, rest) = frame.split_once('\n').unwrap();
        let size: usize = head.split_once(' ').unwrap().1.parse().unwrap();
        assert_eq!(&rest[..size], format!("#{0}\necho ä\n#{0}", mark.as_str()));
        assert_eq!(&rest[size..], format!("\n{}\n", mark.as_str()));
    }
}

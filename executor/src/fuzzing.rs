//! Entrances to what is not public, for the fuzz targets alone; compiled with `--cfg fuzzing` and for
//! tests.

use bytes::Bytes;

use crate::shell::{Mark, Scanned, Scanner};

/// What a scanner found in a whole output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The output without its marks.
    pub output: Vec<u8>,
    /// The marks, each by its place in the output: nothing for a beginning, the exit code for an end.
    pub marks: Vec<(usize, Option<i64>)>,
}

/// An output with marks in it.
#[derive(Debug)]
pub struct Marked {
    mark: Mark,
    text: Vec<u8>,
}

impl Marked {
    /// A mark, drawn anew, and `text` with it in place of each `0xfe`; a `0xfd` becomes as many of its
    /// first digits as the byte that follows says.
    pub fn new(text: &[u8]) -> Self {
        let mark = Mark::draw();
        let digits = mark.as_str().as_bytes();
        let mut marked = Vec::with_capacity(text.len());
        let mut rest = text.iter();
        while let Some(byte) = rest.next() {
            match byte {
                0xfe => marked.extend_from_slice(digits),
                0xfd => {
                    let length = rest.next().copied().unwrap_or_default();
                    marked.extend_from_slice(&digits[..usize::from(length) % digits.len()]);
                }
                other => marked.push(*other),
            }
        }
        Self { text: marked, mark }
    }

    /// The output, marks and all.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What is found in these pieces, one after the other.
    pub fn scan(&self, pieces: &[&[u8]]) -> Found {
        let mut scanner = Scanner::new(&self.mark);
        let mut found = Found::default();
        for piece in pieces {
            for scanned in scanner.push(Bytes::copy_from_slice(piece)) {
                match scanned {
                    Scanned::Output(bytes) => found.output.extend_from_slice(&bytes),
                    Scanned::Begun => found.marks.push((found.output.len(), None)),
                    Scanned::Ended(code) => found.marks.push((found.output.len(), Some(code))),
                }
            }
        }
        found.output.extend_from_slice(&scanner.rest());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_put_in_and_found_wherever_the_output_is_cut() {
        let marked = Marked::new(b"a\xfe+b\xfd\x05c\xfe-7.d");
        let expected = [(1, None), (8, Some(7))];
        for cut in 0..=marked.text().len() {
            let (one, other) = marked.text().split_at(cut);
            let found = marked.scan(&[one, other]);
            assert_eq!(found.marks, expected, "at {cut}");
            assert!(found.output.starts_with(b"ab") && found.output.ends_with(b"cd"), "at {cut}");
        }
    }
}

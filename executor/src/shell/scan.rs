//! Finds a step's marks in the outputs. Pure.

use bytes::{Bytes, BytesMut};
use docker_api_trait::LogSource;

use super::Mark;

/// The most digits that an exit code has, with a sign.
const LONGEST_CODE: usize = 12;

/// What was found in a piece of output, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Output.
    Output(Bytes),
    /// The step's output begins on this stream.
    Begun,
    /// The step's output ends on this stream, with the exit code.
    Ended(i64),
}

/// Finds the marks of one step in one stream. What may be the beginning of a mark is held back until
/// more comes: a mark is written in one piece, and its digits are random, so that this is nearly
/// always nothing.
#[derive(Debug)]
pub(crate) struct Scanner {
    mark: Vec<u8>,
    held: BytesMut,
    begun: bool,
    ended: bool,
}

impl Scanner {
    pub(crate) fn new(mark: &Mark) -> Self {
        let mark = mark.as_str().as_bytes().to_vec();
        Self { mark, held: BytesMut::new(), begun: false, ended: false }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Looks through the next piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> Vec<Scanned> {
        let mut rest = if self.held.is_empty() {
            piece
        } else {
            self.held.extend_from_slice(&piece);
            self.held.split().freeze()
        };
        let mut found = Vec::with_capacity(1);
        loop {
            match next(&self.mark, &rest) {
                Next::Mark { at, length, scanned } => {
                    output(&mut found, rest.split_to(at));
                    let _ = rest.split_to(length);
                    match scanned {
                        Scanned::Begun => self.begun = true,
                        _ => self.ended = true,
                    }
                    found.push(scanned);
                }
                Next::Perhaps { at } => {
                    output(&mut found, rest.split_to(at));
                    self.held.extend_from_slice(&rest);
                    return found;
                }
                Next::Nothing => {
                    output(&mut found, rest);
                    return found;
                }
            }
        }
    }

    /// What was held back, when nothing more comes.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

fn output(found: &mut Vec<Scanned>, bytes: Bytes) {
    if !bytes.is_empty() {
        found.push(Scanned::Output(bytes));
    }
}

enum Next {
    /// A mark at this place, this long.
    Mark { at: usize, length: usize, scanned: Scanned },
    /// From this place on it may become a mark.
    Perhaps { at: usize },
    /// No mark, and no beginning of one.
    Nothing,
}

fn next(mark: &[u8], bytes: &[u8]) -> Next {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], mark) {
        let at = from + found;
        let after = &bytes[at + mark.len()..];
        match tail(after) {
            Tail::Is { length, scanned } => {
                return Next::Mark { at, length: mark.len() + length, scanned };
            }
            Tail::Unfinished => return Next::Perhaps { at },
            Tail::IsNot => from = at + 1,
        }
    }
    // A beginning of the mark at the very end.
    let window = bytes.len().saturating_sub(mark.len() - 1).max(from);
    let begins = |at: &usize| mark.starts_with(&bytes[*at..]);
    match (window..bytes.len()).find(begins) {
        Some(at) => Next::Perhaps { at },
        None => Next::Nothing,
    }
}

enum Tail {
    Is { length: usize, scanned: Scanned },
    Unfinished,
    IsNot,
}

/// What stands after a mark: `+`, or `-`, the exit code and a point.
fn tail(after: &[u8]) -> Tail {
    match after {
        [] => Tail::Unfinished,
        [b'+', ..] => Tail::Is { length: 1, scanned: Scanned::Begun },
        [b'-', code @ ..] => match code.iter().take(LONGEST_CODE).position(|byte| *byte == b'.') {
            Some(point) => {
                let code = std::str::from_utf8(&code[..point]).ok();
                code.and_then(|code| code.parse().ok()).map_or(Tail::IsNot, |code| Tail::Is {
                    length: point + 2,
                    scanned: Scanned::Ended(code),
                })
            }
            None if code.len() < LONGEST_CODE => Tail::Unfinished,
            None => Tail::IsNot,
        },
        _ => Tail::IsNot,
    }
}

/// One of a thing for each of the two streams.
#[derive(Debug)]
pub(crate) struct Both<T> {
    pub(crate) stdout: T,
    pub(crate) stderr: T,
}

impl<T> Both<T> {
    pub(crate) fn of(&mut self, source: LogSource) -> &mut T {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark() -> Mark {
        Mark::from_bytes(*b"0123456789abcdef")
    }

    fn scan(pieces: &[&[u8]]) -> (Vec<u8>, bool, Option<i64>) {
        let mut scanner = Scanner::new(&mark());
        let (mut bytes, mut begun, mut code) = (Vec::new(), false, None);
        for piece in pieces {
            for scanned in scanner.push(Bytes::copy_from_slice(piece)) {
                match scanned {
                    Scanned::Output(output) => bytes.extend_from_slice(&output),
                    Scanned::Begun => begun = true,
                    Scanned::Ended(exit) => code = Some(exit),
                }
            }
        }
        bytes.extend_from_slice(&scanner.rest());
        (bytes, begun, code)
    }

    #[test]
    fn marks_are_found_at_every_cut() {
        let mark = mark();
        let text = format!("before{0}+out\n{0} no mark{0}-3.after", mark.as_str());
        let expected = format!("beforeout\n{} no markafter", mark.as_str()).into_bytes();
        for cut in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(cut);
            assert_eq!(scan(&[one, other]), (expected.clone(), true, Some(3)), "at {cut}");
        }
        let single: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(scan(&single), (expected, true, Some(3)));
    }

    #[test]
    fn what_is_no_mark_passes_unchanged() {
        let mark = mark();
        for tail in ["", "-", "-x.", "-12", "-1234567890123456.", "*", "+"] {
            let text = format!("{}{tail}", &mark.as_str()[..31]);
            assert_eq!(scan(&[text.as_bytes()]).0, text.as_bytes());
        }
        for tail in ["", "-", "-x.", "-12", "-1234567890123456.", "*"] {
            let text = format!("{}{tail}", mark.as_str());
            assert_eq!(scan(&[text.as_bytes()]), (text.clone().into_bytes(), false, None));
        }
    }

    #[test]
    fn a_piece_without_a_mark_is_not_copied() {
        let piece = Bytes::from(vec![b'x'; 1000]);
        let found = Scanner::new(&mark()).push(piece.clone());
        let [Scanned::Output(output)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(output.as_ptr(), piece.as_ptr());
    }

    proptest! {
        #[test]
        fn any_output_cut_anywhere_is_delivered_whole(
            pieces in proptest::collection::vec("[0-9a-f+.-]{0,40}", 0..8),
        ) {
            let whole = pieces.concat();
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            prop_assert_eq!(scan(&pieces).0, whole.into_bytes());
        }
    }
}

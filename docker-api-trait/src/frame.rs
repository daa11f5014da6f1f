//! The frames in which an engine sends both outputs of a program over one connection: eight bytes that
//! say whose it is and how long, and so much output. Pure.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{LogChunk, LogSource};

const HEADER: usize = 8;
/// Of what the engine says of itself in the stream, no more is kept.
const LONGEST_MESSAGE: usize = 64 << 10;

/// Takes frames apart as their bytes come. A frame is not waited for: what has come of it is handed on, so
/// that no length that a header claims is ever held.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// What the frame is, once its header has come.
    kind: Option<Kind>,
    /// How much of it is still to come.
    left: usize,
    /// What the engine says, as far as it has come.
    message: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Output(LogSource),
    /// An error of the engine's own, which ends the stream.
    Message,
}

/// Why a stream of frames cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// A frame begins with a number that none begins with.
    Unknown(u8),
    /// The engine says that it could not go on; its words, as far as anybody reads them.
    Reported(String),
}

impl Frames {
    /// Takes the next piece of output off the front of `bytes`. Nothing comes when more bytes are needed;
    /// all of `bytes` but the beginning of a header has been taken then.
    ///
    /// # Errors
    /// [`FrameError`]; nothing that comes after it means anything.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<LogChunk>, FrameError> {
        loop {
            let Some(kind) = self.kind else {
                // What is no frame is told at once, not when eight bytes have come.
                if let Some(unknown) = bytes.first().filter(|first| **first > 3) {
                    return Err(FrameError::Unknown(*unknown));
                }
                if bytes.len() < HEADER {
                    return Ok(None);
                }
                let first = bytes[0];
                bytes.advance(4);
                self.left = usize::try_from(bytes.get_u32()).unwrap_or(usize::MAX);
                self.kind = Some(match first {
                    2 => Kind::Output(LogSource::Stderr),
                    3 => Kind::Message,
                    // 0 is the standard input, which comes back from a terminal.
                    _ => Kind::Output(LogSource::Stdout),
                });
                continue;
            };
            if self.left == 0 {
                self.kind = None;
                if let Kind::Message = kind {
                    let words = String::from_utf8_lossy(&self.message).trim().to_owned();
                    return Err(FrameError::Reported(words));
                }
                continue;
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let piece = self.take(bytes);
            match kind {
                Kind::Output(source) => return Ok(Some(LogChunk { source, bytes: piece })),
                Kind::Message => {
                    let room = LONGEST_MESSAGE - self.message.len();
                    self.message.extend_from_slice(&piece[..piece.len().min(room)]);
                }
            }
        }
    }

    /// Whether the stream may end here: no frame has begun that is not whole, given what is left of the
    /// bytes.
    pub(crate) fn may_end(&self, rest: &[u8]) -> bool {
        rest.is_empty() && (self.kind.is_none() || self.left == 0)
    }

    fn take(&mut self, bytes: &mut BytesMut) -> Bytes {
        let length = self.left.min(bytes.len());
        self.left -= length;
        bytes.split_to(length).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::Taken;

    fn frame(kind: u8, length: u32, output: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, 0][..], &length.to_be_bytes(), output].concat()
    }

    /// What comes of bytes that come in these pieces: each output, and how it ended.
    fn taken(pieces: &[&[u8]]) -> (String, String, Result<bool, String>) {
        let taken = Taken::of(pieces);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&taken.stdout), text(&taken.stderr), taken.end)
    }

    #[test]
    fn both_outputs_come_however_their_frames_are_cut() {
        let all = [
            frame(1, 2, b"ab"),
            frame(2, 3, b"cde"),
            frame(1, 0, b""),
            frame(0, 1, b"f"),
            frame(1, 3, b"ghi"),
        ]
        .concat();
        let whole = ("abfghi".to_owned(), "cde".to_owned(), Ok(true));
        assert_eq!(taken(&[&all]), whole);
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(taken(&bytes), whole);
        for cut in 0..=all.len() {
            let (one, other) = all.split_at(cut);
            assert_eq!(taken(&[one, other]), whole, "at {cut}");
            // An end is a good one between two frames alone.
            let between = [0, 10, 21, 29, 38, all.len()].contains(&cut);
            assert_eq!(taken(&[one]).2, Ok(between), "at {cut}");
        }
    }

    #[test]
    fn a_length_that_is_only_claimed_is_not_held() {
        let (mut frames, mut bytes) = (Frames::default(), BytesMut::new());
        bytes.extend_from_slice(&frame(1, u32::MAX, &[b'x'; 1000]));
        let chunk = frames.next(&mut bytes).unwrap().unwrap();
        assert_eq!(chunk.bytes.len(), 1000);
        assert_eq!(frames.next(&mut bytes), Ok(None));
        assert!(bytes.is_empty() && bytes.capacity() < 10_000, "{}", bytes.capacity());
        assert!(!frames.may_end(&bytes));
    }

    #[test]
    fn what_the_engine_says_of_itself_ends_the_stream_and_is_bounded() {
        let said = [frame(1, 1, b"a"), frame(3, 8, b"no luck\n"), frame(1, 1, b"b")].concat();
        let reported = |words: &str| Err(format!("Reported({words:?})"));
        assert_eq!(taken(&[&said]), ("a".to_owned(), String::new(), reported("no luck")));
        let bytes: Vec<&[u8]> = said.chunks(1).collect();
        assert_eq!(taken(&bytes).2, reported("no luck"));
        assert_eq!(taken(&[&frame(3, 0, b"")]).2, reported(""));
        let long = vec![b'y'; 1 << 20];
        let (.., error) = taken(&[&frame(3, 1 << 20, &long)]);
        assert_eq!(error, reported(&"y".repeat(LONGEST_MESSAGE)));
    }

    #[test]
    fn what_is_no_frame_is_told_by_its_first_byte() {
        for first in [4, b'H', 255] {
            let (stdout, _, error) = taken(&[&frame(1, 1, b"a"), &[first]]);
            assert_eq!((&*stdout, error), ("a", Err(format!("Unknown({first})"))));
        }
    }
}

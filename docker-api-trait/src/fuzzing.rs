//! Entrances to what is not public, for the fuzz targets alone; compiled with `--cfg fuzzing` and for
//! tests.

use bytes::BytesMut;

use crate::{LogSource, frame::Frames};

/// What was taken out of a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Whether the stream may end where it does; else why it cannot go on, in the words of its `Debug`.
    pub end: Result<bool, String>,
}

impl Taken {
    /// Takes apart what comes in these pieces.
    ///
    /// # Panics
    /// When a piece of output is empty, or more is held than a header that is not whole.
    pub fn of(pieces: &[&[u8]]) -> Self {
        let (mut frames, mut bytes) = (Frames::default(), BytesMut::new());
        let mut taken = Self { stdout: Vec::new(), stderr: Vec::new(), end: Ok(true) };
        for piece in pieces {
            bytes.extend_from_slice(piece);
            loop {
                match frames.next(&mut bytes) {
                    Ok(None) => break,
                    Ok(Some(chunk)) => {
                        assert!(!chunk.bytes.is_empty(), "an empty piece");
                        match chunk.source {
                            LogSource::Stdout => taken.stdout.extend_from_slice(&chunk.bytes),
                            LogSource::Stderr => taken.stderr.extend_from_slice(&chunk.bytes),
                        }
                    }
                    Err(error) => {
                        taken.end = Err(format!("{error:?}"));
                        return taken;
                    }
                }
            }
            assert!(bytes.len() < 8, "{} bytes are held", bytes.len());
        }
        taken.end = Ok(frames.may_end(&bytes));
        taken
    }
}

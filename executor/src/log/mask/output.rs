//! What a piece becomes: itself, a part of it, or a new one with masks in it.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};

/// What a secret is replaced by.
const MASK: &[u8] = b"[MASKED]";

/// Puts together what is delivered, from what was held back and a new piece. Places are counted
/// from the beginning of the stream, and only grow.
pub(super) struct Output<'a> {
    /// What was held back: it ends where the piece begins.
    held: BytesMut,
    piece: &'a Bytes,
    /// Where the piece begins.
    base: u64,
    /// Up to here, everything was delivered.
    shown: u64,
    /// A part of the piece, delivered after the buffer, and without a copy when that is empty.
    part: Range<usize>,
    buffer: BytesMut,
}

impl<'a> Output<'a> {
    pub(super) fn new(held: BytesMut, piece: &'a Bytes, base: u64, shown: u64) -> Self {
        Self { held, piece, base, shown, part: 0..0, buffer: BytesMut::new() }
    }

    /// Delivers what was not yet delivered before `end`, as it is.
    pub(super) fn copy(&mut self, end: u64) {
        if end <= self.shown {
            return;
        }
        let held = self.held.len().min(length(self.shown, end));
        if held > 0 {
            self.buffer.extend_from_slice(&self.held[..held]);
            self.held.advance(held);
        }
        if end > self.base {
            let part = length(self.base, self.shown)..length(self.base, end);
            if self.part.is_empty() {
                self.part = part;
            } else {
                self.part.end = part.end;
            }
        }
        self.shown = end;
    }

    /// Delivers what is before the secret, and a mask for what was not yet delivered of it.
    pub(super) fn mask(&mut self, secret: Range<u64>) {
        self.copy(secret.start);
        if secret.end <= self.shown {
            return;
        }
        self.spill();
        self.buffer.extend_from_slice(MASK);
        let held = self.held.len().min(length(self.shown, secret.end));
        self.held.advance(held);
        self.shown = secret.end;
    }

    /// What is delivered, what is held back, and up to where everything was delivered.
    pub(super) fn end(mut self) -> (Bytes, BytesMut, u64) {
        let delivered = if self.buffer.is_empty() {
            self.piece.slice(self.part.clone())
        } else {
            self.spill();
            self.buffer.freeze()
        };
        self.held.extend_from_slice(&self.piece[length(self.base, self.shown)..]);
        (delivered, self.held, self.shown)
    }

    fn spill(&mut self) {
        if self.buffer.is_empty() {
            // As much as came, give or take a mask.
            self.buffer.reserve(self.piece.len() + MASK.len());
        }
        self.buffer.extend_from_slice(&self.piece[self.part.clone()]);
        self.part = 0..0;
    }
}

/// How many bytes from one place to another, in memory.
fn length(from: u64, to: u64) -> usize {
    // What is in memory has a length that fits.
    usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)
}

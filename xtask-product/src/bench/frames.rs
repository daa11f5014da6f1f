//! Counts what is in the engine's frames, and looks at nothing else of them. Pure.

/// A frame's head: which stream, three zeros, and the length.
const HEAD: usize = 8;

/// How many bytes came on each stream.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    /// How much of the frame's content is still to come.
    left: usize,
    /// By the engine's numbers: input, output, error output.
    counts: [u64; 3],
}

impl Frames {
    /// Of stdout and stderr.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts[1], self.counts[2])
    }

    /// Takes the next piece, wherever it is cut.
    pub(super) fn push(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(piece.len());
                self.left -= skipped;
                piece = &piece[skipped..];
                continue;
            }
            let taken = (HEAD - self.head.len()).min(piece.len());
            self.head.extend_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if let &[stream, _, _, _, a, b, c, d] = self.head.as_slice() {
                let length = u32::from_be_bytes([a, b, c, d]);
                self.left = length as usize;
                if let Some(count) = self.counts.get_mut(usize::from(stream)) {
                    *count += u64::from(length);
                }
                self.head.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_by_stream_at_every_cut() {
        let bytes = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\x01\0"
            .iter()
            .copied()
            .chain([b'x'; 256])
            .collect::<Vec<_>>();
        for cut in 0..=bytes.len() {
            let mut frames = Frames::default();
            frames.push(&bytes[..cut]);
            frames.push(&bytes[cut..]);
            assert_eq!(frames.counts(), (3, 256), "at {cut}");
        }
    }
}

//! Where a body ends, by the rules of HTTP/1.1 (RFC 9112, section 6). Pure: it is shown bytes and says
//! how many of them are the body's, its framing included.

use std::mem;

/// How a body is framed, and how much of it is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// All until the connection ends.
    UntilEnd,
}

/// Where in a chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In a line with a chunk's size; what of it has come.
    Size(Vec<u8>),
    /// In a chunk's bytes and the end of line after them; how many are to come.
    Data(u64),
    /// In the lines after the last chunk; whether the present line has anything in it.
    Trailer(bool),
    /// At the end.
    Done,
}

impl Framing {
    /// No body.
    pub(super) const NOTHING: Self = Self::Length(0);

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size(Vec::new()))
    }

    /// What these fields say; `otherwise` when they say nothing.
    pub(super) fn of(fields: &[httparse::Header<'_>], otherwise: Self) -> Self {
        let values = |name: &'static str| {
            let fields = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
            fields.filter_map(|field| std::str::from_utf8(field.value).ok()).map(str::trim)
        };
        let chunked = |value: &str| value.to_ascii_lowercase().ends_with("chunked");
        if values("transfer-encoding").any(chunked) {
            return Self::chunked();
        }
        let length = values("content-length").find_map(|value| value.parse().ok());
        length.map_or(otherwise, Self::Length)
    }

    /// Whether nothing more belongs to the body. That of one until the end never is.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// How many of `bytes`, from their beginning, belong to the body. A chunk's size that cannot be
    /// read takes all that comes: the reader on the other side shall see it.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::UntilEnd => bytes.len(),
            Self::Length(left) => take(left, bytes.len()),
            Self::Chunked(chunk) => {
                let mut used = 0;
                while used < bytes.len() {
                    match chunk {
                        Chunk::Done => break,
                        Chunk::Data(left) => {
                            used += take(left, bytes.len() - used);
                            if *left == 0 {
                                *chunk = Chunk::Size(Vec::new());
                            }
                        }
                        Chunk::Size(line) => {
                            let byte = bytes[used];
                            used += 1;
                            if byte == b'\n' {
                                *chunk = after_size(&mem::take(line));
                            } else {
                                line.push(byte);
                            }
                        }
                        Chunk::Trailer(filled) => {
                            let byte = bytes[used];
                            used += 1;
                            match byte {
                                b'\n' if *filled => *filled = false,
                                b'\n' => *chunk = Chunk::Done,
                                b'\r' => {}
                                _ => *filled = true,
                            }
                        }
                    }
                }
                used
            }
        }
    }
}

fn take(left: &mut u64, bytes: usize) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes);
    *left -= taken as u64;
    taken
}

fn after_size(line: &[u8]) -> Chunk {
    let text = String::from_utf8_lossy(line);
    let size = text.split(';').next().unwrap_or_default().trim();
    match u64::from_str_radix(size, 16) {
        Ok(0) => Chunk::Trailer(false),
        // The end of line after the bytes, too.
        Ok(size) => Chunk::Data(size.saturating_add(2)),
        Err(_) => Chunk::Data(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However `bytes` are cut, the same belong to the body.
    fn body_of(framing: &Framing, bytes: &[u8]) -> usize {
        let mut whole = framing.clone();
        let used = whole.advance(bytes);
        for piece in 1..=bytes.len() {
            let mut cut = framing.clone();
            let mut sum = 0;
            for part in bytes.chunks(piece) {
                let taken = cut.advance(part);
                sum += taken;
                if taken < part.len() {
                    break;
                }
            }
            assert_eq!((sum, &cut), (used, &whole), "pieces of {piece}");
        }
        used
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        assert_eq!(body_of(&Framing::Length(3), b"abcGET /"), 3);
        assert_eq!(body_of(&Framing::NOTHING, b"GET /"), 0);
        assert_eq!(body_of(&Framing::Length(9), b"abc"), 3);
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailer() {
        let body = b"3\r\nabc\r\na;name=value\r\n0123456789\r\n0\r\n\r\n";
        let mut bytes = body.to_vec();
        bytes.extend_from_slice(b"GET / HTTP/1.1");
        assert_eq!(body_of(&Framing::chunked(), &bytes), body.len());
        let with_trailer = b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nHTTP";
        assert_eq!(body_of(&Framing::chunked(), with_trailer), with_trailer.len() - 4);
        // A chunk may hold what looks like the end.
        let tricky = b"5\r\n0\r\n\r\n\r\n0\r\n\r\nrest";
        assert_eq!(body_of(&Framing::chunked(), tricky), tricky.len() - 4);
    }

    #[test]
    fn what_has_no_end_takes_all() {
        assert_eq!(body_of(&Framing::UntilEnd, b"anything"), 8);
        assert_eq!(body_of(&Framing::chunked(), b"zz\r\nanything"), 12);
        assert!(!Framing::UntilEnd.is_done());
    }
}

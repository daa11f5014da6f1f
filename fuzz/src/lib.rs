//! What the targets have in common: bytes taken apart into what a target needs.

/// Splits the input at its first `0xff`: what is before, and the rest.
pub fn head_and_rest(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0xff) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// Cuts `text` into pieces, whose lengths `cuts` says one after the other; the last piece is the rest.
pub fn pieces<'a>(mut text: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = text.split_at(usize::from(*cut % 32).min(text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

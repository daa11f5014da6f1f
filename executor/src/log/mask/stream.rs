//! One stream of output, from piece to piece.

use std::{collections::BTreeMap, fmt, mem, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{
    automaton::{Automaton, START, State},
    output::Output,
};

/// Masks one stream of output. Made by [`Masker::stream`](super::Masker::stream).
///
/// Holds back as little as can be: the longest end of the output that may be the beginning of
/// a secret. The time that it takes is in proportion to the bytes, in pieces of any size.
pub struct MaskStream {
    /// Nothing if there are no secrets.
    automaton: Option<Arc<Automaton>>,
    state: State,
    /// How many bytes came.
    seen: u64,
    /// How many of them were delivered, masked or not.
    shown: u64,
    /// The bytes from `shown` to `seen`.
    held: BytesMut,
    /// Where secrets begin and end that may yet be a part of something that begins earlier or ends
    /// later. The longest for each beginning.
    found: BTreeMap<u64, u64>,
}

impl MaskStream {
    pub(super) fn new(automaton: Option<Arc<Automaton>>) -> Self {
        let (held, found) = (BytesMut::new(), BTreeMap::new());
        Self { automaton, state: START, seen: 0, shown: 0, held, found }
    }

    /// Takes a piece and returns what may be delivered now: nothing, or what was held back, or the
    /// piece itself without a copy, or a part of it.
    #[must_use = "what is not delivered is lost"]
    pub fn push(&mut self, piece: &Bytes) -> Bytes {
        let Some(automaton) = self.automaton.clone() else {
            return piece.clone();
        };
        let mut output = self.output(piece);
        let base = self.seen;
        let state = automaton.walk(self.state, piece, |index, state| {
            self.seen = base + index as u64 + 1;
            for length in automaton.lengths(state) {
                // One that began there and was found before is shorter.
                self.found.insert(self.seen - length, self.seen);
            }
            self.settle(&automaton, state, &mut output)
        });
        self.seen = base + piece.len() as u64;
        self.state = self.settle(&automaton, state, &mut output);
        self.take(output)
    }

    /// Returns what is held back: nothing more came for a while, and somebody may wait for it, as
    /// for a prompt. Secrets in it that are whole are masked.
    ///
    /// A secret that began with it, and goes on with the next piece, has shown its beginning; its
    /// rest is masked.
    #[must_use = "what is not delivered is lost"]
    pub fn idle(&mut self) -> Bytes {
        let nothing = Bytes::new();
        let mut output = self.output(&nothing);
        let mut end = 0;
        for (&start, &longest) in &self.found {
            if start >= end {
                output.mask(start..longest);
                end = longest;
            }
        }
        output.copy(self.seen);
        self.take(output)
    }

    /// Returns what is held back, as nothing more will come. The stream is then as new.
    #[must_use = "what is not delivered is lost"]
    pub fn finish(&mut self) -> Bytes {
        let rest = self.idle();
        *self = Self::new(self.automaton.take());
        rest
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// How many bytes are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    fn output<'a>(&mut self, piece: &'a Bytes) -> Output<'a> {
        Output::new(mem::take(&mut self.held), piece, self.seen, self.shown)
    }

    fn take(&mut self, output: Output<'_>) -> Bytes {
        let delivered;
        (delivered, self.held, self.shown) = output.end();
        delivered
    }

    /// Delivers what no later byte can change: all that is before the longest possible beginning of
    /// a secret. Returns the state without what was masked.
    fn settle(
        &mut self,
        automaton: &Automaton,
        mut state: State,
        output: &mut Output<'_>,
    ) -> State {
        let mut open = self.seen - automaton.open(state);
        while let Some((&start, &end)) = self.found.first_key_value()
            && start < open
        {
            output.mask(start..end);
            while self.found.first_key_value().is_some_and(|(&other, _)| other < end) {
                self.found.pop_first();
            }
            // What begins inside of it is not a beginning any more.
            state = automaton.within(state, self.seen - end);
            open = self.seen - automaton.open(state);
        }
        output.copy(open);
        state
    }
}

impl fmt::Debug for MaskStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MaskStream").field("holds", &self.holds()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Masker;

    /// What the pieces become, and what comes only at the end.
    fn mask(secrets: &[&str], pieces: &[&str]) -> (Vec<String>, String) {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let mut stream = Masker::new(secrets).unwrap().stream();
        let delivered = pieces
            .iter()
            .map(|piece| text(stream.push(&Bytes::copy_from_slice(piece.as_bytes()))))
            .collect();
        let rest = text(stream.finish());
        (delivered, rest)
    }

    #[track_caller]
    fn assert_masked(secrets: &[&str], text: &str, expected: &str) {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let (delivered, rest) = mask(secrets, &pieces);
                assert_eq!(delivered.concat() + &rest, expected, "cut at {first}, {second}");
            }
        }
    }

    #[test]
    fn a_secret_is_masked_wherever_it_is_and_however_it_is_cut() {
        assert_masked(&["secret"], "secret", "[MASKED]");
        assert_masked(&["secret"], "secret, my secret", "[MASKED], my [MASKED]");
        assert_masked(&["secret"], "secretsecret", "[MASKED][MASKED]");
        assert_masked(&["secret"], "secresecret secre", "secre[MASKED] secre");
        assert_masked(&["a"], "banana", "b[MASKED]n[MASKED]n[MASKED]");
        assert_masked(&["BEGIN\nkey\n"], "BEGIN\nkey\nEND\n", "[MASKED]END\n");
    }

    #[test]
    fn of_secrets_that_begin_with_each_other_the_longest_is_masked() {
        let secrets = ["pass", "password", "password1", "word"];
        assert_masked(&secrets, "pass", "[MASKED]");
        assert_masked(&secrets, "passwor", "[MASKED]wor");
        assert_masked(&secrets, "password", "[MASKED]");
        assert_masked(&secrets, "password1", "[MASKED]");
        assert_masked(&secrets, "password2 words", "[MASKED]2 [MASKED]s");
        assert_masked(&secrets, "passpassword", "[MASKED][MASKED]");
    }

    #[test]
    fn of_secrets_that_overlap_the_one_that_begins_first_is_masked() {
        assert_masked(&["abcd", "cdef"], "abcdef", "[MASKED]ef");
        assert_masked(&["abcd", "bc"], "abcx", "a[MASKED]x");
        assert_masked(&["abcd", "bc", "cx"], "abcx", "a[MASKED]x");
        assert_masked(&["aaa"], "aaaa", "[MASKED]a");
        assert_masked(&["aaa"], "aaaaaaa", "[MASKED][MASKED]a");
        assert_masked(&["aa", "aaaaab"], "aaaaaac", "[MASKED][MASKED][MASKED]c");
        assert_masked(&["abab", "ababab"], "abababab", "[MASKED]ab");
    }

    #[test]
    fn the_mask_is_not_looked_through() {
        assert_masked(&["x", "MASK", "[MASKED]"], "x[MASKED]", "[MASKED][MASKED]");
        assert_masked(&["x", "a[MASKED]"], "ax", "a[MASKED]");
    }

    #[test]
    fn bytes_that_are_no_text_pass_unchanged() {
        let bytes: Vec<u8> = (0..=255).chain([0xff, 0xfe, 0xc3, 0, 0xe2, 0x82]).collect();
        let mut stream = Masker::new([[0xc3, 0xa9]]).unwrap().stream();
        let mut delivered = Vec::new();
        for byte in &bytes {
            delivered.extend_from_slice(&stream.push(&Bytes::copy_from_slice(&[*byte])));
        }
        delivered.extend_from_slice(&stream.finish());
        assert_eq!(delivered, bytes);
    }

    #[test]
    fn a_secret_need_not_be_text() {
        let mut stream = Masker::new([[0xff, 0, b'\n']]).unwrap().stream();
        assert_eq!(stream.push(&Bytes::from_static(&[0xff])), "");
        assert_eq!(stream.push(&Bytes::from_static(&[0, b'\n', 0xfe])), &b"[MASKED]\xfe"[..]);
    }

    #[test]
    fn only_what_may_be_the_beginning_of_a_secret_is_held_back() {
        let (delivered, rest) = mask(&["secret", "retry"], &["my sec", "ret", "r", "x"]);
        assert_eq!(delivered, ["my ", "[MASKED]", "", "rx"]);
        assert_eq!(rest, "");
        // The secret is over, and nothing else has begun before its end.
        let (delivered, _) = mask(&["secret", "retry"], &["a secret"]);
        assert_eq!(delivered, ["a [MASKED]"]);
    }

    #[test]
    fn a_piece_without_a_secret_is_not_copied() {
        let mut stream = Masker::new(["secret"]).unwrap().stream();
        let piece = Bytes::from_static(b"nothing to see, but se");
        let delivered = stream.push(&piece);
        assert_eq!(delivered, "nothing to see, but ");
        assert_eq!(delivered.as_ptr(), piece.as_ptr());
        assert!(stream.holds());
    }

    #[test]
    fn without_secrets_everything_passes() {
        let mut stream = Masker::new(["", ""]).unwrap().stream();
        let piece = Bytes::from_static(b"text");
        assert_eq!(stream.push(&piece).as_ptr(), piece.as_ptr());
        assert_eq!(stream.idle(), "");
        assert_eq!(stream.finish(), "");
        assert!(!stream.holds());
    }

    #[test]
    fn idling_gives_out_what_was_held_back_and_masks_the_rest_of_the_secret() {
        let mut stream = Masker::new(["password", "pass", "$ sudo"]).unwrap().stream();
        assert_eq!(stream.push(&"user@host $ ".into()), "user@host ");
        assert_eq!(stream.idle(), "$ ");
        assert!(!stream.holds());
        assert_eq!(stream.idle(), "");
        assert_eq!(stream.push(&"su".into()), "");
        assert_eq!(stream.idle(), "su");
        assert_eq!(stream.push(&"do!".into()), "[MASKED]!");

        // A shorter secret is whole, and known by then.
        assert_eq!(stream.push(&"passwo".into()), "");
        assert_eq!(stream.idle(), "[MASKED]wo");
        assert_eq!(stream.push(&"rd passwo".into()), "[MASKED] ");
        assert_eq!(stream.idle(), "[MASKED]wo");
        assert_eq!(stream.push(&"od".into()), "od");
    }

    #[test]
    fn a_stream_is_as_new_after_its_end() {
        let mut stream = Masker::new(["secret"]).unwrap().stream();
        assert_eq!(stream.push(&"sec".into()), "");
        assert_eq!(stream.finish(), "sec");
        assert_eq!(stream.push(&"ret secret".into()), "ret [MASKED]");
    }

    #[test]
    fn streams_of_one_masker_know_nothing_of_each_other() {
        let masker = Masker::new(["secret"]).unwrap();
        let (mut stdout, mut stderr) = (masker.stream(), masker.stream());
        assert_eq!(stdout.push(&"sec".into()), "");
        assert_eq!(stderr.push(&"ret".into()), "ret");
        assert_eq!(stdout.push(&"ret".into()), "[MASKED]");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let masker = Masker::new(["secret"]).unwrap();
        let mut stream = masker.stream();
        assert_eq!(stream.push(&"secre".into()), "");
        assert_eq!(format!("{masker:?}"), "Masker { .. }");
        assert_eq!(format!("{stream:?}"), "MaskStream { holds: true, .. }");
    }
}

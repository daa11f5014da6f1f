//! Masking in pieces against masking of the whole, by a reference that knows nothing of automata.
//!
//! Few letters and short secrets, so that they overlap, begin and end with each other and with
//! themselves all the time. The seeds are fixed: a failure names one, and comes again.

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;

use super::{MaskStream, Masker, automaton::Automaton};

/// So many texts for each set of secrets: most of the time goes into building automata.
const TEXTS: u64 = 40;

struct Random(Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// From `low` to `high`, both possible.
    fn between(&mut self, low: usize, high: usize) -> usize {
        self.0.usize(low..=high)
    }

    fn bytes(&mut self, low: usize, high: usize, letters: usize) -> Vec<u8> {
        let length = self.between(low, high);
        (0..length).map(|_| b"abc\n"[self.between(0, letters - 1)]).collect()
    }

    /// One to four short secrets, and of how many letters they are.
    fn secrets(&mut self) -> (Vec<Vec<u8>>, usize) {
        let letters = self.between(1, 4);
        let longest = self.between(1, 8);
        let mut secrets: Vec<_> =
            (0..self.between(1, 4)).map(|_| self.bytes(1, longest, letters)).collect();
        secrets.sort_by_key(|secret| (secret.len(), secret.clone()));
        secrets.dedup();
        (secrets, letters)
    }

    /// Where to cut a text, in order; pieces may be empty.
    fn cuts(&mut self, length: usize) -> Vec<usize> {
        let mut cuts: Vec<_> = (0..self.between(0, 6)).map(|_| self.between(0, length)).collect();
        cuts.push(length);
        cuts.sort_unstable();
        cuts
    }
}

/// The longest secret that the text begins with.
fn longest(text: &[u8], secrets: &[Vec<u8>]) -> Option<usize> {
    secrets.iter().filter(|secret| text.starts_with(secret)).map(Vec::len).max()
}

/// The whole text, masked.
fn whole(text: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if let Some(length) = longest(&text[at..], secrets) {
            masked.extend_from_slice(b"[MASKED]");
            at += length;
        } else {
            masked.push(text[at]);
            at += 1;
        }
    }
    masked
}

/// What can be delivered of a text that may go on: all before the first place, outside of a mask,
/// from which everything may be the beginning of a secret.
fn settled(text: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if secrets.iter().any(|secret| secret.len() > rest.len() && secret.starts_with(rest)) {
            break;
        }
        let length = longest(rest, secrets);
        masked.extend_from_slice(if length.is_some() { b"[MASKED]" } else { &rest[..1] });
        at += length.unwrap_or(1);
    }
    masked
}

/// What is delivered when everything is given out at each of these places: the text up to there,
/// masked by what is known by then, without what was delivered before.
fn given_out(text: &[u8], places: &[usize], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut shown = 0;
    for &place in places {
        let known = &text[..place];
        let mut at = 0;
        while at < place {
            let length = longest(&known[at..], secrets);
            let end = at + length.unwrap_or(1);
            if end > shown {
                masked.extend_from_slice(if length.is_some() {
                    b"[MASKED]"
                } else {
                    &known[at..end]
                });
            }
            at = end;
        }
        shown = place;
    }
    masked
}

/// Runs so many cases, with tables or with links; the check gets the text and where it is cut.
fn cases(
    count: u64,
    table: bool,
    mut check: impl FnMut(&mut MaskStream, &[Vec<u8>], &[u8], &[usize]) -> Result<(), String>,
) {
    // Other ones for tables than for links.
    for seed in (u64::from(table)..).step_by(2).take(usize::try_from(count / TEXTS).unwrap()) {
        let mut random = Random::new(seed);
        let (secrets, letters) = random.secrets();
        let automaton =
            Arc::new(if table { Automaton::new(&secrets) } else { Automaton::links(&secrets) });
        for _ in 0..TEXTS {
            let text = random.bytes(0, 40, letters);
            let cuts = random.cuts(text.len());
            let mut stream = MaskStream::new(Some(Arc::clone(&automaton)));
            if let Err(difference) = check(&mut stream, &secrets, &text, &cuts) {
                let text = String::from_utf8_lossy(&text);
                panic!("seed {seed}, {secrets:?}, {text:?} cut at {cuts:?}: {difference}");
            }
        }
    }
}

fn equal(delivered: &[u8], expected: &[u8]) -> Result<(), String> {
    if delivered == expected {
        return Ok(());
    }
    let (delivered, expected) =
        (String::from_utf8_lossy(delivered), String::from_utf8_lossy(expected));
    Err(format!("{delivered:?}, not {expected:?}"))
}

/// Pushes the text piece by piece; `then` is called after each with what was delivered by then.
fn push(
    stream: &mut MaskStream,
    text: &[u8],
    cuts: &[usize],
    mut then: impl FnMut(&mut MaskStream, &mut Vec<u8>, usize) -> Result<(), String>,
) -> Result<Vec<u8>, String> {
    let text = Bytes::copy_from_slice(text);
    let mut delivered = Vec::new();
    let mut begin = 0;
    for &cut in cuts {
        delivered.extend_from_slice(&stream.push(&text.slice(begin..cut)));
        begin = cut;
        then(stream, &mut delivered, cut)?;
    }
    delivered.extend_from_slice(&stream.finish());
    Ok(delivered)
}

fn pieces_are_masked_like_the_whole(count: u64, table: bool) {
    cases(count, table, |stream, secrets, text, cuts| {
        let delivered = push(stream, text, cuts, |_, _, _| Ok(()))?;
        equal(&delivered, &whole(text, secrets))
    });
}

// Two halves of a million, side by side.

#[test]
fn half_a_million_texts_in_pieces_are_masked_like_whole_ones_by_tables() {
    pieces_are_masked_like_the_whole(500_000, true);
}

#[test]
fn half_a_million_texts_in_pieces_are_masked_like_whole_ones_by_links() {
    pieces_are_masked_like_the_whole(500_000, false);
}

#[test]
fn nothing_is_held_back_that_could_be_delivered() {
    for table in [true, false] {
        cases(50_000, table, |stream, secrets, text, cuts| {
            push(stream, text, cuts, |_, delivered, cut| {
                equal(delivered, &settled(&text[..cut], secrets))
            })
            .map(drop)
        });
    }
}

#[test]
fn idling_anywhere_shows_no_more_than_was_asked_for() {
    for table in [true, false] {
        cases(50_000, table, |stream, secrets, text, cuts| {
            let mut idle = Vec::new();
            let mut turn = 0;
            let delivered = push(stream, text, cuts, |stream, delivered, cut| {
                // Not after each, so that something is held back over the next piece.
                turn += 1;
                if turn % 2 == 0 {
                    delivered.extend_from_slice(&stream.idle());
                    idle.push(cut);
                }
                Ok(())
            })?;
            idle.push(text.len());
            equal(&delivered, &given_out(text, &idle, secrets))
        });
    }
}

#[test]
fn each_of_a_thousand_secrets_is_masked_at_every_cut() {
    let mut random = Random::new(0);
    let secrets: Vec<Vec<u8>> =
        (0..1000).map(|_| (0..random.between(8, 64)).map(|_| random.0.u8(..)).collect()).collect();
    let masker = Masker::new(&secrets).unwrap();
    for secret in &secrets {
        let text = [b"<", secret.as_slice(), b">"].concat();
        for cut in 0..=text.len() {
            let mut stream = masker.stream();
            let delivered = push(&mut stream, &text, &[cut, text.len()], |_, _, _| Ok(()));
            assert_eq!(delivered.unwrap(), b"<[MASKED]>", "cut at {cut}");
        }
    }
}

#[test]
fn secrets_of_any_length_are_masked_whatever_the_pieces() {
    let mut random = Random::new(0);
    let longest: Vec<u8> = (0..64 << 10).map(|_| random.0.u8(..)).collect();
    for length in [1, 2, 3, 255, 256, 4096, 64 << 10] {
        let secret = &longest[..length];
        let masker = Masker::new([secret]).unwrap();
        // The last byte is not in place; and then the secret comes.
        let text = [&secret[..length - 1], secret, b"\0"].concat();
        let expected = whole(&text, &[secret.to_vec()]);
        for step in [1, 2, 1009, 32 << 10, text.len()] {
            let mut cuts: Vec<_> = (0..text.len()).step_by(step).collect();
            cuts.push(text.len());
            let delivered = push(&mut masker.stream(), &text, &cuts, |_, _, _| Ok(())).unwrap();
            assert!(delivered == expected, "{length} bytes in pieces of {step}");
        }
    }
}

#[test]
fn the_time_is_linear_even_where_everything_may_begin_a_long_secret() {
    // Looking at what is held back again for each byte would take hours.
    let long = [vec![b'a'; 64 << 10], b"b".to_vec()].concat();
    let masker = Masker::new([b"aa".as_slice(), &long]).unwrap();
    let text = vec![b'a'; 1 << 20];
    let cuts: Vec<_> = (1..=text.len()).collect();
    let delivered = push(&mut masker.stream(), &text, &cuts, |_, _, _| Ok(())).unwrap();
    assert!(delivered == b"[MASKED]".repeat(text.len() / 2));
}

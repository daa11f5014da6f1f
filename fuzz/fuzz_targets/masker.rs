//! Secrets in an output that is cut anywhere: masked as if it had come whole, and not there any more.

#![no_main]

use berth_fuzz::{head_and_rest, pieces};
use bytes::Bytes;
use executor::log::Masker;
use libfuzzer_sys::fuzz_target;

const MASK: &[u8] = b"[MASKED]";

fn masked(masker: &Masker, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = masker.stream();
    let mut output = Vec::new();
    for piece in pieces {
        output.extend_from_slice(&stream.push(&Bytes::copy_from_slice(piece)));
    }
    output.extend_from_slice(&stream.finish());
    assert!(!stream.holds());
    output
}

/// The same, by looking at every place for the longest secret.
fn reference(text: &[u8], secrets: &[&[u8]]) -> Vec<u8> {
    let (mut output, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let here = secrets.iter().filter(|secret| text[at..].starts_with(secret));
        match here.map(|secret| secret.len()).max() {
            Some(length) => {
                output.extend_from_slice(MASK);
                at += length;
            }
            None => {
                output.push(text[at]);
                at += 1;
            }
        }
    }
    output
}

fuzz_target!(|data: &[u8]| {
    let (secrets, rest) = head_and_rest(data);
    let (cuts, text) = head_and_rest(rest);
    let secrets: Vec<&[u8]> =
        secrets.split(|byte| *byte == 0).filter(|one| !one.is_empty()).collect();
    let Ok(masker) = Masker::new(&secrets) else { return };
    let whole = masked(&masker, &[text]);
    assert_eq!(whole, masked(&masker, &pieces(text, cuts)), "cut at {cuts:?}");
    assert_eq!(whole, reference(text, &secrets));
});

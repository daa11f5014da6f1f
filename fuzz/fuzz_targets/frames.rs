//! The frames of an attached output, good ones and others: however they are cut, the same comes of them, and
//! nothing is held but a header's beginning.

#![no_main]

use berth_fuzz::{head_and_rest, pieces};
use docker_api_trait::fuzzing::Taken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (cuts, stream) = head_and_rest(data);
    let whole = Taken::of(&[stream]);
    assert_eq!(whole, Taken::of(&pieces(stream, cuts)), "at {cuts:?}");
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, Taken::of(&single), "byte by byte");
    assert!(whole.stdout.len() + whole.stderr.len() <= stream.len());
    // What comes of a beginning is a beginning.
    let half = Taken::of(&[&stream[..stream.len() / 2]]);
    assert!(whole.stdout.starts_with(&half.stdout) && whole.stderr.starts_with(&half.stderr));
});

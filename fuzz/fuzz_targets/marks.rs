//! A shell's output with marks in it, whole ones and parts: however it is cut, the same is found.

#![no_main]

use berth_fuzz::{head_and_rest, pieces};
use executor::fuzzing::Marked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (cuts, text) = head_and_rest(data);
    let marked = Marked::new(text);
    let text = marked.text();
    let whole = marked.scan(&[text]);
    assert_eq!(whole, marked.scan(&pieces(text, cuts)), "at {cuts:?}");
    let single: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(whole, marked.scan(&single), "byte by byte");
    assert!(whole.output.len() <= text.len());
});

//! Whatever stands in a configuration, a repository, a chart or an address: it is read within
//! bounds, nothing panics, nothing leads out, no secret is shown.
//!
//! These parsers are in the program, which takes minutes to build for the fuzzer: so they are
//! tested here, with the same kind of input, beside the fuzz targets of the deciding code.
//! For a longer run: `PROPTEST_CASES=100000 cargo test --test it untrusted::`.

mod address;
mod chart;
mod configuration;
mod git_tree;

use proptest::prelude::*;
use proptest::sample::Index;

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Change {
    /// A word of the format is put in.
    Insert(Index, Vec<u8>),
    /// A part is taken out.
    Remove(Index, usize),
    /// A part is repeated.
    Repeat(Index, usize, usize),
    /// A byte becomes another one.
    Replace(Index, u8),
}

/// One of these texts, changed in some places, with these words among others.
fn mutated(seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let inserted = prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    let change = prop_oneof![
        4 => (any::<Index>(), inserted).prop_map(|(at, word)| Change::Insert(at, word)),
        2 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<Index>(), 1..60_usize, 1..200_usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
    ];
    (prop::sample::select(seeds), prop::collection::vec(change, 0..8)).prop_map(|(mut bytes, changes)| {
        for change in changes {
            apply(&mut bytes, change);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let place = |at: Index| at.index(bytes.len() + 1);
    match change {
        Change::Insert(at, word) => {
            let at = place(at);
            bytes.splice(at..at, word);
        }
        Change::Remove(at, length) => {
            let at = place(at);
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Repeat(at, length, times) => {
            let at = place(at);
            let part = bytes[at..(at + length).min(bytes.len())].repeat(times);
            bytes.splice(at..at, part);
        }
        Change::Replace(at, byte) => {
            let at = place(at);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
    }
}

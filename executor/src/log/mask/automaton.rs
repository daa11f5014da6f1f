//! The automaton that finds secrets, and what each of its states says about the bytes before it.
//!
//! The library keeps to itself how deep in a secret a state is, and which state is left when the
//! first bytes are taken away. Both are learned here, once, by walking every secret.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{
    Anchored, BuildError, MatchKind, StartKind,
    automaton::{Automaton as Walk, StateID},
    dfa, nfa,
};

/// A table is built up to this size, in bytes; beyond it, links, which are slower but small.
const TABLE: usize = 32 << 20;

/// A table is built in at most so many steps, half a second. The library takes one for each shorter
/// suffix of each beginning of a secret, times the classes: 64 KiB of one letter would be 2^32.
const STEPS: usize = 1 << 26;

/// Finds secrets, all that end at a byte, in one pass over the bytes.
pub(super) struct Automaton {
    pub(super) machine: Machine,
    pub(super) suffixes: Suffixes,
}

pub(super) enum Machine {
    /// One look-up a byte.
    Table(dfa::DFA),
    /// Several look-ups for some bytes, two on average.
    Links(nfa::contiguous::NFA),
}

impl Automaton {
    /// Of distinct secrets that are not empty, the shortest first.
    pub(super) fn new(secrets: &[Vec<u8>]) -> Result<Self, BuildError> {
        let base = base(secrets)?;
        let row = classes(secrets).next_power_of_two();
        let states = 3 + secrets.iter().map(Vec::len).sum::<usize>();
        if states.saturating_mul(row * size_of::<StateID>()) <= TABLE
            && Suffixes::learn(&base, secrets).steps().saturating_mul(row) <= STEPS
        {
            Self::table(&base, secrets)
        } else {
            Self::links(&base, secrets)
        }
    }

    fn table(base: &nfa::noncontiguous::NFA, secrets: &[Vec<u8>]) -> Result<Self, BuildError> {
        let table = dfa::Builder::new()
            .match_kind(KIND)
            .start_kind(StartKind::Unanchored)
            .prefilter(false)
            .build_from_noncontiguous(base)?;
        let suffixes = Suffixes::learn(&table, secrets);
        Ok(Self { machine: Machine::Table(table), suffixes })
    }

    fn links(base: &nfa::noncontiguous::NFA, secrets: &[Vec<u8>]) -> Result<Self, BuildError> {
        let links = nfa::contiguous::Builder::new()
            .match_kind(KIND)
            .prefilter(false)
            .build_from_noncontiguous(base)?;
        let suffixes = Suffixes::learn(&links, secrets);
        Ok(Self { machine: Machine::Links(links), suffixes })
    }

    /// Of either kind, whatever is better.
    #[cfg(test)]
    pub(super) fn with_table(secrets: &[Vec<u8>], table: bool) -> Result<Self, BuildError> {
        let base = base(secrets)?;
        if table { Self::table(&base, secrets) } else { Self::links(&base, secrets) }
    }
}

/// `Standard` reports every secret that ends at a byte, and has a state for every beginning of one.
/// The leftmost kinds prune states, which forgets what a later byte may complete.
const KIND: MatchKind = MatchKind::Standard;

/// What the other kinds are built from. Without a prefilter: it jumps over bytes, and the state
/// would no longer say what was before it.
fn base(secrets: &[Vec<u8>]) -> Result<nfa::noncontiguous::NFA, BuildError> {
    nfa::noncontiguous::Builder::new().match_kind(KIND).prefilter(false).build(secrets)
}

/// How many classes of bytes the secrets tell apart.
fn classes(secrets: &[Vec<u8>]) -> usize {
    let mut ends_class = [false; 256];
    for &byte in secrets.iter().flatten() {
        ends_class[usize::from(byte)] = true;
        if let Some(before) = byte.checked_sub(1) {
            ends_class[usize::from(before)] = true;
        }
    }
    1 + ends_class[..255].iter().filter(|ends| **ends).count()
}

/// What a state says about the bytes before it.
#[derive(Clone, Copy)]
struct Suffix {
    state: StateID,
    /// How many of the bytes before it may be the beginning of a secret that is not over.
    open: u32,
    /// The state that remembers fewer bytes, and of those as many as can be.
    shorter: StateID,
}

/// What each state says about the bytes before it.
pub(super) struct Suffixes {
    /// The state before the first byte, which remembers nothing.
    pub(super) start: StateID,
    /// Sorted by state: a quarter of a hash map's size, and asked only at matches and at the ends
    /// of pieces.
    known: Vec<Suffix>,
}

impl Suffixes {
    fn learn<W: Walk>(machine: &W, secrets: &[Vec<u8>]) -> Self {
        let start = machine
            .start_state(Anchored::No)
            .expect("both kinds of automaton are built for unanchored walks");
        let next = |state, byte| machine.next_state(Anchored::No, state, byte);

        // Every proper beginning of a secret is a state's longest memory: what may still become
        // a secret is all of it. Walking without the first byte leads to the shorter one.
        let mut known = Vec::new();
        let mut ends = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let (mut state, mut shorter) = (start, start);
            for (open, &byte) in (0..).zip(secret) {
                if open > 0 {
                    known.push(Suffix { state, open, shorter });
                    shorter = next(shorter, byte);
                }
                state = next(state, byte);
            }
            ends.push((state, shorter));
        }
        known.sort_unstable_by_key(|suffix| suffix.state);
        known.dedup_by_key(|suffix| suffix.state);
        let mut suffixes = Self { start, known };

        // A secret that no other one begins with can become nothing more: its last state goes on
        // like the shorter one, which, if it ends a secret too, ends one that came before.
        let mut leaves = BTreeMap::new();
        for (state, shorter) in ends {
            if suffixes.find(state).is_none() {
                let like = leaves.get(&shorter).copied().unwrap_or_else(|| suffixes.get(shorter));
                leaves.insert(state, Suffix { state, ..like });
            }
        }
        suffixes.known.extend(leaves.into_values());
        suffixes.known.sort_unstable_by_key(|suffix| suffix.state);
        suffixes.known.shrink_to_fit();
        suffixes
    }

    /// How many shorter states there are for each state, all together.
    fn steps(&self) -> usize {
        let mut shortest_first = self.known.clone();
        shortest_first.sort_unstable_by_key(|suffix| suffix.open);
        let mut chains: HashMap<StateID, usize> = HashMap::with_capacity(self.known.len());
        let mut steps = 0;
        for suffix in shortest_first {
            let chain = 1 + chains.get(&suffix.shorter).copied().unwrap_or(0);
            chains.insert(suffix.state, chain);
            steps += chain;
        }
        steps
    }

    /// How many of the bytes before this state may be the beginning of a secret that is not over.
    pub(super) fn open(&self, state: StateID) -> u64 {
        u64::from(self.get(state).open)
    }

    /// The state that goes on from here as if only the last `limit` bytes had been seen.
    pub(super) fn within(&self, mut state: StateID, limit: u64) -> StateID {
        loop {
            let suffix = self.get(state);
            if u64::from(suffix.open) <= limit {
                return state;
            }
            state = suffix.shorter;
        }
    }

    fn get(&self, state: StateID) -> Suffix {
        self.find(state).unwrap_or(Suffix { state, open: 0, shorter: self.start })
    }

    fn find(&self, state: StateID) -> Option<Suffix> {
        let index = self.known.binary_search_by_key(&state, |suffix| suffix.state).ok()?;
        Some(self.known[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_table(secrets: &[Vec<u8>]) -> bool {
        matches!(Automaton::new(secrets).unwrap().machine, Machine::Table(_))
    }

    #[test]
    fn secrets_of_usual_size_get_a_table() {
        let token = |index| format!("{:x}-token-{index:020}", index * 7919).into_bytes();
        let tokens: Vec<_> = (0..1000).map(token).collect();
        assert!(is_table(&tokens));
        let key: Vec<u8> = (0..4000_u32).map(|index| b'a' + (index * index % 26) as u8).collect();
        assert!(is_table(&[key]));
    }

    #[test]
    fn a_table_that_would_be_large_or_slow_to_build_is_none() {
        // 2^16 states with 2^8 classes.
        let bytes: Vec<u8> =
            (0..1_u32 << 16).map(|index| (index * index).to_le_bytes()[1]).collect();
        assert!(!is_table(&[bytes]));
        assert!(!is_table(&[vec![b'x'; 1 << 16]]));
    }
}

//! The automaton that finds secrets: after Aho and Corasick, with what holding back needs.
//!
//! It is our own because the secrets are a stranger's. The crate `aho-corasick` is made for patterns
//! of one's own: it takes seconds for 64 KiB of one letter, hours for 4 MiB, and keeps a list of
//! secrets for each of their bytes. Here, building is linear in time and memory for all secrets.

/// A table is built up to this size, in bytes; beyond it, links alone, which are slower but small.
const TABLE: usize = 32 << 20;

/// In a table's entry: a secret ends there. No table has so many entries.
const ENDS: u32 = 1 << 31;

/// What is remembered of the bytes so far: their longest end that begins a secret, as the index of
/// its node.
pub(super) type State = u32;

/// Nothing is remembered.
pub(super) const START: State = 0;

/// Finds secrets, all that end at a byte, in one pass over the bytes.
pub(super) struct Automaton {
    nodes: Vec<Node>,
    /// The children of the first node, by byte: most bytes of most logs are looked up there.
    first: Box<[State; 256]>,
    table: Option<Table>,
}

/// The beginning of a secret, or all of it. Zero, where a node is meant, means none: no node leads
/// back to the first one.
#[derive(Clone, Copy, Default)]
struct Node {
    /// The last byte.
    byte: u8,
    /// A beginning that is longer by one byte.
    child: State,
    /// The next child of the same node.
    sibling: State,
    /// The longest end of this that begins a secret.
    shorter: State,
    /// How many of the last bytes may be the beginning of a secret that is not over.
    open: u32,
    /// How long the secret is that this is all of, or zero.
    length: u32,
    /// The longest end of this, or all, that is all of a secret.
    ends: State,
}

/// Where each byte leads from each state, with one look.
struct Table {
    /// Bytes that no secret has are one class.
    classes: [u8; 256],
    /// A row has two to the power of this entries.
    shift: u32,
    /// Where the next state's row begins, and [`ENDS`].
    rows: Vec<u32>,
}

impl Automaton {
    /// Of secrets that are not empty, 2^31 bytes at most.
    pub(super) fn new(secrets: &[Vec<u8>]) -> Self {
        let mut automaton = Self::links(secrets);
        let classes = Classes::of(secrets);
        if automaton.nodes.len() << classes.shift <= TABLE / size_of::<u32>() {
            automaton.table = Some(automaton.table(&classes));
        }
        automaton
    }

    /// With links alone.
    pub(super) fn links(secrets: &[Vec<u8>]) -> Self {
        let bytes = secrets.iter().map(Vec::len).sum::<usize>();
        let mut nodes = Vec::with_capacity(1 + bytes);
        nodes.push(Node::default());
        let mut automaton = Self { nodes, first: Box::new([0; 256]), table: None };
        for secret in secrets {
            automaton.insert(secret);
        }
        automaton.link();
        automaton.nodes.shrink_to_fit();
        automaton
    }

    fn insert(&mut self, secret: &[u8]) {
        let (mut state, mut length) = (START, 0);
        for &byte in secret {
            length += 1;
            let child = self.child(state, byte);
            if child != 0 {
                state = child;
                continue;
            }
            // Fits, as there are fewer bytes.
            let new = State::try_from(self.nodes.len()).expect("secrets have 2^31 bytes at most");
            let parent = &mut self.nodes[state as usize];
            let sibling = std::mem::replace(&mut parent.child, new);
            self.nodes.push(Node { byte, sibling, open: length, ..Node::default() });
            if state == START {
                self.first[usize::from(byte)] = new;
            }
            state = new;
        }
        self.nodes[state as usize].length = length;
    }

    /// Fills in what depends on shorter nodes, the shortest first.
    fn link(&mut self) {
        let mut queue = vec![START];
        let mut next = 0;
        while let Some(&parent) = queue.get(next) {
            next += 1;
            let mut child = self.nodes[parent as usize].child;
            while child != 0 {
                queue.push(child);
                let mut node = self.nodes[child as usize];
                if parent != START {
                    node.shorter = self.step(self.nodes[parent as usize].shorter, node.byte);
                }
                let shorter = self.nodes[node.shorter as usize];
                node.ends = if node.length > 0 { child } else { shorter.ends };
                if node.child == 0 {
                    // It can become nothing more than what its ends can.
                    node.open = shorter.open;
                }
                self.nodes[child as usize] = node;
                child = node.sibling;
            }
        }
    }

    fn table(&self, classes: &Classes) -> Table {
        let &Classes { classes, shift } = classes;
        let width = 1 << shift;
        let mut rows = vec![0; self.nodes.len() << shift];
        let mut queue = vec![START];
        let mut next = 0;
        while let Some(&state) = queue.get(next) {
            next += 1;
            let node = self.nodes[state as usize];
            let row = (state as usize) << shift;
            // The shorter one's row is there already; the first one's is its own.
            let shorter = (node.shorter as usize) << shift;
            rows.copy_within(shorter..shorter + width, row);
            let mut child = node.child;
            while child != 0 {
                queue.push(child);
                let Node { byte, sibling, ends, .. } = self.nodes[child as usize];
                let entry = (child << shift) | if ends == 0 { 0 } else { ENDS };
                rows[row + usize::from(classes[usize::from(byte)])] = entry;
                child = sibling;
            }
        }
        Table { classes, shift, rows }
    }

    /// Goes through the bytes. After each at which secrets end, `found` gets its index and the state,
    /// and says from which state to go on.
    pub(super) fn walk(
        &self,
        mut state: State,
        bytes: &[u8],
        mut found: impl FnMut(usize, State) -> State,
    ) -> State {
        let Some(Table { classes, shift, rows }) = &self.table else {
            for (index, &byte) in bytes.iter().enumerate() {
                state = self.step(state, byte);
                if self.nodes[state as usize].ends != 0 {
                    state = found(index, state);
                }
            }
            return state;
        };
        let mut row = state << shift;
        for (index, &byte) in bytes.iter().enumerate() {
            row = rows[row as usize + usize::from(classes[usize::from(byte)])];
            if row & ENDS != 0 {
                row = found(index, (row & !ENDS) >> shift) << shift;
            }
        }
        row >> shift
    }

    /// How long the secrets are that end in this state, the longest first.
    pub(super) fn lengths(&self, state: State) -> impl Iterator<Item = u64> {
        let mut ends = self.nodes[state as usize].ends;
        std::iter::from_fn(move || {
            let node = (ends != 0).then(|| self.nodes[ends as usize])?;
            ends = self.nodes[node.shorter as usize].ends;
            Some(u64::from(node.length))
        })
    }

    /// How many of the last bytes may be the beginning of a secret that is not over.
    pub(super) fn open(&self, state: State) -> u64 {
        u64::from(self.nodes[state as usize].open)
    }

    /// The state that goes on from here as if only the last `limit` bytes had been seen.
    pub(super) fn within(&self, mut state: State, limit: u64) -> State {
        while self.open(state) > limit {
            state = self.nodes[state as usize].shorter;
        }
        state
    }

    /// Where a byte leads, along the links. Each link that is followed makes the memory shorter, and
    /// each byte makes it longer by one at most: two steps for a byte, on average.
    fn step(&self, mut state: State, byte: u8) -> State {
        loop {
            let child = self.child(state, byte);
            if child != 0 || state == START {
                return child;
            }
            state = self.nodes[state as usize].shorter;
        }
    }

    fn child(&self, state: State, byte: u8) -> State {
        if state == START {
            return self.first[usize::from(byte)];
        }
        let mut child = self.nodes[state as usize].child;
        while child != 0 {
            let node = &self.nodes[child as usize];
            if node.byte == byte {
                break;
            }
            child = node.sibling;
        }
        child
    }
}

/// Which bytes a table tells apart.
struct Classes {
    classes: [u8; 256],
    /// Two to the power of this is the number of classes, or more.
    shift: u32,
}

impl Classes {
    fn of(secrets: &[Vec<u8>]) -> Self {
        let mut used = [false; 256];
        for &byte in secrets.iter().flatten() {
            used[usize::from(byte)] = true;
        }
        let mut classes = [0; 256];
        // The class of all that are not used, unless there is none.
        let mut count = usize::from(used.contains(&false));
        for (class, _) in classes.iter_mut().zip(used).filter(|(_, used)| *used) {
            *class = u8::try_from(count).expect("there are as many classes as bytes at most");
            count += 1;
        }
        Self { classes, shift: count.next_power_of_two().ilog2() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_table(secrets: &[Vec<u8>]) -> bool {
        Automaton::new(secrets).table.is_some()
    }

    #[test]
    fn secrets_of_usual_size_get_a_table() {
        let token = |index| format!("{:x}-token-{index:020}", index * 7919).into_bytes();
        let tokens: Vec<_> = (0..1000).map(token).collect();
        assert!(has_table(&tokens));
        assert!(has_table(&[vec![b'x'; 1 << 16]]));
    }

    #[test]
    fn a_table_that_would_be_large_is_not_built() {
        // 2^16 states with 2^8 classes.
        let bytes = (0..1_u32 << 16).map(|index| (index * index).to_le_bytes()[1]).collect();
        assert!(!has_table(&[bytes]));
    }

    #[test]
    fn all_bytes_can_be_classes_of_their_own() {
        let Classes { classes, shift } = Classes::of(&[(0..=255).collect()]);
        assert_eq!((classes[0], classes[255], shift), (0, 255, 8));
        let Classes { classes, shift } = Classes::of(&[(1..=255).collect()]);
        assert_eq!((classes[0], classes[1], classes[255], shift), (0, 1, 255, 8));
        let Classes { classes, shift } = Classes::of(&[b"aba".to_vec()]);
        assert_eq!((classes[0], classes[97], classes[98], shift), (0, 1, 2, 2));
    }
}

//! The sockets that a container has, as the kernel writes them in `/proc/net/tcp` and its kin. Pure.

use std::collections::BTreeSet;

/// A table of sockets is read up to this many bytes.
pub(super) const MAX_TABLE: usize = 1 << 20;

/// The state of a TCP socket that waits for connections.
const LISTEN: &str = "0A";
/// The state of a UDP socket that is not connected. No TCP socket of the tables is in it.
const BOUND: &str = "07";
/// A word of the first line of each table.
const HEADER: &str = "local_address";

/// The ports at which a container can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    /// TCP ports that listen.
    pub(super) tcp: BTreeSet<u16>,
    /// UDP ports that are bound.
    pub(super) udp: BTreeSet<u16>,
    /// TCP ports that listen on the loopback address only.
    pub(super) loopback: BTreeSet<u16>,
}

impl Sockets {
    /// Reads the text of `/proc/net/tcp`, `tcp6`, `udp` and `udp6`, or of some of them one after
    /// another. `None` when there is no table in it: then it does not say that nothing listens.
    /// Lines that cannot be read are skipped.
    pub(super) fn parse(tables: &str) -> Option<Self> {
        if !tables.contains(HEADER) {
            return None;
        }
        let mut sockets = Self::default();
        for (state, address, port) in tables.lines().filter_map(socket) {
            match (state, is_loopback(address)) {
                (LISTEN, false) => sockets.tcp.insert(port),
                (LISTEN, true) => sockets.loopback.insert(port),
                (BOUND, false) => sockets.udp.insert(port),
                _ => false,
            };
        }
        sockets.loopback.retain(|port| !sockets.tcp.contains(port));
        Some(sockets)
    }

    /// The same for a container that shares its loopback interface with the job.
    pub(super) fn with_loopback(mut self) -> Self {
        self.tcp.append(&mut self.loopback);
        self
    }
}

fn socket(line: &str) -> Option<(&str, &str, u16)> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let (address, port) = local.split_once(':')?;
    Some((state, address, u16::from_str_radix(port, 16).ok()?))
}

/// The kernel writes an address as words of the machine's byte order; on one that begins with the
/// last byte, 127.x.y.z ends in 7F.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        32 => {
            address == "00000000000000000000000001000000" || {
                // An IPv4 address inside.
                address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F")
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 1
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 2
   2: 020011AC:0050 030011AC:C350 01 00000000:00000000 00:00000000 00000000   999        0 3
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0
   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 0
   3: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
  100: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4
  101: 0100007F:0036 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4
nonsense
";

    #[test]
    fn sockets_are_told_apart_by_protocol_and_address() {
        let sockets = Sockets::parse(TABLE).unwrap();
        assert_eq!(sockets.tcp, BTreeSet::from([6379, 8080]));
        assert_eq!(sockets.udp, BTreeSet::from([53]));
        assert_eq!(sockets.loopback, BTreeSet::from([5432, 8081, 8082]));
        let shared = sockets.with_loopback();
        assert_eq!(shared.tcp, BTreeSet::from([5432, 6379, 8080, 8081, 8082]));
    }

    #[test]
    fn text_without_a_table_does_not_say_that_nothing_listens() {
        for text in ["", "cat: not found\n", "0: 00000000:18EB 00000000:0000 0A"] {
            assert_eq!(Sockets::parse(text), None, "{text:?}");
        }
        let empty = TABLE.lines().next().unwrap();
        assert_eq!(Sockets::parse(empty), Some(Sockets::default()));
    }
}

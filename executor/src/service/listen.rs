//! Which ports a container listens on, as the kernel writes it in `/proc/net/tcp`. Pure.

use std::collections::BTreeSet;

/// The state of a socket that waits for connections.
const LISTEN: &str = "0A";

/// The ports on which somebody can be reached from outside, by the text of `/proc/net/tcp` and
/// `/proc/net/tcp6`: addresses of the loopback do not count. Lines that cannot be read are skipped.
pub(super) fn listening_ports(table: &str) -> BTreeSet<u16> {
    table.lines().filter_map(listening_port).collect()
}

fn listening_port(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    if state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    if is_loopback(address) {
        return None;
    }
    u16::from_str_radix(port, 16).ok()
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
nonsense
";

    #[test]
    fn only_what_listens_to_others_counts() {
        assert_eq!(listening_ports(TABLE), BTreeSet::from([6379, 8080]));
        assert_eq!(listening_ports(""), BTreeSet::new());
    }
}

//! Names, addresses and name spaces.

use std::net::IpAddr;

use super::text::{Problem, word};

/// An address of a name server.
pub(super) fn address(text: &str) -> Result<String, Problem> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Problem::new("is no IP address", "an address such as 192.0.2.1")),
    }
}

/// `name:address` or `name=address`, as the `docker` program accepts; engines take the colon alone. The
/// address may be `host-gateway`, the engine's word for its host. Square brackets around an IPv6
/// address are removed: no engine takes them.
pub(super) fn extra_host(text: &str) -> Result<String, Problem> {
    let expected = "a name and an address such as db:192.0.2.1, or db:host-gateway";
    let (name, written) =
        text.split_once(['=', ':']).ok_or_else(|| Problem::new("has no address", expected))?;
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(written);
    word(name).map_err(|problem| {
        Problem::new(format!("has a name that {}", problem.problem), expected)
    })?;
    if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
        return Err(Problem::new("has an address that is no IP address", expected));
    }
    Ok(format!("{name}:{address}"))
}

/// `container[:alias]`.
pub(super) fn link(text: &str) -> Result<String, Problem> {
    let expected = "a container and its alias: postgres:db";
    let parts: Vec<_> = text.split(':').collect();
    if parts.len() > 2 || parts.iter().any(|part| word(part).is_err()) {
        return Err(Problem::new("is no link", expected));
    }
    Ok(text.to_owned())
}

/// Six bytes with colons or dashes between them; written with colons.
pub(super) fn mac_address(text: &str) -> Result<String, Problem> {
    let normal = text.replace('-', ":");
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixed = text.contains('-') && text.contains(':');
    if mixed || normal.split(':').count() != 6 || !normal.split(':').all(is_byte) {
        return Err(Problem::new("is no MAC address", "an address such as 92:d0:c6:0a:29:33"));
    }
    Ok(normal)
}

/// `bridge`, `host`, `none`, `container:NAME` or a network's name.
pub(super) fn network_mode(text: &str) -> Result<String, Problem> {
    shared_with(text, "bridge, host, none, container:NAME or the name of a network")
}

/// `host` or `container:NAME`; Podman's `private`.
pub(super) fn pid_mode(text: &str) -> Result<String, Problem> {
    let expected = "host or container:NAME";
    match text {
        "host" | "private" => Ok(text.to_owned()),
        _ if text.starts_with("container:") => shared_with(text, expected),
        _ => Err(Problem::new("is no process name space", expected)),
    }
}

/// `none`, `private`, `shareable`, `host` or `container:NAME`.
pub(super) fn ipc_mode(text: &str) -> Result<String, Problem> {
    let expected = "none, private, shareable, host or container:NAME";
    match text {
        "none" | "private" | "shareable" | "host" => Ok(text.to_owned()),
        _ if text.starts_with("container:") => shared_with(text, expected),
        _ => Err(Problem::new("is no IPC name space", expected)),
    }
}

fn shared_with(text: &str, expected: &'static str) -> Result<String, Problem> {
    let name = text.strip_prefix("container:").unwrap_or(text);
    match word(name) {
        Ok(_) => Ok(text.to_owned()),
        Err(problem) => Err(Problem::new(problem.problem, expected)),
    }
}

/// A container whose volumes are mounted too: `name[:ro|:rw]`.
pub(super) fn volumes_from(text: &str) -> Result<String, Problem> {
    let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if word(name).is_err() || !matches!(mode, "ro" | "rw") {
        return Err(Problem::new("is no container with a mode", "a container such as data:ro"));
    }
    Ok(text.to_owned())
}

/// A container's host name.
pub(super) fn hostname(text: &str) -> Result<String, Problem> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    // The kernel's limit is 64 bytes with the final zero.
    if text.is_empty() || text.len() > 63 || !text.chars().all(is_legal) {
        let expected = "at most 63 letters, digits, dots and dashes";
        return Err(Problem::new("is no host name", expected));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_have_a_name_and_an_address() {
        for (text, expected) in [
            ("db:192.0.2.1", Some("db:192.0.2.1")),
            ("db:::1", Some("db:::1")),
            ("db:[2001:db8::1]", Some("db:2001:db8::1")),
            ("db:host-gateway", Some("db:host-gateway")),
            ("db=192.0.2.1", Some("db:192.0.2.1")),
            ("db=::1", Some("db:::1")),
            ("db=[2001:db8::1]", Some("db:2001:db8::1")),
            ("db=host-gateway", Some("db:host-gateway")),
            ("db=", None),
            ("=192.0.2.1", None),
            ("db:=192.0.2.1", None),
            ("db", None),
            ("db:", None),
            (":192.0.2.1", None),
            ("db:192.0.2.256", None),
            ("d b:192.0.2.1", None),
            ("db:[::1", None),
        ] {
            assert_eq!(extra_host(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_mac_address_has_six_bytes() {
        assert_eq!(mac_address("92:d0:C6:0a:29:33"), Ok("92:d0:C6:0a:29:33".to_owned()));
        assert_eq!(mac_address("92-d0-c6-0a-29-33"), Ok("92:d0:c6:0a:29:33".to_owned()));
        for text in
            ["", "92:d0:c6:0a:29", "92:d0:c6:0a:29:3g", "92:d0-c6:0a:29:33", "92:d0:c6:0a:29:333"]
        {
            assert!(mac_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn name_spaces_are_words_or_containers() {
        for text in ["bridge", "host", "none", "my-net", "container:db"] {
            assert!(network_mode(text).is_ok(), "{text}");
        }
        for text in ["container:", "my net", ""] {
            assert!(network_mode(text).is_err(), "{text}");
        }
        assert!(ipc_mode("shareable").is_ok() && ipc_mode("container:db").is_ok());
        assert!(ipc_mode("hosts").is_err() && ipc_mode("container:").is_err());
        assert!(pid_mode("host").is_ok() && pid_mode("shareable").is_err());
        assert!(volumes_from("data:ro").is_ok() && volumes_from("data:z").is_err());
        assert!(link("postgres:db").is_ok() && link("postgres").is_ok());
        assert!(link("a:b:c").is_err() && link(":b").is_err() && link("").is_err());
    }
}

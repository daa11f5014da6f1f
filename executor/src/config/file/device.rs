//! Devices, rules for devices, and limits of processes.

use docker_api_trait::{Device, Ulimit};

use super::text::Problem;

const DEVICE: &str = "a device such as /dev/kvm or /dev/sda:/dev/xvda:r";
const RULE: &str = "a rule such as \"c 42:* rmw\"";
const LIMIT: &str = "a limit such as \"1024\" or \"1024:2048\"; -1 is without limit";

/// The limits that an engine knows.
const LIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `host[:container[:permissions]]`. As in the `docker` program and unlike GitLab Runner, a second
/// part that can only be permissions is those.
pub(super) fn device(text: &str) -> Result<Device, Problem> {
    let parts: Vec<_> = text.split(':').collect();
    let (host, container, permissions) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, permissions] if is_permissions(permissions) => (*host, *host, *permissions),
        [host, container] => (*host, *container, "rwm"),
        [host, container, permissions] => (*host, *container, *permissions),
        _ => return Err(Problem::new("has too many parts", DEVICE)),
    };
    if !host.starts_with('/') || !container.starts_with('/') {
        return Err(Problem::new("has a path in it that is not absolute", DEVICE));
    }
    if !is_permissions(permissions) {
        return Err(Problem::new("has permissions other than r, w and m", DEVICE));
    }
    let mut device = Device::new(host);
    container.clone_into(&mut device.container);
    permissions.clone_into(&mut device.permissions);
    Ok(device)
}

fn is_permissions(text: &str) -> bool {
    let counts = |letter: char| text.matches(letter).count() <= 1;
    !text.is_empty() && text.chars().all(|c| "rwm".contains(c)) && "rwm".chars().all(counts)
}

/// A rule for kinds of devices: sort, numbers and permissions.
pub(super) fn rule(text: &str) -> Result<String, Problem> {
    let is_number =
        |text: &str| text == "*" || !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<_> = text.split(' ').collect();
    let is_rule = match parts.as_slice() {
        [sort, numbers, permissions] => {
            matches!(*sort, "a" | "b" | "c")
                && is_permissions(permissions)
                && numbers
                    .split_once(':')
                    .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
        }
        _ => false,
    };
    if is_rule { Ok(text.to_owned()) } else { Err(Problem::new("is no rule", RULE)) }
}

/// The limit `name` with the values `soft[:hard]`.
pub(super) fn ulimit(name: &str, text: &str) -> Result<Ulimit, Problem> {
    if !LIMITS.contains(&name) {
        let expected = "a limit that the kernel has, such as nofile or nproc";
        return Err(Problem::new("is no limit of processes", expected));
    }
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|number| *number >= -1 && !text.starts_with('+'))
            .ok_or_else(|| Problem::new("is no limit", LIMIT))
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(Problem::new("begins above what it may be raised to", LIMIT));
    }
    Ok(Ulimit::new(name, soft, hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match device(text) {
            Ok(device) => format!("{} {} {}", device.host, device.container, device.permissions),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn a_device_is_a_path_with_another_and_permissions() {
        for (text, expected) in [
            ("/dev/kvm", "/dev/kvm /dev/kvm rwm"),
            ("/dev/kvm:/dev/x", "/dev/kvm /dev/x rwm"),
            ("/dev/kvm:/dev/x:r", "/dev/kvm /dev/x r"),
            ("/dev/kvm:mr", "/dev/kvm /dev/kvm mr"),
            ("/a:/b:r:w", "refused"),
            ("/a:/b:x", "refused"),
            ("/a:/b:", "refused"),
            ("/a:/b:rr", "refused"),
            ("/a:b", "refused"),
            ("kvm", "refused"),
            ("", "refused"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_is_a_sort_numbers_and_permissions() {
        for text in ["c 42:* rmw", "a *:* rwm", "b 8:0 r"] {
            assert!(rule(text).is_ok(), "{text}");
        }
        for text in ["", "d 1:1 r", "c 1 r", "c 1:1", "c 1:1 x", "c  1:1 r", "c :1 r", "c 1:1 r "] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_is_soft_and_hard() {
        assert_eq!(ulimit("nofile", "1024"), Ok(Ulimit::new("nofile", 1024, 1024)));
        assert_eq!(ulimit("nofile", "1024:2048"), Ok(Ulimit::new("nofile", 1024, 2048)));
        assert_eq!(ulimit("core", "-1"), Ok(Ulimit::new("core", -1, -1)));
        assert_eq!(ulimit("core", "0:-1"), Ok(Ulimit::new("core", 0, -1)));
        for text in
            ["", "a", "1:2:3", "2:1", "-1:5", "-2", "1:", ":1", "+1", "99999999999999999999"]
        {
            assert!(ulimit("nofile", text).is_err(), "{text}");
        }
        assert!(ulimit("nofiles", "1").is_err());
    }
}

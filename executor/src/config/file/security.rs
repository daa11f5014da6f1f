//! Options for the host's security modules.

use std::path::PathBuf;

use super::text::Problem;

const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

/// An option, and what it needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecurityOption {
    /// It is given to the engine as it is.
    Plain(String),
    /// A profile for system calls in a file of this host; the engine is given its content.
    Profile(PathBuf),
}

/// Reads an option: `apparmor=…`, `label=…`, `no-new-privileges[=false]`, and `seccomp=…` with
/// `unconfined`, `builtin`, JSON or a file. A colon may stand for the equals sign.
pub(super) fn option(text: &str) -> Result<SecurityOption, Problem> {
    let expected = "an option such as no-new-privileges, apparmor=NAME or seccomp=FILE";
    if text == NO_NEW_PRIVILEGES {
        return Ok(SecurityOption::Plain(text.to_owned()));
    }
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, value) = match split {
        Some((name, value)) if !value.is_empty() => (name, value),
        _ => return Err(Problem::new("is no security option", expected)),
    };
    // An old form has a colon before the value, which may hold an equals sign.
    let (name, value) = match name.split_once(':') {
        Some((name, _)) => (name, text.get(name.len() + 1..).unwrap_or(value)),
        None => (name, value),
    };
    match name {
        "seccomp" => Ok(match value {
            "unconfined" | "builtin" => SecurityOption::Plain(format!("seccomp={value}")),
            profile if profile.trim_start().starts_with('{') => {
                SecurityOption::Plain(format!("seccomp={}", checked(profile)?))
            }
            path => SecurityOption::Profile(PathBuf::from(path)),
        }),
        NO_NEW_PRIVILEGES => match value {
            "true" => Ok(SecurityOption::Plain(NO_NEW_PRIVILEGES.to_owned())),
            "false" => Ok(SecurityOption::Plain(format!("{NO_NEW_PRIVILEGES}=false"))),
            _ => Err(Problem::new("is neither true nor false", expected)),
        },
        "apparmor" | "label" | "writable-cgroups" => Ok(SecurityOption::Plain(text.to_owned())),
        _ => Err(Problem::new("is no security option for Linux", expected)),
    }
}

/// The content of a profile, if it is JSON.
pub(super) fn checked(profile: &str) -> Result<&str, Problem> {
    match serde_json::from_str::<serde::de::IgnoredAny>(profile) {
        Ok(_) => Ok(profile),
        Err(error) => {
            let problem = format!("is a seccomp profile that is not JSON: {error}");
            Err(Problem::new(problem, "a seccomp profile in JSON"))
        }
    }
}

/// The options of the file, with no-new-privileges unless they say something about it themselves.
pub(super) fn with_default(mut options: Vec<String>) -> Vec<String> {
    if !options.iter().any(|option| option.starts_with(NO_NEW_PRIVILEGES)) {
        options.insert(0, NO_NEW_PRIVILEGES.to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_docker() {
        let plain = |text: &str| Ok(SecurityOption::Plain(text.to_owned()));
        for (text, expected) in [
            ("no-new-privileges", "no-new-privileges"),
            ("no-new-privileges:true", "no-new-privileges"),
            ("no-new-privileges:false", "no-new-privileges=false"),
            ("no-new-privileges=false", "no-new-privileges=false"),
            ("seccomp=unconfined", "seccomp=unconfined"),
            ("seccomp:unconfined", "seccomp=unconfined"),
            ("seccomp={\"a\":\"b=c\"}", "seccomp={\"a\":\"b=c\"}"),
            ("apparmor=docker-default", "apparmor=docker-default"),
            ("label:type:svirt_apache", "label:type:svirt_apache"),
            ("label=disable", "label=disable"),
        ] {
            assert_eq!(option(text), plain(expected), "{text}");
        }
        for text in ["seccomp=/etc/p.json", "seccomp:/etc/p.json"] {
            assert_eq!(option(text), Ok(SecurityOption::Profile("/etc/p.json".into())));
        }
        for text in ["", "seccomp", "seccomp=", "no-new-privileges=maybe", "nope=1", "seccomp={"] {
            assert!(option(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_new_privileges_stays_unless_it_is_named() {
        let merged = |options: &[&str]| {
            with_default(options.iter().map(|option| (*option).to_owned()).collect())
        };
        assert_eq!(merged(&[]), ["no-new-privileges"]);
        assert_eq!(merged(&["apparmor=x"]), ["no-new-privileges", "apparmor=x"]);
        assert_eq!(merged(&["no-new-privileges=false"]), ["no-new-privileges=false"]);
    }
}

//! What the lists let through, and what gets round them: nothing.

use super::*;

fn images(patterns: &[&str]) -> AllowList {
    AllowList::new(AllowKind::Images, patterns.iter().copied()).unwrap()
}

fn allows(patterns: &[&str], image: &str) -> bool {
    images(patterns).check_image(image, &[]).is_ok()
}

#[test]
fn an_empty_list_allows_every_image() {
    for image in ["a", "a/b:c", "sha256:x", ""] {
        assert!(allows(&[], image), "{image}");
    }
}

#[test]
fn the_patterns_are_those_of_gitlab() {
    for (pattern, allowed, refused) in [
        ("ruby:*", &["ruby:3", "ruby:"][..], &["ruby", "a/ruby:3", "ruby:3/x"][..]),
        ("ruby", &["ruby"], &["ruby:latest", "docker.io/library/ruby", "rubyx"]),
        ("*", &["ruby", "ruby:3"], &["a/b", "a.b/c:1"]),
        ("*/*", &["a/b", "a.b/c:1"], &["a", "a/b/c"]),
        ("**", &["a", "a/b", "a.b:5/c/d:e"], &[]),
        ("**/*", &["a", "a/b/c"], &[]),
        ("a.b:5000/**", &["a.b:5000/c", "a.b:5000/c/d:1", "a.b:5000"], &["a.b/c", "xa.b:5000/c"]),
        ("a.b/**/ruby:*", &["a.b/ruby:1", "a.b/c/d/ruby:1"], &["a.b/rubyx:1", "a.b/ruby/x:1"]),
        ("**/ruby", &["ruby", "a/ruby", "a/b/ruby"], &["xruby", "a/xruby"]),
        ("ruby:?", &["ruby:3"], &["ruby:33", "ruby:", "ruby:/"]),
        ("ruby:[1-3]", &["ruby:1", "ruby:3"], &["ruby:4", "ruby:"]),
        ("ruby:[!1-3]", &["ruby:4"], &["ruby:1", "ruby:/"]),
        ("ruby:[^1-3]", &["ruby:4"], &["ruby:1"]),
        ("{ruby,node}:*", &["ruby:1", "node:2"], &["go:1", "{ruby,node}:1"]),
        ("ruby{,:3}", &["ruby", "ruby:3"], &["ruby:4"]),
        ("{a/*,b/**}/x", &["a/c/x", "b/c/d/x"], &["a/c/d/x"]),
        ("a\\*", &["a*"], &["ab"]),
        ("a.b/c", &["a.b/c"], &["axb/c"]),
        ("(a|b)+", &["(a|b)+"], &["a", "ab"]),
    ] {
        for image in allowed {
            assert!(allows(&[pattern], image), "{pattern} should allow {image}");
        }
        for image in refused {
            assert!(!allows(&[pattern], image), "{pattern} should refuse {image}");
        }
    }
}

#[test]
fn an_exclusion_refuses_wherever_it_stands() {
    for list in [["**", "!*/kali*"], ["!*/kali*", "**"]] {
        assert!(allows(&list, "ruby:3"));
        assert!(allows(&list, "team/tool"));
        let error = images(&list).check_image("kalilinux/kali-rolling", &[]).unwrap_err();
        assert!(
            matches!(&error, AllowError::Excluded { pattern, .. } if pattern == "!*/kali*"),
            "{error:?}"
        );
    }
}

#[test]
fn another_spelling_does_not_get_round_an_exclusion() {
    const DIGEST: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for (exclusion, image) in [
        ("!*/kali*", "docker.io/kalilinux/kali-rolling"),
        ("!*/kali*", "index.docker.io/kalilinux/kali-rolling:1"),
        ("!*/kali*", "Docker.IO/kalilinux/kali-rolling"),
        ("!*/kali*", "registry-1.docker.io/kalilinux/kali-rolling"),
        ("!*/kali*", "registry.hub.docker.com/kalilinux/kali-rolling"),
        ("!*/kali*", "docker.io:443/kalilinux/kali-rolling"),
        ("!docker.io/evil/**", "evil/tool"),
        ("!docker.io/evil/**", "evil/a/b:c"),
        ("!evil/tool", "evil/tool:1"),
        ("!evil/tool", &format!("evil/tool{DIGEST}")),
        ("!evil/tool:1", &format!("evil/tool:1{DIGEST}")),
        ("!evil/tool:latest", "evil/tool"),
        ("!ruby", "docker.io/library/ruby"),
        ("!ruby", "library/ruby:3"),
        ("!docker.io/library/ruby", "ruby"),
        ("!evil.example/**", "EVIL.example/x"),
        ("!evil.example/**", "evil.example:443/x"),
        ("!**/tool", "a.b:5/c/tool:9"),
        ("!evil.example/**", "EVIL.example/not a reference"),
    ] {
        let result = images(&["**", exclusion]).check_image(image, &[]);
        assert!(matches!(result, Err(AllowError::Excluded { .. })), "{exclusion} {image}");
    }
}

#[test]
fn an_exclusion_does_not_take_an_official_image_for_a_teams() {
    assert!(allows(&["**", "!*/*"], "ruby"));
    assert!(!allows(&["**", "!*/*"], "team/ruby"));
    assert!(allows(&["**", "!ruby:2"], "ruby:3"));
    assert!(allows(&["**", "!evil.example/**"], "evil.example:5000/x"));
}

#[test]
fn a_spelling_that_no_pattern_has_is_not_allowed_by_another() {
    assert!(!allows(&["ruby:*"], "docker.io/library/ruby:3"));
    assert!(!allows(&["docker.io/**"], "ruby"));
}

#[test]
fn the_configured_images_are_allowed_whatever_the_list_says() {
    let list = images(&["node:*", "!ruby:*"]);
    assert_eq!(list.check_image("ruby:3", &["x", "ruby:3"]), Ok(()));
    assert!(list.check_image("ruby:3.1", &["x", "ruby:3"]).is_err());
}

#[test]
fn a_list_of_exclusions_alone_allows_nothing() {
    let error = images(&["!a"]).check_image("b", &[]).unwrap_err();
    assert!(matches!(error, AllowError::NotAllowed { .. }));
    assert!(error.hint().contains("**"));
}

#[test]
fn a_pattern_that_cannot_be_read_is_an_error() {
    for pattern in ["[a", "!{a", "a}", "!*/[", "a\\", "[z-a]"] {
        let result = AllowList::new(AllowKind::Services, ["**", pattern]);
        assert!(
            matches!(&result, Err(AllowError::Pattern { pattern: named, kind, .. })
                if named == pattern && *kind == AllowKind::Services),
            "{pattern}: {result:?}"
        );
    }
}

#[test]
fn a_refusal_names_the_list_and_what_is_in_it() {
    let list = AllowList::new(AllowKind::PrivilegedImages, ["dind:*"]).unwrap();
    let error = list.check_image("ruby", &[]).unwrap_err();
    assert_eq!(
        error,
        AllowError::NotAllowed {
            kind: AllowKind::PrivilegedImages,
            value: "ruby".to_owned(),
            patterns: vec!["dind:*".to_owned()],
        }
    );
    assert!(error.to_string().contains("allowed_privileged_images"));
}

#[test]
fn a_user_is_allowed_by_list_or_by_the_configuration() {
    const NONE: &[&str] = &[];
    for (patterns, configured, user, allowed) in [
        (NONE, None, "", true),
        (NONE, None, "root", true),
        (NONE, Some(""), "root", true),
        (NONE, Some("ci"), "ci", true),
        (NONE, Some("ci"), "", true),
        (NONE, Some("ci"), "root", false),
        (&["ci"], None, "", true),
        (&["ci"], None, "ci", true),
        (&["ci"], None, "cii", false),
        (&["ci"], None, "root", false),
        (&["ci"], Some("app"), "app", true),
        (&["ci"], Some("app"), "ci", true),
        (&["100?:*"], None, "1001:5", true),
        (&["100?:*"], None, "1001", false),
        (&["NT\\name"], None, "NT\\name", true),
        (&["*", "!root"], None, "ci", true),
        (&["*", "!root"], None, "root", false),
        (&["*", "!root"], None, "0", false),
        (&["*", "!root"], None, "00", false),
        (&["*", "!root"], None, "+0", false),
        (&["*", "!root"], None, "-0", false),
        (&["*", "!root"], None, "0:0", false),
        (&["*", "!root"], None, "root:ci", false),
        (&["*", "!root"], None, ":5", false),
        (&["*", "!0"], None, "root", false),
        (&["*", "!ContainerAdministrator"], None, "containeradministrator", false),
        (&["**", "!NT\\name"], None, "NT\\name", false),
        (&["*", "!5"], None, "05:1", false),
    ] {
        let list = AllowList::new(AllowKind::Users, patterns.iter().copied()).unwrap();
        let result = list.check_user(user, configured);
        assert_eq!(result.is_ok(), allowed, "{patterns:?} {configured:?} {user:?}");
    }
}

//! Who gets which credential, and above all who gets none.

use super::*;

/// The Base64 of `USER:pw`, with the user told by the letter.
fn auths(pairs: &[(&str, &str)]) -> AuthConfig {
    let entries: serde_json::Map<_, _> = pairs
        .iter()
        .map(|(key, user)| {
            ((*key).to_owned(), serde_json::json!({ "username": user, "password": "pw" }))
        })
        .collect();
    config(&serde_json::json!({ "auths": entries }).to_string())
}

fn config(text: &str) -> AuthConfig {
    AuthConfig::parse("here", text).unwrap()
}

fn image(text: &str) -> RegistryImage {
    RegistryImage::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn known(sources: &CredentialSources, text: &str) -> Vec<String> {
    let lookups = sources.lookups(&image(text)).into_iter();
    lookups
        .map(|lookup| match lookup.unwrap() {
            Lookup::Known(credential) => credential.username,
            Lookup::Helper { name, server } => format!("{name}({server})"),
        })
        .collect()
}

fn user(config: AuthConfig) -> CredentialSources {
    CredentialSources { user: Some(config), ..CredentialSources::default() }
}

#[test]
fn the_longest_path_wins_and_then_gitlabs_order() {
    let sources = CredentialSources {
        variable: Some(auths(&[("a.b", "variable"), ("a.b/team", "variable-team")])),
        user: Some(auths(&[("a.b", "user"), ("a.b/team/tool", "user-tool")])),
        job: vec![
            RegistryLogin::new("a.b", "job", "pw"),
            RegistryLogin::new("https://a.b/team", "job-team", "pw"),
        ],
    };
    assert_eq!(
        known(&sources, "a.b/team/tool:1"),
        ["user-tool", "variable-team", "job-team", "variable", "user", "job"]
    );
    assert_eq!(known(&sources, "a.b/other"), ["variable", "user", "job"]);
    assert_eq!(known(&sources, "a.b/team/toolbox")[0], "variable-team");
    assert_eq!(known(&sources, "a.b/teams/tool"), ["variable", "user", "job"]);
    assert!(known(&sources, "a.c/team/tool").is_empty());
    assert!(known(&sources, "team/tool").is_empty());
}

#[test]
fn dockers_own_registry_goes_by_each_of_its_keys() {
    for key in [
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1",
        "https://index.docker.io/v2/",
        "https://index.docker.io/",
        "http://index.docker.io/v1/",
        "HTTPS://Index.Docker.io/v1/",
        "index.docker.io",
        "index.docker.io/v1/",
        "https://docker.io",
        "docker.io",
        "docker.io/",
        "docker.io/library",
    ] {
        for text in [
            "ruby",
            "ruby:3",
            "library/ruby",
            "docker.io/ruby",
            "index.docker.io/ruby",
            "DOCKER.IO/library/ruby",
        ] {
            let lookups = user(auths(&[(key, "hub")])).lookups(&image(text));
            let [Ok(Lookup::Known(credential))] = lookups.as_slice() else {
                panic!("{key} {text}: {lookups:?}");
            };
            assert_eq!(credential.server, "https://index.docker.io/v1/", "{key} {text}");
        }
    }
    assert!(known(&user(auths(&[("docker.io/library", "hub")])), "team/tool").is_empty());
}

#[test]
fn a_credential_names_the_images_registry_however_the_key_is_spelled() {
    let lookups = user(auths(&[("https://A.b:5000/v2/", "ci")])).lookups(&image("a.B:5000/c"));
    assert!(matches!(lookups.as_slice(),
        [Ok(Lookup::Known(Credential { server, .. }))] if server == "a.b:5000"));
}

/// Hosts that are not `docker.io`, `registry.example:5000` or `registry.example`, for which there
/// are credentials, although they look like it.
const STRANGERS: &[&str] = &[
    // What goes on after the name, or before.
    "docker.io.evil.example",
    "docker.io.evil",
    "evil.docker.io",
    "evildocker.io",
    "docker.iox",
    "docker.i",
    "docker",
    "docker.io.",
    "docker.io..",
    ".docker.io",
    "docker..io",
    "docker-io",
    "docker_io",
    "xdocker.io",
    "www.docker.io",
    "hub.docker.com",
    "docker.com",
    "index.docker.io.",
    "index.docker.io.evil.example",
    "evil.index.docker.io",
    "index-docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "auth.docker.io",
    "index.index.docker.io",
    "docker.io-evil.example",
    "evil.example",
    "localhost",
    "evil.registry.example",
    "registry.example.evil",
    "registry.example.evil.example",
    "registry-example",
    "registryxexample",
    "xregistry.example",
    "registry.example.",
    "registry.examplex",
    "registry.exampl",
    "registry..example",
    "example",
    "registry",
    "egistry.example",
    "*.example",
    "registry.*",
    "*",
    "re?istry.example",
    // Other ports, and what is no port.
    "docker.io:443",
    "docker.io:80",
    "docker.io:5000",
    "docker.io:",
    "docker.io:0",
    "docker.io:x",
    "index.docker.io:443",
    "registry.example:443",
    "registry.example:80",
    "registry.example:5001",
    "registry.example:50000",
    "registry.example:500",
    "registry.example:05000",
    "registry.example:5000.",
    "registry.example:5000:5000",
    "registry.example:+5000",
    "registry.example:",
    "registry.example.:5000",
    "registry.example:65536",
    "registry.example:-1",
    "registry.example:5000x",
    "registry.example: 5000",
    // Users, schemes, queries, escapes.
    "docker.io@evil.example",
    "user@docker.io",
    "user:pw@docker.io",
    "docker.io:pw@evil.example",
    "registry.example@evil.example",
    "registry.example:5000@evil.example",
    "evil.example@registry.example:5000",
    "evil.example:pw@registry.example",
    "https:",
    "http:",
    "docker.io#",
    "docker.io?",
    "docker.io#evil.example",
    "docker.io%00",
    "docker.io%2eevil.example",
    "docker.io\\evil.example",
    "evil.example\\docker.io",
    "docker.io;",
    "docker.io,evil.example",
    "docker.io&",
    "docker.io evil.example",
    " docker.io",
    "docker.io ",
    "docker.io\t",
    "docker.io\n",
    "docker.io\r\nHost:evil.example",
    "docker.io\0",
    "\0docker.io",
    "docker.io\0.evil.example",
    "$docker.io",
    "~",
    "..",
    ".",
    "-docker.io",
    "docker.io-",
    // Letters that look the same, or fold to the same.
    "dосker.io",
    "docker.iо",
    "ԁocker.io",
    "ｄocker.io",
    "docker。io",
    "docker．io",
    "docker․io",
    "do\u{0441}ker.io",
    "docker.\u{0131}o",
    "DOC\u{212a}ER.IO",
    "doc\u{212a}er.io",
    "regi\u{017f}try.example",
    "registrу.example",
    "registry.exampłe",
    "registry.éxample",
    "xn--dcker-jye.io",
    "xn--docker.io",
    "docker.xn--io",
    "registry.xn--exampl-gva",
    "docker\u{200b}.io",
    "docker.io\u{200b}",
    "\u{202e}oi.rekcod",
    "docker\u{00ad}.io",
    "\u{feff}docker.io",
    "docker.io\u{ff0f}evil.example",
    "registry.example\u{2044}x",
    // Addresses.
    "127.0.0.1",
    "127.0.0.1:5000",
    "[::1]",
    "[::1]:5000",
    "::1",
    "0x7f.1",
    "2130706433",
    "0",
    "169.254.169.254",
    "localhost:5000",
    "localhost.",
    "LOCALHOST:5001",
];

#[test]
fn a_hostile_reference_gets_no_credential() {
    // The part of `registry.example` without a port is for one team only.
    let keys = [
        ("https://index.docker.io/v1/", "hub"),
        ("registry.example:5000", "ci"),
        ("registry.example/team", "team"),
    ];
    let job = keys.iter().map(|(key, name)| RegistryLogin::new(*key, *name, "pw")).collect();
    let sources = CredentialSources { variable: Some(auths(&keys)), user: Some(auths(&keys)), job };

    let mut seen = std::collections::BTreeSet::new();
    for host in STRANGERS {
        for path in ["team/tool", "docker.io/library/ruby", "registry.example/team/x:1"] {
            let text = format!("{host}/{path}");
            let Ok(image) = RegistryImage::parse(&text) else {
                assert!(seen.insert(text));
                continue;
            };
            // A word without dot, colon or capital is no host: that is a path on Docker's registry.
            let expected = if image.registry == "docker.io" { vec!["hub"; 3] } else { vec![] };
            let plain =
                host.bytes().all(|b| b.is_ascii_lowercase() || b"-_0123456789".contains(&b));
            assert_eq!(image.registry == "docker.io", plain && *host != "localhost", "{text}");
            assert_eq!(known(&sources, &text), expected, "{text}");
            assert!(seen.insert(text));
        }
    }
    assert!(seen.len() >= 200, "{}", seen.len());

    for path in ["x", "teams/x", "tea/x", "xteam/x", "te-am/x", "x/team", "team.x/y", "team-x/y"] {
        assert!(known(&sources, &format!("registry.example/{path}")).is_empty(), "{path}");
    }
    for path in ["registry.example/team", "registry.example/team/x", "registry.example/team:1"] {
        assert_eq!(known(&sources, path), ["team"; 3], "{path}");
    }
}

#[test]
fn a_hostile_key_is_for_no_image() {
    let mut count = 0;
    for host in STRANGERS.iter().filter(|host| !["localhost", ""].contains(host)) {
        for key in [
            (*host).to_owned(),
            format!("https://{host}"),
            format!("https://{host}/v1/"),
            format!("{host}/library"),
        ] {
            let sources = user(auths(&[(&key, "stranger")]));
            for text in ["ruby", "registry.example:5000/team/tool", "registry.example/team/tool"] {
                assert!(known(&sources, text).is_empty(), "{key:?} opened {text}");
                count += 1;
            }
        }
    }
    assert!(count >= 1000, "{count}");
    for key in [
        "",
        "/",
        "//",
        "https://",
        "https:///v1/",
        "https://docker.io//v1/",
        "docker.io/v1/library",
        "docker.io/../docker.io",
        "ftp://docker.io",
        "https://https://docker.io",
        "//docker.io",
        "docker.io/v1?x",
        "docker.io/Library",
        "docker.io/library/./ruby",
    ] {
        assert!(known(&user(auths(&[(key, "stranger")])), "ruby").is_empty(), "{key:?}");
    }
}

#[test]
fn a_registrys_helper_goes_before_the_store_and_both_before_what_stands_there() {
    let sources = user(config(
        r#"{
            "auths": {
                "a.b": { "username": "plain" },
                "https://c.d/v1/": {},
                "e.f/team": { "username": "" },
                "https://index.docker.io/v1/": {}
            },
            "credsStore": "store",
            "credHelpers": { "a.b": "own", "g.h": "", "https://i.j": "own", "k.l/team": "own" }
        }"#,
    ));
    assert_eq!(known(&sources, "a.b/x"), ["own(a.b)", "plain"]);
    assert_eq!(known(&sources, "c.d/x"), ["store(https://c.d/v1/)"]);
    assert_eq!(known(&sources, "e.f/team/x"), ["store(e.f/team)", "store(e.f)"]);
    assert_eq!(known(&sources, "g.h/x"), ["store(g.h)"]);
    assert_eq!(known(&sources, "i.j/x"), ["own(i.j)"]);
    assert_eq!(known(&sources, "k.l/team/x"), ["own(k.l/team)", "store(k.l)"]);
    assert_eq!(known(&sources, "other.example:5000/x"), ["store(other.example:5000)"]);
    assert_eq!(known(&sources, "ruby"), ["store(https://index.docker.io/v1/)"]);
    let helper = user(config(r#"{"credHelpers":{"docker.io":"own"}}"#));
    assert_eq!(known(&helper, "ruby"), ["own(https://index.docker.io/v1/)"]);
}

#[test]
fn a_helpers_name_that_leads_elsewhere_is_refused() {
    for name in ["../x", "a/b", "/bin/sh", "a\\b", "a b", "a;b", "a\u{0}", "ä", "a\n", "$x", "C:x"]
    {
        for text in [
            serde_json::json!({ "credsStore": name }),
            serde_json::json!({ "credHelpers": { "docker.io": name } }),
        ] {
            let lookups = user(config(&text.to_string())).lookups(&image("ruby"));
            assert!(
                matches!(lookups.as_slice(), [Err(CredentialError::HelperName { .. })]),
                "{name:?}: {lookups:?}"
            );
        }
    }
}

#[test]
fn a_source_without_helpers_still_has_what_stands_there() {
    let text = r#"{"auths":{"a.b":{"username":"plain"}},"credsStore":"desktop"}"#;
    let sources = user(config(text).without_helpers());
    assert_eq!(known(&sources, "a.b/x"), ["plain"]);
    let lookups = sources.lookups(&image("c.d/x"));
    assert!(matches!(lookups.as_slice(), [Err(CredentialError::HelperRefused { .. })]));
}

#[test]
fn a_broken_entry_is_an_error_only_for_who_needs_it() {
    let sources = user(config(
        r#"{"auths":{"a.b/team":{"username":"team"},"a.b":{"auth":"%"},"c.d":{"username":"ci"}}}"#,
    ));
    assert_eq!(known(&sources, "c.d/x"), ["ci"]);
    let lookups = sources.lookups(&image("a.b/x"));
    assert!(
        matches!(lookups.as_slice(), [Err(CredentialError::Encoding { key, .. })] if key == "a.b")
    );
    let lookups = sources.lookups(&image("a.b/team/x"));
    assert!(matches!(lookups.as_slice(), [Ok(_), Err(_)]));
}

#[tokio::test]
async fn the_first_place_that_has_one_counts() {
    let image = image("a.b/team/x");
    let helpers = CredentialHelpers::default();
    let sources = user(config(r#"{"auths":{"a.b/team":{"username":"team"},"a.b":{"auth":"%"}}}"#));
    let found = sources.resolve(&image, &helpers).await;
    assert_eq!((found.credential.unwrap().username.as_str(), found.broken.len()), ("team", 0));
    let found = CredentialSources::default().resolve(&image, &helpers).await;
    assert_eq!((found.credential, found.broken.len()), (None, 0));
}

/// Who opens `a.b/team/x`, and what is reported of the sources.
async fn resolved(sources: &CredentialSources) -> (Option<String>, Vec<String>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helpers");
    let helpers = CredentialHelpers { folder: Some(folder), ..CredentialHelpers::default() };
    let found = sources.resolve(&image("a.b/team/x"), &helpers).await;
    let user = found.credential.map(|credential| credential.username);
    (user, found.broken.into_iter().map(|broken| broken.why).collect())
}

#[cfg(unix)]
#[tokio::test]
async fn a_broken_source_is_reported_and_the_next_one_used() {
    let malformed =
        AuthConfig::broken(AuthConfig::parse("VAR", r#"{"auths": "s3cret"#).unwrap_err());
    let good = r#"{"auths":{"a.b":{"username":"ci"}}}"#;
    let of_job = || vec![RegistryLogin::new("a.b", "job", "p")];

    let mut sources = user(config(good));
    sources.variable = Some(malformed.clone().without_helpers());
    let (found, broken) = resolved(&sources).await;
    assert_eq!(found.as_deref(), Some("ci"));
    assert_eq!(broken, ["VAR is not a Docker configuration: line 1, column 17"]);

    for (text, why) in [
        (r#"{"credsStore":"absent"}"#, "the credential helper \"absent\" cannot be run"),
        (r#"{"credHelpers":{"a.b":"absent"}}"#, "the credential helper \"absent\" cannot be run"),
        (r#"{"credHelpers":{"a.b":"../x"}}"#, "\"../x\" in here is not a credential helper's name"),
        (r#"{"auths":{"a.b":{"auth":"%"}}}"#, "the auth for \"a.b\" in here is not a user"),
        (r#"{"auths":{"a.b/team":{"auth":"%"}}}"#, "the auth for \"a.b/team\" in here is not"),
    ] {
        let mut sources = user(config(text));
        let (found, broken) = resolved(&sources).await;
        assert_eq!(found, None, "{text}");
        assert_eq!(broken.len(), 1, "each fault once: {broken:?}");
        assert!(broken[0].starts_with(why), "{broken:?}");
        sources.job = of_job();
        assert_eq!(resolved(&sources).await.0.as_deref(), Some("job"), "{text}");
    }

    let sources = CredentialSources {
        variable: Some(config(r#"{"credsStore":"desktop"}"#).without_helpers()),
        user: Some(malformed),
        job: of_job(),
    };
    let (found, broken) = resolved(&sources).await;
    assert_eq!((found.as_deref(), broken.len()), (Some("job"), 2), "{broken:?}");
}

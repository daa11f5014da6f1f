//! Names on their way into URLs: a hundred thousand hostile ones of each kind are refused, or arrive at a
//! socket in the one place where they belong.

#![cfg(feature = "bollard")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use docker_api_trait::{
    ApiError, ArchiveApi as _, BollardDocker, ContainerApi as _, ContainerId, ContainerName,
    ContainerRequest, Endpoint, ExecApi as _, ExecId, ExecRequest, ImageApi as _, ImageReference,
    LabelFilter, NetworkApi as _, NetworkId, NetworkName, PullRequest, Signal, VolumeApi as _,
    VolumeName, WaitCondition,
};
use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

/// Of each kind. Most are refused, which costs nothing.
const NAMES: u64 = 100_000;
/// Of those that are not, how many of each kind are sent.
const SENT: usize = 600;

/// A socket that writes down each request's first line, and says that there is nothing of that name.
struct Capture {
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Capture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(write_down(connection, Arc::clone(&written)));
            }
        });
        Self { folder, lines }
    }

    fn engine(&self) -> BollardDocker {
        BollardDocker::new(Endpoint::Unix(self.folder.path().join("socket"))).unwrap()
    }

    /// The path and the query of the one request since the last look.
    #[track_caller]
    fn take(&self) -> Request {
        let lines: Vec<_> = self.lines.lock().unwrap().drain(..).collect();
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        Request::read(line)
    }
}

async fn write_down(mut connection: UnixStream, lines: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&piece[..length]),
        }
    }
    let head = String::from_utf8(head).unwrap();
    lines.lock().unwrap().push(head.lines().next().unwrap().to_owned());
    let reply = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}";
    let _ = connection.write_all(reply).await;
    // What else is sent is taken, so that the sender does not meet a closed door.
    while matches!(connection.read(&mut piece).await, Ok(length) if length > 0) {}
}

#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
}

impl Request {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = words.as_slice() else { panic!("{line:?}") };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Self { method: (*method).to_owned(), path: path.to_owned(), query: pairs.collect() }
    }

    fn value(&self, key: &str) -> Vec<&str> {
        let values = self.query.iter().filter(|(name, _)| name == key);
        values.map(|(_, value)| value.as_str()).collect()
    }
}

/// As an engine reads a query.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                plain.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 2;
            }
            b'+' => plain.push(b' '),
            byte => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8(plain).unwrap()
}

/// Each left its place in the URL in the client library below us, or might.
const FRAGMENTS: [&str; 48] = [
    "..",
    "../",
    "/../",
    "/",
    "//",
    ".",
    "./",
    "?",
    "?force=true",
    "&",
    "&force=1",
    "=",
    "#",
    "#x",
    "%",
    "%2e%2e",
    "%2f",
    "%2F..",
    "%00",
    "%0d%0a",
    "%252e",
    "\\",
    "..\\",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r\nHost: x\r\n\r\n",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{202e}",
    "\u{200b}",
    "\u{ff0f}",
    "\u{2024}",
    "\u{feff}",
    ":",
    "@",
    ";",
    ",",
    "*",
    "~",
    "\"",
    "'",
    "<",
    "|",
    "http://h/",
    "containers/x",
];
const WORDS: [&str; 16] = [
    "a",
    "ab",
    "cache",
    "x-1",
    "Berth_2.0",
    "0",
    "json",
    "prune",
    "create",
    "-",
    "_",
    ".",
    "busybox",
    "registry.example",
    "latest",
    "sha256",
];

/// Mostly broken by one fragment, sometimes by many, sometimes only words.
fn hostile(numbers: &mut Rng) -> String {
    let mut name = String::new();
    let parts = 1 + numbers.usize(..5);
    let harmless = numbers.usize(..8) == 0;
    for _ in 0..parts {
        name.push_str(numbers.choice(WORDS).unwrap());
        if !harmless && numbers.usize(..2) == 0 {
            name.push_str(numbers.choice(FRAGMENTS).unwrap());
        }
    }
    match numbers.usize(..40) {
        0 => name = name.repeat(1 + numbers.usize(..200)),
        1 => name.clear(),
        2 => name.insert_str(0, numbers.choice(FRAGMENTS).unwrap()),
        _ => {}
    }
    name
}

/// An id, most often with a digit replaced, one too few, or one too many.
fn hostile_id(numbers: &mut Rng) -> String {
    const DIGITS: [&str; 16] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
    let length = [64, 64, 64, 63, 65, 12][numbers.usize(..6)];
    let mut id: Vec<&str> = (0..length).map(|_| numbers.choice(DIGITS).unwrap()).collect();
    for _ in 0..numbers.usize(..3) {
        let at = numbers.usize(..id.len());
        let of_id = numbers.usize(..2) == 0;
        id[at] = if of_id {
            numbers.choice(["A", "F", "g", "\u{661}", "\u{ff10}"]).unwrap()
        } else {
            numbers.choice(FRAGMENTS).unwrap()
        };
    }
    id.concat()
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (2..=255).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(legal)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Up to `SENT` accepted names of `NAMES` hostile ones; what is accepted is of the strict form.
fn accepted<T>(
    seed: u64,
    generate: fn(&mut Rng) -> String,
    strict: fn(&str) -> bool,
    read: fn(String) -> Option<T>,
) -> Vec<(String, T)> {
    let mut numbers = Rng::with_seed(seed);
    let mut kept = Vec::new();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for _ in 0..NAMES {
        let text = generate(&mut numbers);
        if let Some(name) = read(text.clone()) {
            assert!(strict(&text), "{text:?} was accepted");
            taken += 1;
            if kept.len() < SENT {
                kept.push((text, name));
            }
        } else {
            assert!(!strict(&text), "{text:?} was refused");
            refused += 1;
        }
    }
    assert!(taken > 1000 && refused > 10_000, "{taken} taken, {refused} refused");
    kept
}

#[track_caller]
fn assert_went_to(request: &Request, method: &str, path: &str, keys: &[&str]) {
    assert_eq!((request.method.as_str(), request.path.as_str()), (method, path), "{request:?}");
    for (key, _) in &request.query {
        assert!(keys.contains(&key.as_str()), "{key} was smuggled in: {request:?}");
    }
}

#[track_caller]
fn assert_not_found<T>(reply: Result<T, ApiError>) {
    match reply {
        Err(ApiError::NotFound { .. }) => {}
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("the capture finds nothing"),
    }
}

#[tokio::test]
async fn a_hundred_thousand_volume_names_are_refused_or_stay_in_their_place() {
    let (capture, names) =
        (Capture::new(), accepted(1, hostile, is_name, |t| VolumeName::new(t).ok()));
    let engine = capture.engine();
    for (text, name) in names {
        let path = format!("/volumes/{text}");
        assert_not_found(engine.remove_volume(&name).await);
        assert_went_to(&capture.take(), "DELETE", &path, &["force"]);
        assert_not_found(engine.inspect_volume(&name).await);
        assert_went_to(&capture.take(), "GET", &path, &[]);
    }
}

#[tokio::test]
async fn a_hundred_thousand_container_ids_are_refused_or_stay_in_their_place() {
    let (capture, ids) =
        (Capture::new(), accepted(2, hostile_id, is_id, |text| ContainerId::new(text).ok()));
    let engine = capture.engine();
    for (number, (text, id)) in ids.into_iter().enumerate() {
        let path = |end: &str| format!("/containers/{text}{end}");
        match number % 8 {
            0 => {
                assert_not_found(engine.inspect_container(&id).await);
                assert_went_to(&capture.take(), "GET", &path("/json"), &["size"]);
            }
            1 => {
                assert_not_found(engine.start_container(&id).await);
                assert_went_to(&capture.take(), "POST", &path("/start"), &["detachKeys"]);
            }
            2 => {
                assert_not_found(engine.kill_container(&id, Signal::Kill).await);
                assert_went_to(&capture.take(), "POST", &path("/kill"), &["signal"]);
            }
            3 => {
                assert_not_found(engine.stop_container(&id, Duration::from_secs(1)).await);
                assert_went_to(&capture.take(), "POST", &path("/stop"), &["t", "signal"]);
            }
            4 => {
                assert_not_found(engine.remove_container(&id).await);
                assert_went_to(&capture.take(), "DELETE", &path(""), &["v", "force", "link"]);
            }
            5 => {
                assert_not_found(engine.wait_container(&id, WaitCondition::NextExit).await);
                assert_went_to(&capture.take(), "POST", &path("/wait"), &["condition"]);
            }
            6 => {
                let request = ExecRequest::new(["true"]);
                assert_not_found(engine.create_exec(&id, &request).await);
                assert_went_to(&capture.take(), "POST", &path("/exec"), &[]);
            }
            _ => {
                assert_not_found(engine.inspect_path(&id, "/x").await);
                assert_went_to(&capture.take(), "HEAD", &path("/archive"), &["path"]);
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_container_names_are_refused_or_stay_one_value_of_the_query() {
    let (capture, names) =
        (Capture::new(), accepted(3, hostile, is_name, |text| ContainerName::new(text).ok()));
    let engine = capture.engine();
    for (text, name) in names {
        let request = ContainerRequest::new(name, "busybox".parse().unwrap());
        assert_not_found(engine.create_container(&request).await);
        let sent = capture.take();
        assert_went_to(&sent, "POST", "/containers/create", &["name", "platform"]);
        assert_eq!(sent.value("name"), [text]);
    }
}

#[tokio::test]
async fn a_hundred_thousand_exec_and_network_ids_are_refused_or_stay_in_their_place() {
    let capture = Capture::new();
    let engine = capture.engine();
    for (text, id) in accepted(4, hostile_id, is_id, |text| ExecId::new(text).ok()) {
        assert_not_found(engine.inspect_exec(&id).await);
        assert_went_to(&capture.take(), "GET", &format!("/exec/{text}/json"), &[]);
    }
    for (number, (text, id)) in
        accepted(5, hostile_id, is_id, |text| NetworkId::new(text).ok()).into_iter().enumerate()
    {
        if number % 2 == 0 {
            assert_not_found(engine.remove_network(&id).await);
            assert_went_to(&capture.take(), "DELETE", &format!("/networks/{text}"), &[]);
        } else {
            assert_not_found(engine.inspect_network(&id).await);
            let keys = ["verbose", "scope"];
            assert_went_to(&capture.take(), "GET", &format!("/networks/{text}"), &keys);
        }
    }
    // A network's name is in bodies alone.
    let names = accepted(6, hostile, is_name, |text| NetworkName::new(text).ok());
    assert_eq!(names.len(), SENT);
}

/// What an image's reference may be made of; each part between slashes begins with a letter or digit.
fn is_reference(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    let begins = |part: &str| part.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    (1..=512).contains(&text.len()) && text.bytes().all(legal) && text.split('/').all(begins)
}

#[tokio::test]
async fn a_hundred_thousand_image_references_are_refused_or_stay_in_their_place() {
    let (capture, images) =
        (Capture::new(), accepted(7, hostile, is_reference, |text| ImageReference::new(text).ok()));
    let engine = capture.engine();
    for (text, image) in images {
        assert_not_found(engine.inspect_image(&image).await);
        assert_went_to(&capture.take(), "GET", &format!("/images/{text}/json"), &["manifests"]);
        assert_not_found(engine.pull_image(&PullRequest::new(image)).await.map(drop));
        let sent = capture.take();
        let keys = ["fromImage", "platform", "fromSrc", "repo", "tag", "message", "changes"];
        assert_went_to(&sent, "POST", "/images/create", &keys);
        let [named] = sent.value("fromImage")[..] else { panic!("{sent:?}") };
        assert!(named.starts_with(&text), "{named} is not {text}");
    }
}

/// Texts that are no names go into the query, where they are escaped: paths, platforms, labels.
#[tokio::test]
async fn what_is_no_name_cannot_leave_its_value_in_the_query() {
    let capture = Capture::new();
    let engine = capture.engine();
    let mut numbers = Rng::with_seed(8);
    let id = ContainerId::new("0".repeat(64)).unwrap();
    for _ in 0..SENT {
        let text = hostile(&mut numbers);
        let path = format!("/{text}");
        assert_not_found(engine.download_archive(&id, &path).await.map(drop));
        let sent = capture.take();
        assert_went_to(&sent, "GET", &format!("/containers/{id}/archive"), &["path"]);
        assert_eq!(sent.value("path"), [path.as_str()]);

        let mut request = PullRequest::new("busybox".parse().unwrap());
        request.platform = Some(text.clone());
        assert_not_found(engine.pull_image(&request).await.map(drop));
        let sent = capture.take();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/images/create"));
        assert_eq!(sent.value("fromImage"), ["busybox:latest"]);
        assert!(sent.value("platform").iter().all(|value| *value == text), "{sent:?}");

        let labels = [LabelFilter::equals(text.clone(), text.clone())];
        assert_not_found(engine.list_volumes(&labels).await);
        let sent = capture.take();
        assert_went_to(&sent, "GET", "/volumes", &["filters"]);
        let filters: serde_json::Value = serde_json::from_str(sent.value("filters")[0]).unwrap();
        assert_eq!(filters["label"], serde_json::json!([format!("{text}={text}")]));
    }
}

#[test]
fn names_that_have_left_their_place_before_are_refused() {
    let regressions = [
        "../containers/x",
        "x?force=true",
        "x#",
        "",
        "%2e%2e",
        "\t",
        "x\t",
        "../images/busybox:local",
        "..",
        ".",
        "x/../y",
        "x%2fy",
        "x&y",
        "x y",
        "x\r\nDELETE /volumes/y",
        "x\0",
    ];
    for text in regressions {
        assert!(VolumeName::new(text).is_err(), "{text:?}");
        assert!(ContainerName::new(text).is_err(), "{text:?}");
        assert!(NetworkName::new(text).is_err(), "{text:?}");
        assert!(ImageReference::new(text).is_err(), "{text:?}");
        for id in [
            text.to_owned(),
            format!("{text:0<64}"),
            format!("{}{text}", "0".repeat(64 - text.len().min(64))),
        ] {
            let is_digits = is_id(&id);
            assert_eq!(ContainerId::new(id.clone()).is_ok(), is_digits, "{id:?}");
            assert_eq!(NetworkId::new(id.clone()).is_ok(), is_digits, "{id:?}");
            assert_eq!(ExecId::new(id.clone()).is_ok(), is_digits, "{id:?}");
        }
    }
}

//! Faults within bodies, streams and uploads.

use super::*;

#[tokio::test]
async fn a_body_breaks_off_or_stalls_after_so_many_bytes() {
    for bytes in [0, 1, VERSION.len() - 1] {
        let (proxy, _engine) = chain(Reply::json(200, VERSION));
        proxy.inject(Rule::after(Requests::any().nth(0), WireFault::CutBody(bytes)));
        proxy.inject(Rule::after(Requests::any().nth(1), WireFault::StallBody(bytes)));
        let mut client = ask(&proxy.socket(), GET).await;
        let reply = read_all(&mut client).await;
        assert!(
            reply.ends_with(&VERSION.as_bytes()[..bytes]) && reply.starts_with(b"HTTP/1.1 200")
        );
        let whole = reply.len();
        let mut client = ask(&proxy.socket(), GET).await;
        assert_eq!(read(&mut client, whole).await, reply);
        timeout(SHORT, client.read_u8()).await.unwrap_err();
        // A body cut there is no reply.
        proxy.heal();
        proxy.inject(Rule::after(Requests::any(), WireFault::CutBody(bytes)));
        let error = adapter(&proxy).version().await.unwrap_err();
        assert!(error.effect_unknown() && error.is_transient(), "{error:?}");
    }
}

#[tokio::test]
async fn a_request_body_breaks_off_before_the_engine_has_it() {
    let raw = Raw::new();
    raw.proxy.inject(Rule::before(Requests::to("PUT", "/up"), WireFault::CutBody(3)));
    let head = b"PUT /up HTTP/1.1\r\nContent-Length: 6\r\n\r\n";
    let mut client = ask(&raw.proxy.socket(), &[&head[..], b"abcdef"].concat()).await;
    let mut engine = raw.accept().await;
    assert_eq!(read_all(&mut engine).await, [&head[..], b"abc"].concat());
    assert_eq!(read_all(&mut client).await, b"");
}

#[tokio::test]
async fn what_is_split_into_single_bytes_is_the_same() {
    let raw = Raw::new();
    for side in Side::BOTH {
        raw.proxy.inject(Rule {
            requests: Requests::any(),
            side,
            fault: WireFault::Trickle(Duration::ZERO),
        });
    }
    let mut client = ask(&raw.proxy.socket(), GET).await;
    let mut engine = raw.accept().await;
    assert_eq!(read(&mut engine, GET.len()).await, GET);
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
    engine.write_all(reply).await.unwrap();
    assert_eq!(read(&mut client, reply.len()).await, reply);

    let (proxy, _engine) = chain(Reply::json(200, VERSION));
    let every = Duration::from_millis(1);
    proxy.inject(Rule::after(Requests::any(), WireFault::Trickle(every)));
    assert_eq!(adapter(&proxy).version().await.unwrap().version, "1");
}

#[tokio::test]
async fn attached_output_is_cut_stalled_and_split_within_a_frame() {
    const OUTPUT: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\
        \x01\x00\x00\x00\x00\x00\x00\x02ab\x02\x00\x00\x00\x00\x00\x00\x03cde";
    let attach = Requests::to("POST", "/containers/*/attach");
    let (proxy, _engine) = chain(Reply::raw(OUTPUT));
    let docker = adapter(&proxy);

    proxy.inject(Rule::after(attach.clone(), WireFault::Trickle(Duration::ZERO)));
    let chunks: Vec<_> = docker.attach_container(&container()).await.unwrap().collect().await;
    let of = |source| {
        let chunks = chunks.iter().map(|chunk| chunk.as_ref().unwrap());
        chunks.filter(move |chunk| chunk.source == source).flat_map(|chunk| chunk.bytes.to_vec())
    };
    assert_eq!(of(LogSource::Stdout).collect::<Vec<_>>(), b"ab");
    assert_eq!(of(LogSource::Stderr).collect::<Vec<_>>(), b"cde");

    proxy.heal();
    proxy.inject(Rule::after(attach.clone(), WireFault::CutBody(19)));
    let mut output = docker.attach_container(&container()).await.unwrap();
    assert_eq!(output.next().await.unwrap().unwrap().bytes, "ab");
    // What came of the frame is there, and that it is not whole is told.
    assert_eq!(output.next().await.unwrap().unwrap().bytes, "c");
    let error = output.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ApiError::Protocol { operation: Operation::AttachContainer, .. }));
    assert!(output.next().await.is_none());

    proxy.heal();
    proxy.inject(Rule::after(attach, WireFault::StallBody(10)));
    let mut output = docker.attach_container(&container()).await.unwrap();
    assert_eq!(output.next().await.unwrap().unwrap().bytes, "ab");
    timeout(SHORT, output.next()).await.unwrap_err();
    proxy.cut();
    assert!(timeout(LONG, output.next()).await.unwrap().is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_frame_of_another_kind_ends_the_output_with_an_error() {
    let reply = |frame: &[u8]| {
        let head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        [&head[..], b"\x01\x00\x00\x00\x00\x00\x00\x02ab", frame].concat()
    };
    // The engine's own words, one that there is not, one that is longer than anything: and nothing more.
    for (frame, is_reported) in [
        (&b"\x03\x00\x00\x00\x00\x00\x00\x04nope"[..], true),
        (&b"\x04\x00\x00\x00\x00\x00\x00\x01x"[..], false),
        (&b"\xff"[..], false),
        (&b"\x02\x00\x00\x00\xff\xff\xff\xff"[..], false),
        (&b"\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00"[..], false),
    ] {
        let (proxy, _engine) = chain(Reply::raw(reply(frame)));
        let mut output = adapter(&proxy).attach_container(&container()).await.unwrap();
        assert_eq!(output.next().await.unwrap().unwrap().bytes, "ab");
        let error = timeout(LONG, output.next()).await.unwrap().unwrap().unwrap_err();
        let operation = Operation::AttachContainer;
        match &error {
            ApiError::Reported { operation: told, message } if is_reported => {
                assert_eq!((*told, message.as_str()), (operation, "nope"));
            }
            ApiError::Protocol { operation: told, .. } if !is_reported => {
                assert_eq!(*told, operation);
            }
            other => panic!("{frame:?}: {other:?}"),
        }
        assert!(output.next().await.is_none(), "{frame:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_cut_is_lost_and_the_next_one_is_not() {
    let reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"StatusCode\":3}\r\n0\r\n\r\n";
    let (proxy, _engine) = chain(Reply::raw(&reply[..]));
    let wait = Requests::to("POST", "/containers/*/wait");
    proxy.inject(Rule::after(wait.nth(0), WireFault::CutBody(0)));
    let docker = adapter(&proxy);
    // The end may be there as soon as the head; which of the two the adapter sees first is its own affair.
    let error = match docker.wait_container(&container(), WaitCondition::NextExit).await {
        Ok(exit) => exit.await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, ApiError::Lost { operation: Operation::WaitContainer, .. }));
    let exit = docker.wait_container(&container(), WaitCondition::NextExit).await.unwrap();
    assert_eq!(exit.await.unwrap().code, 3);
}

#[tokio::test]
async fn an_upload_in_pieces_passes_and_is_recorded() {
    let (proxy, engine) = chain(Reply::empty(200));
    let pieces = futures_util::stream::iter([Ok("abc".into()), Ok("defg".into())]).boxed();
    adapter(&proxy).upload_archive_stream(&container(), "/", pieces).await.unwrap();
    let body = proxy.requests()[0].body.clone();
    assert_eq!(body, engine.requests()[0].body);
    assert_eq!(&body[..], b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
}

#[tokio::test]
async fn every_garbage_ends_as_an_error_or_as_the_reply_that_it_holds() {
    for side in Side::BOTH {
        for garbage in Garbage::ALL {
            let (proxy, _engine) = chain(Reply::json(200, VERSION));
            let fault = WireFault::Reply(garbage.reply());
            proxy.inject(Rule { requests: Requests::any().nth(0), side, fault });
            let docker = adapter(&proxy);
            let end = timeout(LONG, docker.inspect_volume(&cache())).await;
            match end.unwrap_or_else(|_| panic!("{garbage:?} has no end")) {
                // `{}` is no volume; what else there may be is not ours.
                Ok(volume) => panic!("{garbage:?} is a volume: {volume:?}"),
                Err(
                    ApiError::Lost { .. } | ApiError::Protocol { .. } | ApiError::Engine { .. },
                ) => {}
                Err(other) => panic!("{garbage:?}: {other:?}"),
            }
            docker.version().await.unwrap();
        }
    }
}

//! A proxy that is closed, or whose backend changes.

use super::*;

#[tokio::test]
async fn a_closed_proxy_is_absent_or_refuses_and_opens_again() {
    let proxy = version_proxy();
    let docker = adapter(&proxy);
    for (closed, expected) in
        [(Closed::Refusing, ConnectFailure::Refused), (Closed::Absent, ConnectFailure::Absent)]
    {
        proxy.close(closed).await.unwrap();
        let error = docker.version().await.unwrap_err();
        assert!(!error.effect_unknown());
        let ApiError::Unreachable { failure, .. } = error else { panic!("{error:?}") };
        assert_eq!(failure, expected);
        proxy.open().unwrap();
        docker.version().await.unwrap();
    }
    // Twice is once.
    proxy.open().unwrap();
    docker.version().await.unwrap();
}

#[tokio::test]
async fn closing_leaves_the_connections_that_are_there() {
    let raw = Raw::new();
    let mut client = ask(&raw.proxy.socket(), GET).await;
    let mut engine = raw.accept().await;
    read(&mut engine, GET.len()).await;
    raw.proxy.close(Closed::Absent).await.unwrap();
    engine.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read(&mut client, 27).await;
    drop(raw.proxy);
    assert_eq!(read_all(&mut client).await, b"");
    assert_eq!(read_all(&mut engine).await, b"");
}

#[tokio::test]
async fn later_requests_go_to_the_backend_that_was_switched_to() {
    let (proxy, first) = chain(Reply::json(200, VERSION));
    let docker = adapter(&proxy);
    docker.version().await.unwrap();
    let second =
        Proxy::new(Backend::always(Reply::json(200, &VERSION.replace(":\"1\"", ":\"2\""))))
            .unwrap();
    proxy.switch(Backend::socket(second.socket()));
    assert_eq!(docker.version().await.unwrap().version, "2");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_switch_counts_on_a_connection_that_is_kept() {
    let (one, two) = (Raw::new(), Raw::new());
    let mut client = ask(&one.proxy.socket(), GET).await;
    let mut engine = one.accept().await;
    read(&mut engine, GET.len()).await;
    engine.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read(&mut client, 27).await;
    one.proxy.switch(Backend::socket(two.proxy.socket()));
    client.write_all(GET).await.unwrap();
    let mut engine = two.accept().await;
    assert_eq!(read(&mut engine, GET.len()).await, GET);
}

#[tokio::test]
async fn nobody_behind_it_is_a_connection_that_ends_without_a_reply() {
    let proxy = Proxy::new(Backend::socket("/nonexistent/docker.sock")).unwrap();
    let error = adapter(&proxy).version().await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { .. }));
}

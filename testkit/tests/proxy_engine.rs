//! `Proxy` between the adapter and a real engine: a job passes, and each side of each of its requests can
//! break.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use docker_api_trait::{
    ApiError, ArchiveApi as _, BollardDocker, ContainerApi as _, ContainerRequest, Endpoint,
    WaitCondition,
};
use futures_util::StreamExt as _;
use testkit::{Backend, Proxy, Requests, Rule, Side, WireFault, suite};
use tokio::time::timeout;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

fn adapter(proxy: &Proxy) -> BollardDocker {
    BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap()
}

/// The way of a job on a real engine, through the proxy; what it left is removed.
async fn job(docker: &BollardDocker, label: &str) -> Result<(i64, Vec<u8>), ApiError> {
    let mut request = ContainerRequest::new(label.parse().unwrap(), suite::image());
    request.labels.insert("dev.berth.test".to_owned(), label.to_owned());
    request.entrypoint = vec!["sh".to_owned()];
    request.arguments = ["-c", "cat; echo err >&2; exit 3"].map(ToOwned::to_owned).to_vec();
    request.input = docker_api_trait::Input::Once;
    let id = docker.create_container(&request).await?.id;
    let mut attachment = docker.attach_container_with_input(&id).await?;
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await?;
    docker.start_container(&id).await?;
    attachment.input.write("in".into()).await?;
    attachment.input.close().await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = attachment.output.next().await {
        bytes.extend_from_slice(&chunk?.bytes);
    }
    let code = exit.await?.code;
    let exec = docker.download_archive(&id, "/etc").await?.count().await;
    assert!(exec > 0);
    docker.remove_container(&id).await?;
    Ok((code, bytes))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_real_job_passes_and_each_side_of_each_of_its_requests_can_break() {
    let socket = suite::socket();
    let direct = BollardDocker::new(Endpoint::Unix(socket.clone())).unwrap();
    let label = |hint: &str| format!("berth-test-proxy-{}-{hint}", std::process::id());
    let proxy = Proxy::new(Backend::socket(&socket)).unwrap();
    proxy.inject(Rule::after(Requests::any(), WireFault::Trickle(Duration::ZERO)));
    let (code, output) =
        timeout(LONG, job(&adapter(&proxy), &label("calm"))).await.unwrap().unwrap();
    assert_eq!((code, output.len()), (3, "inerr\n".len()));
    let requests = proxy.requests().len();
    assert_eq!(requests, 6);
    for number in 0..requests {
        for side in Side::BOTH {
            let proxy = Proxy::new(Backend::socket(&socket)).unwrap();
            let requests = Requests::any().nth(number);
            proxy.inject(Rule { requests, side, fault: WireFault::Drop });
            let label = label(&format!("{number}-{side:?}").to_lowercase());
            let error = timeout(LONG, job(&adapter(&proxy), &label)).await.unwrap().unwrap_err();
            assert!(matches!(error, ApiError::Lost { .. }), "{number} {side:?}: {error:?}");
            let filter = docker_api_trait::LabelFilter::equals("dev.berth.test", &label);
            let left = direct.list_containers(&[filter]).await.unwrap();
            let created = number > 0 || side == Side::After;
            let removed = number == 5 && side == Side::After;
            assert_eq!(left.len(), usize::from(created && !removed), "{number} {side:?}");
            for one in left {
                direct.remove_container(&one.id).await.unwrap();
            }
        }
    }
}

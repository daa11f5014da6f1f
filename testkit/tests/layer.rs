//! Wrappers compose: a layer sees every call, and pointers to an engine are engines.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use docker_api_trait::{
    ApiError, CallLayer, Capabilities, ContainerApi as _, ContainerName, ContainerRequest,
    DockerApi, Input, Layered, Operation, SystemApi, VolumeApi, WaitCondition,
};
use testkit::{FakeDocker, FaultyDocker, ScriptedRun};

#[path = "../examples/count_calls.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main` of its own")]
mod count_calls;

/// The operations, in order.
#[derive(Debug, Default)]
struct Record(Mutex<Vec<Operation>>);

impl CallLayer for Record {
    async fn call<T: Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        self.0.lock().unwrap().push(operation);
        call.await
    }
}

#[test]
fn an_example_counts_calls() {
    count_calls::main();
}

#[tokio::test]
async fn a_layer_with_one_method_sees_every_kind_of_call() {
    let fake = FakeDocker::new().with_image("busybox");
    fake.script(ScriptedRun::exits(3));
    let docker = Layered::new(fake.clone(), Record::default());
    let image = "busybox".parse().unwrap();
    let name = ContainerName::new("one").unwrap();
    let mut request = ContainerRequest::new(name, image);
    request.input = Input::Once;
    let id = docker.create_container(&request).await.unwrap().id;
    let attachment = docker.attach_container_with_input(&id).await.unwrap();
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    docker.start_container(&id).await.unwrap();
    drop(attachment);
    assert_eq!(exit.await.unwrap().code, 3);
    let seen = docker.layer().0.lock().unwrap().clone();
    let expected = [
        Operation::CreateContainer,
        Operation::AttachContainer,
        Operation::WaitContainer,
        Operation::StartContainer,
    ];
    assert_eq!(seen, expected);
    assert_eq!(docker.requests_sent(), fake.requests_sent());
}

#[tokio::test]
async fn pointers_to_an_engine_and_layers_of_layers_are_engines() {
    async fn volumes(engine: impl VolumeApi) -> usize {
        engine.list_volumes(&[]).await.unwrap().len()
    }
    let fake = FakeDocker::new();
    let shared: Arc<dyn DockerApi> = Arc::new(fake.clone());
    let boxed: Box<dyn DockerApi> = Box::new(Arc::clone(&shared));
    let roles: &dyn VolumeApi = &fake;
    assert_eq!((volumes(&fake).await, volumes(roles).await), (0, 0));
    assert_eq!((volumes(Arc::clone(&shared)).await, volumes(boxed).await), (0, 0));
    let faulty = FaultyDocker::new(shared);
    let layers = Layered::new(Layered::new(&faulty, Record::default()), Record::default());
    assert_eq!(volumes(&layers).await, 0);
    assert_eq!(faulty.calls().len(), 1);
    assert_eq!(layers.engine().layer().0.lock().unwrap().len(), 1);
    assert_eq!(fake.requests_sent(), 5);
    // What a wrapper could forget comes from the engine itself.
    assert_eq!(layers.capabilities(), Capabilities::DOCKER);
    assert!(!SystemApi::is_steady(&layers) && !layers.is_away());
}

//! Roles that are another's: of references and boxes, of wrappers and of layered engines. The methods of
//! all roles are listed here once.

use std::sync::Arc;

/// Implements every role for a type by the same methods of one of its fields.
///
/// For a wrapper with state of its own around an engine, or around [`Layered`](crate::Layered):
///
/// ```
/// use std::sync::Arc;
/// use docker_api_trait::{DockerApi, delegate_docker_api};
///
/// /// An engine with a name for messages.
/// #[derive(Debug)]
/// struct NamedEngine {
///     name: String,
///     engine: Arc<dyn DockerApi>,
/// }
///
/// delegate_docker_api!(NamedEngine, engine);
///
/// fn is_engine(_: &impl DockerApi) {}
/// # fn check(engine: Arc<dyn DockerApi>) {
/// is_engine(&NamedEngine { name: "production".to_owned(), engine });
/// # }
/// ```
#[macro_export]
macro_rules! delegate_docker_api {
    ($wrapper:ty, $field:ident) => {
        $crate::__implement_roles!([] [] $wrapper, (field $field));
    };
}

/// How a role's method reaches the engine: through a pointer, a field, or a layer.
#[doc(hidden)]
#[macro_export]
macro_rules! __engine {
    ((deref), $this:ident) => {
        (**$this)
    };
    ((layer), $this:ident) => {
        $this.engine
    };
    ((field $field:ident), $this:ident) => {
        $this.$field
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __forward {
    ((layer), $this:ident, $kind:ident, $operation:ident, $($call:tt)*) => {
        $this.layer.$kind($crate::Operation::$operation, $this.engine.$($call)*).await
    };
    ($mode:tt, $this:ident, $kind:ident, $operation:ident, $($call:tt)*) => {
        $crate::__engine!($mode, $this).$($call)*.await
    };
}

/// The methods of all roles, each with the kind of what it hands out and its operation.
#[doc(hidden)]
#[macro_export]
macro_rules! __implement_roles {
    ([$($engine:ident)?] [$($bounds:tt)*] $wrapper:ty, $mode:tt) => {
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::SystemApi + ?Sized,)? $($bounds)*> $crate::SystemApi for $wrapper {
            async fn version(&self) -> Result<$crate::EngineVersion, $crate::ApiError> {
                $crate::__forward!($mode, self, call, Version, version())
            }
            async fn info(&self) -> Result<$crate::EngineInfo, $crate::ApiError> {
                $crate::__forward!($mode, self, call, Info, info())
            }
            async fn disk_usage(&self) -> Result<Vec<$crate::VolumeUsage>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, DiskUsage, disk_usage())
            }
            fn outages(&self) -> u64 {
                $crate::__engine!($mode, self).outages()
            }
            fn is_away(&self) -> bool {
                $crate::__engine!($mode, self).is_away()
            }
            fn is_steady(&self) -> bool {
                $crate::__engine!($mode, self).is_steady()
            }
            fn capabilities(&self) -> $crate::Capabilities {
                $crate::__engine!($mode, self).capabilities()
            }
            fn requests_sent(&self) -> u64 {
                $crate::__engine!($mode, self).requests_sent()
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::ImageApi + ?Sized,)? $($bounds)*> $crate::ImageApi for $wrapper {
            async fn inspect_image(
                &self,
                image: &$crate::ImageReference,
            ) -> Result<$crate::ImageDetails, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectImage, inspect_image(image))
            }
            async fn pull_image(
                &self,
                request: &$crate::PullRequest,
            ) -> Result<$crate::PullStream, $crate::ApiError> {
                $crate::__forward!($mode, self, stream, PullImage, pull_image(request))
            }
            async fn import_image(
                &self,
                image: &$crate::ImageReference,
                archive: $crate::Bytes,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, ImportImage, import_image(image, archive))
            }
            async fn list_images(
                &self,
                labels: &[$crate::LabelFilter],
            ) -> Result<Vec<$crate::ImageSummary>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, ListImages, list_images(labels))
            }
            async fn remove_image(
                &self,
                image: &$crate::ImageReference,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, RemoveImage, remove_image(image))
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::VolumeApi + ?Sized,)? $($bounds)*> $crate::VolumeApi for $wrapper {
            async fn create_volume(
                &self,
                request: &$crate::VolumeRequest,
            ) -> Result<$crate::Volume, $crate::ApiError> {
                $crate::__forward!($mode, self, call, CreateVolume, create_volume(request))
            }
            async fn inspect_volume(
                &self,
                name: &$crate::VolumeName,
            ) -> Result<$crate::Volume, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectVolume, inspect_volume(name))
            }
            async fn list_volumes(
                &self,
                labels: &[$crate::LabelFilter],
            ) -> Result<Vec<$crate::Volume>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, ListVolumes, list_volumes(labels))
            }
            async fn remove_volume(
                &self,
                name: &$crate::VolumeName,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, RemoveVolume, remove_volume(name))
            }
            async fn prune_volumes(
                &self,
                labels: &[$crate::LabelFilter],
            ) -> Result<Vec<String>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, PruneVolumes, prune_volumes(labels))
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::NetworkApi + ?Sized,)? $($bounds)*> $crate::NetworkApi for $wrapper {
            async fn create_network(
                &self,
                request: &$crate::NetworkRequest,
            ) -> Result<$crate::NetworkId, $crate::ApiError> {
                $crate::__forward!($mode, self, call, CreateNetwork, create_network(request))
            }
            async fn inspect_network(
                &self,
                id: &$crate::NetworkId,
            ) -> Result<$crate::Network, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectNetwork, inspect_network(id))
            }
            async fn list_networks(
                &self,
                labels: &[$crate::LabelFilter],
            ) -> Result<Vec<$crate::Network>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, ListNetworks, list_networks(labels))
            }
            async fn remove_network(&self, id: &$crate::NetworkId) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, RemoveNetwork, remove_network(id))
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::ContainerApi + ?Sized,)? $($bounds)*> $crate::ContainerApi for $wrapper {
            async fn create_container(
                &self,
                request: &$crate::ContainerRequest,
            ) -> Result<$crate::CreatedContainer, $crate::ApiError> {
                $crate::__forward!($mode, self, call, CreateContainer, create_container(request))
            }
            async fn inspect_container(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<$crate::ContainerDetails, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectContainer, inspect_container(id))
            }
            async fn list_containers(
                &self,
                labels: &[$crate::LabelFilter],
            ) -> Result<Vec<$crate::ContainerSummary>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, ListContainers, list_containers(labels))
            }
            async fn list_containers_using(
                &self,
                volume: &$crate::VolumeName,
            ) -> Result<Vec<$crate::ContainerSummary>, $crate::ApiError> {
                $crate::__forward!($mode, self, call, ListContainers, list_containers_using(volume))
            }
            async fn container_logs(
                &self,
                id: &$crate::ContainerId,
                options: &$crate::LogOptions,
            ) -> Result<$crate::LogStream, $crate::ApiError> {
                $crate::__forward!($mode, self, stream, ContainerLogs, container_logs(id, options))
            }
            async fn attach_container(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<$crate::LogStream, $crate::ApiError> {
                $crate::__forward!($mode, self, stream, AttachContainer, attach_container(id))
            }
            async fn attach_container_with_input(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<$crate::Attachment, $crate::ApiError> {
                $crate::__forward!($mode, self, attach, AttachContainer, attach_container_with_input(id))
            }
            async fn wait_container(
                &self,
                id: &$crate::ContainerId,
                condition: $crate::WaitCondition,
            ) -> Result<$crate::ExitFuture, $crate::ApiError> {
                $crate::__forward!($mode, self, wait, WaitContainer, wait_container(id, condition))
            }
            async fn start_container(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, StartContainer, start_container(id))
            }
            async fn stop_container(
                &self,
                id: &$crate::ContainerId,
                grace: ::std::time::Duration,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, StopContainer, stop_container(id, grace))
            }
            async fn kill_container(
                &self,
                id: &$crate::ContainerId,
                signal: $crate::Signal,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, KillContainer, kill_container(id, signal))
            }
            async fn remove_container(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, RemoveContainer, remove_container(id))
            }
            async fn remove_container_alone(
                &self,
                id: &$crate::ContainerId,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, RemoveContainer, remove_container_alone(id))
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::ExecApi + ?Sized,)? $($bounds)*> $crate::ExecApi for $wrapper {
            async fn create_exec(
                &self,
                container: &$crate::ContainerId,
                request: &$crate::ExecRequest,
            ) -> Result<$crate::ExecId, $crate::ApiError> {
                $crate::__forward!($mode, self, call, CreateExec, create_exec(container, request))
            }
            async fn start_exec(
                &self,
                id: &$crate::ExecId,
            ) -> Result<$crate::LogStream, $crate::ApiError> {
                $crate::__forward!($mode, self, stream, StartExec, start_exec(id))
            }
            async fn inspect_exec(
                &self,
                id: &$crate::ExecId,
            ) -> Result<$crate::ExecDetails, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectExec, inspect_exec(id))
            }
        }
        #[$crate::async_trait::async_trait]
        impl<$($engine: $crate::ArchiveApi + ?Sized,)? $($bounds)*> $crate::ArchiveApi for $wrapper {
            async fn upload_archive(
                &self,
                container: &$crate::ContainerId,
                folder: &str,
                archive: $crate::Bytes,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, UploadArchive, upload_archive(container, folder, archive))
            }
            async fn upload_archive_stream(
                &self,
                container: &$crate::ContainerId,
                folder: &str,
                archive: $crate::ArchiveStream,
            ) -> Result<(), $crate::ApiError> {
                $crate::__forward!($mode, self, call, UploadArchive, upload_archive_stream(container, folder, archive))
            }
            async fn inspect_path(
                &self,
                container: &$crate::ContainerId,
                path: &str,
            ) -> Result<$crate::PathDetails, $crate::ApiError> {
                $crate::__forward!($mode, self, call, InspectPath, inspect_path(container, path))
            }
            async fn download_archive(
                &self,
                container: &$crate::ContainerId,
                path: &str,
            ) -> Result<$crate::ArchiveStream, $crate::ApiError> {
                $crate::__forward!($mode, self, stream, DownloadArchive, download_archive(container, path))
            }
        }
    };
}

pub(crate) use __implement_roles as implement_roles;

implement_roles!([T] [] &T, (deref));
implement_roles!([T] [] Arc<T>, (deref));
implement_roles!([T] [] Box<T>, (deref));

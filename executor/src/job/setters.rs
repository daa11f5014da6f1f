//! Setters, to describe a job in one expression.

use std::time::Duration;

use super::{
    BuildSpec, CacheSpec, Command, ImageSpec, JobSpec, RegistryLogin, ServiceSpec, Variable,
};

impl JobSpec {
    /// The job with this name or number, for labels.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The job for this branch or tag, for labels.
    pub fn with_reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// The job as a part of this pipeline, for labels.
    pub fn with_pipeline(mut self, pipeline: impl Into<String>) -> Self {
        self.pipeline = Some(pipeline.into());
        self
    }

    /// The job with this set of the project's caches.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// The job with this image for its helper container.
    pub fn with_helper_image(mut self, image: impl Into<ImageSpec>) -> Self {
        self.helper_image = Some(image.into());
        self
    }

    /// The job with one more service.
    pub fn with_service(mut self, service: ServiceSpec) -> Self {
        self.services.push(service);
        self
    }

    /// The job with one more volume, by its spec: `/cache`, `data:/data:ro`.
    pub fn with_volume(mut self, spec: impl Into<String>) -> Self {
        self.volumes.push(spec.into());
        self
    }

    /// The job with one more environment variable.
    pub fn with_variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }

    /// The job with one more cache with a key of its own.
    pub fn with_cache(mut self, cache: CacheSpec) -> Self {
        self.caches.push(cache);
        self
    }

    /// The job with one more login for a registry.
    pub fn with_registry(mut self, login: RegistryLogin) -> Self {
        self.registries.push(login);
        self
    }

    /// The job with this directory for its steps to start in.
    pub fn with_working_directory(mut self, directory: impl Into<String>) -> Self {
        self.working_directory = Some(directory.into());
        self
    }

    /// The job with this directory to build in.
    pub fn with_build(mut self, build: BuildSpec) -> Self {
        self.build = Some(build);
        self
    }

    /// The job with this script after its steps.
    pub fn with_after_script(mut self, script: Command) -> Self {
        self.after_script = Some(script);
        self
    }

    /// The job with this time limit for the whole job.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The job with this time limit until its first step begins.
    pub fn with_prepare_timeout(mut self, timeout: Duration) -> Self {
        self.prepare_timeout = Some(timeout);
        self
    }

    /// The job with this time limit for its steps together.
    pub fn with_script_timeout(mut self, timeout: Duration) -> Self {
        self.script_timeout = Some(timeout);
        self
    }

    /// The job with this time limit for its after-script.
    pub fn with_after_script_timeout(mut self, timeout: Duration) -> Self {
        self.after_script_timeout = Some(timeout);
        self
    }
}

//! What the parts of a run share: everything that they read, and the state that they change.

use std::ops::Deref;

use docker_api_trait::{DockerApi, Input};
use volume_manager::VolumeManager;

use crate::{
    cancel::Cancel,
    event::JobEvent,
    image::Images,
    log::{Masker, Refusal},
    plan::JobPlan,
    redact::{RedactingObserver, Redactor},
    run::{interrupt::Interrupt, state::RunState},
};

/// The half of a [`Run`] that its parts share: they read it, and each phase begins with a copy that has
/// its own limit. It is `Copy`, so that requests that are sent at once share it
/// while each of them changes its own part of the state.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) docker: &'a dyn DockerApi,
    pub(crate) volumes: &'a dyn VolumeManager,
    pub(crate) observer: &'a RedactingObserver,
    pub(crate) images: &'a Images,
    pub(crate) plan: &'a JobPlan,
    pub(crate) masker: &'a Masker,
    /// Why the job's sink is not called any more.
    pub(crate) refusal: &'a Refusal,
    pub(crate) cancel: &'a Cancel,
    /// What may interrupt the current phase.
    pub(crate) interrupt: Interrupt<'a>,
    /// How long the standard input of the shells stays open.
    pub(crate) input: Input,
}

/// A run of a job's plan. Its methods are grouped by topic in the modules beside this one.
pub(crate) struct Run<'a> {
    pub(crate) inputs: Inputs<'a>,
    pub(crate) state: &'a mut RunState,
}

impl<'a> Deref for Run<'a> {
    type Target = Inputs<'a>;

    fn deref(&self) -> &Inputs<'a> {
        &self.inputs
    }
}

impl<'a> Run<'a> {
    /// Sets what may interrupt the phase that begins.
    pub(crate) fn limit(&mut self, interrupt: Interrupt<'a>) {
        self.inputs.interrupt = interrupt;
    }
}

impl Inputs<'_> {
    /// Returns an engine's words without the job's secrets.
    pub(crate) fn redact(&self, words: &str) -> String {
        self.redactor().text(self.masker.text(words))
    }

    /// Reports a warning in an engine's words.
    pub(crate) fn warn(&self, words: &str) {
        self.observer.event(&JobEvent::Warned(&self.redact(words)));
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        self.observer.redactor()
    }
}

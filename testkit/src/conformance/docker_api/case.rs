//! A case: what is done with an engine, and what must be seen then.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use docker_api_trait::EngineProduct;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

use super::{podman, seen::Seen, subject::Subject};

type Behaviour = for<'a> fn(&'a Subject) -> BoxFuture<'a, Seen>;

/// One behaviour of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    module: &'static str,
    name: &'static str,
    expected: &'static [&'static str],
    behaviour: Behaviour,
}

impl Case {
    pub(super) fn new(
        module: &'static str,
        name: &'static str,
        expected: &'static [&'static str],
        behaviour: Behaviour,
    ) -> Self {
        Self { module, name, expected, behaviour }
    }

    /// Its area and name, as in `volume::names_of_255_bytes_are_names`. An engine that lacks an area,
    /// such as `exec`, skips its cases by this.
    pub fn path(&self) -> String {
        let area = self.module.rsplit("::").next().unwrap_or_default();
        format!("{area}::{}", self.name)
    }

    /// What Docker's engine 20.10 shows.
    pub fn expected(&self) -> Seen {
        self.expected.iter().copied().map(str::to_owned).collect()
    }

    /// Does what the case says, removes what it created, and returns what was seen: the kind of an
    /// error and its status class, and the engine's own text only where it says more.
    ///
    /// # Panics
    /// When the engine answers something that the case cannot go on with, does not answer within two
    /// minutes, or does not remove what was created.
    pub async fn observe(&self, subject: Subject) -> Seen {
        let limit = Duration::from_mins(2);
        let outcome = timeout(limit, (self.behaviour)(&subject));
        let outcome = AssertUnwindSafe(outcome).catch_unwind().await;
        let cleaned = subject.clean_up().await;
        let seen = outcome.unwrap_or_else(|panic| resume_unwind(panic)).expect("an answer in time");
        cleaned.expect("what was created can be removed");
        seen
    }

    /// Compares what an engine shows with what Docker's engine does.
    ///
    /// # Panics
    /// When they differ, and as [`observe`](Self::observe).
    pub async fn check(&self, subject: Subject) {
        self.compare(subject, &self.expected()).await;
    }

    /// Compares what an engine shows with what another one did, such as the fake. If it says that it
    /// is Podman, the differences from Docker's engine that are written down must be seen.
    ///
    /// # Panics
    /// When they differ, and as [`observe`](Self::observe).
    pub async fn compare(&self, subject: Subject, other: &[String]) {
        let version = subject.engine.version().await.expect("the engine says its version");
        if version.product == EngineProduct::Podman {
            let seen = AssertUnwindSafe(self.observe(subject)).catch_unwind().await;
            podman::judge(&self.path(), other, seen.as_deref().ok());
            return;
        }
        assert_eq!(other, self.observe(subject).await, "what is expected, then what is seen");
    }
}

/// Declares cases: a name, the subject, what is to be seen, and what is done.
macro_rules! behaviours {
    ($($name:ident($subject:ident) sees $expected:expr; $body:block)*) => {
        $(
            #[doc = concat!("The case `", stringify!($name), "`.")]
            pub fn $name() -> Case {
                fn behave($subject: &Subject) -> BoxFuture<'_, Seen> {
                    async move $body.boxed()
                }
                Case::new(module_path!(), stringify!($name), &$expected, behave)
            }
        )*

        /// The cases of this area.
        pub(in crate::conformance::docker_api) fn all() -> Vec<Case> {
            vec![$($name()),*]
        }
    };
}

pub(super) use behaviours;

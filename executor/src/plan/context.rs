//! What makes a run different from every other.

use std::time::SystemTime;

use crate::random;

/// Drawn once, and handed in, so that planning stays a function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunContext {
    /// The run's unique id: 32 hexadecimal digits.
    pub run: String,
    /// The process that carries it out: the [label](crate::instance::Instance::label) of one that gives evidence
    /// of its life, or anything else for one that does not, or that leaves the job to others. Of
    /// those, only the job's deadline tells that they are dead.
    pub instance: String,
    /// When it begins.
    pub now: SystemTime,
}

impl RunContext {
    /// A run that begins now, with an id drawn by the operating system.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give, without which no two runs could be
    /// told apart.
    pub fn draw() -> Self {
        Self::new(random::draw(), format!("pid-{}", std::process::id()), SystemTime::now())
    }

    /// The run with the evidence that this process lives. Not for a job that another process carries
    /// on: it would be swept when this one ends.
    pub fn with_instance(mut self, instance: &crate::instance::Instance) -> Self {
        instance.label().clone_into(&mut self.instance);
        self
    }

    /// A run by its id, process and beginning.
    pub fn new(run: impl Into<String>, instance: impl Into<String>, now: SystemTime) -> Self {
        Self { run: run.into(), instance: instance.into(), now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_draw_different_ids() {
        let (one, other) = (RunContext::draw(), RunContext::draw());
        assert_ne!(one.run, other.run);
        assert_eq!(one.run.len(), 32);
    }
}

//! One script that is played: what it writes, and when and how it ends. Pure.

use docker_api_trait::LogChunk;
use tokio::time::Instant;

use super::script::ScriptedRun;

/// How and when something ended or will end.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) at: Instant,
    pub(super) code: i64,
    pub(super) oom_killed: bool,
}

/// The earlier of two ends; of two at one moment, the first.
pub(super) fn earlier(one: Option<End>, other: Option<End>) -> Option<End> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.at <= other.at { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// A script that is played: a container's whole run, a step of its shell, or a further program.
#[derive(Debug)]
pub(super) struct Act {
    /// When it was asked for; it begins then, or when the one before has ended.
    asked: Instant,
    script: ScriptedRun,
    /// The end that a signal puts to it.
    forced: Option<End>,
    /// What a shell writes round it, if it is a step.
    mark: Option<String>,
    /// Whether it only tells what the step before it ended with.
    question: bool,
}

/// A piece of an act's output.
#[derive(Debug)]
pub(super) enum Piece {
    /// It is written at this moment.
    At(Instant, LogChunk),
    /// It is not known when, or whether, there is one.
    Unknown,
    /// There is none any more.
    Past,
}

impl Act {
    pub(super) fn new(asked: Instant, script: ScriptedRun) -> Self {
        Self { asked, script, forced: None, mark: None, question: false }
    }

    /// The step that tells again what the one before it has ended with.
    pub(super) fn question(asked: Instant, code: i64, mark: String) -> Self {
        Self { question: true, ..Self::step(asked, ScriptedRun::exits(code), mark) }
    }

    /// What a shell writes when it starts.
    pub(super) fn greeting(asked: Instant, text: String) -> Self {
        let script = ScriptedRun::exits(0).prints_stdout(text.clone()).prints_stderr(text);
        Self { question: true, ..Self::new(asked, script) }
    }

    /// Whether it is none of the job's steps: a question, or a greeting.
    pub(super) fn is_question(&self) -> bool {
        self.question
    }

    pub(super) fn step(asked: Instant, script: ScriptedRun, mark: String) -> Self {
        Self { mark: Some(mark), ..Self::new(asked, script) }
    }

    /// Whether the shell that plays it ends with it.
    pub(super) fn kills_shell(&self) -> bool {
        self.script.is_killing_shell()
    }

    pub(super) fn ignores_stop(&self) -> bool {
        self.script.ignores_stop()
    }

    /// The script's own end or the forced one, whichever comes first, when it begins at `begun`.
    pub(super) fn end(&self, begun: Instant) -> Option<End> {
        // A moment that no clock reaches is never.
        let own = self.script.duration().and_then(|duration| begun.checked_add(duration));
        let own = own.map(|at| End {
            at,
            code: self.script.exit_code(),
            oom_killed: self.script.is_oom_killed(),
        });
        earlier(own, self.forced)
    }

    /// Ends it now with this code, unless it has ended.
    pub(super) fn force(&mut self, at: Instant, code: i64) {
        if self.forced.is_none_or(|forced| at < forced.at) {
            self.forced = Some(End { at, code, oom_killed: false });
        }
    }

    /// The piece of output at `position`, when it begins at `begun`.
    pub(super) fn piece(&self, position: usize, begun: Instant) -> Piece {
        let both = |mark: String| [LogChunk::stdout(mark.clone()), LogChunk::stderr(mark)];
        let end = self.end(begun);
        let mut position = position;
        if let Some(mark) = &self.mark {
            match both(format!("{mark}+")).into_iter().nth(position) {
                Some(chunk) => return Piece::At(begun, chunk),
                None => position -= 2,
            }
        }
        let output = self.script.output();
        let written = output.partition_point(|piece| {
            let at = begun.checked_add(piece.offset);
            at.is_some_and(|at| end.is_none_or(|end| at <= end.at))
        });
        if let Some(piece) = output[..written].get(position) {
            // A sum that was there a moment ago.
            return Piece::At(begun + piece.offset, piece.chunk.clone());
        }
        let Some(end) = end else {
            return Piece::Unknown;
        };
        let marks = self.mark.as_ref().filter(|_| !self.kills_shell()).map(|mark| {
            let mut marks = both(format!("{mark}-{}.", end.code)).into_iter();
            marks.nth(position - written)
        });
        match marks.flatten() {
            Some(chunk) => Piece::At(end.at, chunk),
            None => Piece::Past,
        }
    }
}

/// When each act of a sequence begins, as far as that is known: when it was asked for, or when the
/// one before has ended.
pub(super) fn beginnings(acts: &[Act]) -> impl Iterator<Item = (&Act, Instant)> {
    let mut free = None;
    let mut over = false;
    acts.iter().map_while(move |act| {
        if over {
            return None;
        }
        let begun = free.map_or(act.asked, |free| act.asked.max(free));
        free = act.end(begun).map(|end| end.at);
        over = free.is_none() || act.kills_shell();
        Some((act, begun))
    })
}

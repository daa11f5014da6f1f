//! What happens to a container over time.
//!
//! Nothing runs in the background. A run knows when it started and when something ended it; what is
//! true now is computed from that. Whoever waits sleeps until the computed moment, or until the
//! life changes.

use std::time::Duration;

use docker_api_trait::{ContainerStatus, ExecDetails, LogChunk, Signal};
use tokio::time::Instant;

use super::{
    act::{Act, End, Piece, beginnings, earlier},
    log_line::{Lines, LogEntry},
    script::ScriptedRun,
    shell::{Garbled, Shell, Step},
};

/// The exit code of a process that was asked to stop: 128 + SIGTERM.
const STOPPED: i64 = 143;
/// The exit code of a process that was killed: 128 + SIGKILL.
const KILLED: i64 = 137;
/// The exit code of a shell that cannot read its input.
const GARBLED: i64 = 2;

/// The runs of one container, the last one perhaps still going on.
#[derive(Debug, Default)]
pub(super) struct Life {
    runs: Vec<Run>,
    removed: bool,
    /// What the next run will find in its input.
    next_input: Stdin,
    /// Why the last start failed, if it did.
    failure: Option<Failure>,
}

/// Why a container could not be started.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) words: String,
}

/// A standard input.
#[derive(Debug, Default)]
struct Stdin {
    shell: Shell,
    /// Since when nothing more will come.
    closed: Option<Instant>,
}

#[derive(Debug)]
struct Run {
    started: Instant,
    /// The script, or the steps of the shell so far.
    acts: Vec<Act>,
    /// What a shell reads; `None` when this is none.
    input: Option<Stdin>,
    /// Further programs, by number; `None` before the start.
    execs: Vec<Option<Act>>,
    /// The end that the engine put to it, or will when a grace is over.
    forced: Option<End>,
}

/// What an inspection shows of a life.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) status: ContainerStatus,
    pub(super) exit_code: i64,
    pub(super) oom_killed: bool,
    pub(super) error: String,
    pub(super) started_at: Option<Instant>,
    pub(super) finished_at: Option<Instant>,
}

/// A place in what a run writes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    act: usize,
    piece: usize,
}

/// What somebody who waits for an end has to do.
#[derive(Debug)]
pub(super) enum Awaited {
    /// Nothing: this is the exit code.
    Ended(i64),
    /// Look again then, or when the life changes.
    Wait(Option<Instant>),
}

/// What an attached stream does next.
#[derive(Debug)]
pub(super) enum Next {
    /// This was written at that moment.
    Piece(Instant, LogChunk),
    /// Nothing, until then or until the life changes.
    Wait(Option<Instant>),
    /// Nothing, for ever.
    Never,
    End,
}

impl Run {
    fn of(started: Instant, acts: Vec<Act>, input: Option<Stdin>) -> Self {
        Self { started, acts, input, execs: Vec::new(), forced: None }
    }

    /// Its own end or the forced one, whichever comes first.
    fn end(&self) -> Option<End> {
        earlier(self.own_end(), self.forced)
    }

    fn own_end(&self) -> Option<End> {
        let mut played = beginnings(&self.acts).map(|(act, begun)| (act, act.end(begun)));
        let Some(input) = &self.input else {
            return played.next().and_then(|(_, end)| end);
        };
        let mut last = (0, self.started);
        for (act, end) in played {
            let end = end?;
            if act.kills_shell() {
                return Some(end);
            }
            last = (last.0 + 1, end.at);
        }
        let at = input.closed?.max(last.1);
        (last.0 == self.acts.len()).then_some(End { at, code: 0, oom_killed: false })
    }

    fn ended(&self, now: Instant) -> Option<End> {
        self.end().filter(|end| end.at <= now)
    }

    /// Ends the run at `at`, unless it ends before.
    fn force(&mut self, at: Instant, code: i64) {
        self.forced = earlier(self.forced, Some(End { at, code, oom_killed: false }));
    }

    /// Whether the kernel killed something in it.
    fn oom_killed(&self, now: Instant) -> bool {
        let last = self.end().map_or(now, |end| end.at.min(now));
        beginnings(&self.acts)
            .filter_map(|(act, begun)| act.end(begun))
            .any(|end| end.oom_killed && end.at <= last)
    }

    /// Asks the step that is being played to stop, or kills it: what reaches every process but the
    /// shell itself.
    fn signal_step(&mut self, now: Instant) {
        let playing = beginnings(&self.acts)
            .position(|(act, begun)| begun <= now && act.end(begun).is_none_or(|end| end.at > now));
        if let Some(act) = playing.and_then(|playing| self.acts.get_mut(playing))
            && !act.ignores_stop()
        {
            act.force(now, STOPPED);
        }
    }

    /// What is at `cursor`, which moves on when that has been written.
    fn next(&self, cursor: &mut Cursor, now: Instant) -> Next {
        let end = self.end();
        let rest = || match end {
            Some(end) if end.at <= now => Next::End,
            end => Next::Wait(end.map(|end| end.at)),
        };
        loop {
            let Some((act, begun)) = beginnings(&self.acts).nth(cursor.act) else {
                return rest();
            };
            match act.piece(cursor.piece, begun) {
                Piece::At(at, _) if end.is_some_and(|end| end.at < at) => return rest(),
                Piece::At(at, _) if at > now => return Next::Wait(Some(at)),
                Piece::At(at, chunk) => {
                    cursor.piece += 1;
                    return Next::Piece(at, chunk);
                }
                Piece::Unknown => return rest(),
                Piece::Past => *cursor = Cursor { act: cursor.act + 1, piece: 0 },
            }
        }
    }

    /// How a further program ended or will end; `None` when neither that nor the container ends it.
    fn exec_end(&self, act: &Act, begun: Instant) -> Option<End> {
        let killed = self.end().map(|end| End { at: end.at, code: KILLED, oom_killed: false });
        earlier(act.end(begun), killed)
    }
}

impl Life {
    pub(super) fn condition(&self, now: Instant) -> Condition {
        let mut condition = Condition {
            status: ContainerStatus::Created,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
        };
        if let Some((run, before)) = self.runs.split_last() {
            condition.started_at = Some(run.started);
            condition.oom_killed = run.oom_killed(now);
            if let Some(end) = run.ended(now) {
                condition.status = ContainerStatus::Exited;
                condition.exit_code = end.code;
                condition.finished_at = Some(end.at);
            } else {
                condition.status = ContainerStatus::Running;
                condition.finished_at = before.last().and_then(Run::end).map(|end| end.at);
            }
        }
        if let Some(failure) = &self.failure {
            condition.error.clone_from(&failure.words);
            // Measured: the code of a run that there was stays.
            if self.runs.is_empty() {
                condition.exit_code = failure.code;
            }
        }
        condition
    }

    pub(super) fn is_running(&self, now: Instant) -> bool {
        self.runs.last().is_some_and(|run| run.ended(now).is_none())
    }

    /// The run that is going on, or else the one that would be next, as a number.
    pub(super) fn current_or_next_run(&self, now: Instant) -> usize {
        if self.is_running(now) { self.runs.len() - 1 } else { self.runs.len() }
    }

    /// What somebody who waits for the end of run number `run` has to do.
    pub(super) fn awaited(&self, run: usize, now: Instant) -> Awaited {
        match self.runs.get(run).map(Run::end) {
            Some(Some(end)) if end.at <= now => Awaited::Ended(end.code),
            Some(end) => Awaited::Wait(end.map(|end| end.at)),
            // A removal wakes the waiter, and what it reads is the last exit code.
            None if self.removed => Awaited::Ended(self.condition(now).exit_code),
            None => Awaited::Wait(None),
        }
    }

    /// What the programs and steps have ended with that came to an end before their container did.
    pub(super) fn exit_codes(&self, now: Instant) -> Vec<i64> {
        let of_run = |run: &Run| {
            let over = run.forced.map_or(now, |end| end.at.min(now));
            let acts = beginnings(&run.acts).filter(|(act, _)| !act.is_question());
            let ends = acts.filter_map(|(act, begun)| act.end(begun));
            ends.filter(|end| end.at <= over).map(|end| end.code).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of_run).collect()
    }

    /// The place up to which the run that is going on has written already.
    pub(super) fn written(&self, now: Instant) -> Cursor {
        let mut cursor = Cursor::default();
        if let Some(run) = self.runs.last().filter(|_| self.is_running(now)) {
            while let Next::Piece(..) = run.next(&mut cursor, now) {}
        }
        cursor
    }

    /// Returns the log of all runs until now, and when it can grow next without a change of the life.
    pub(super) fn log(&self, now: Instant) -> (Vec<LogEntry>, Option<Instant>) {
        let mut entries = Vec::new();
        let mut wake = None;
        for run in &self.runs {
            let (mut cursor, mut lines) = (Cursor::default(), Lines::default());
            wake = loop {
                match run.next(&mut cursor, now) {
                    Next::Piece(at, chunk) => entries.extend(lines.push(at, &chunk)),
                    Next::Wait(until) => break until,
                    Next::Never | Next::End => break None,
                }
            };
            if let Some(end) = run.ended(now) {
                entries.extend(lines.finish(end.at));
            }
        }
        (entries, wake)
    }

    /// What run number `run` has at `cursor`.
    pub(super) fn next(&self, run: usize, cursor: &mut Cursor, now: Instant) -> Next {
        match self.runs.get(run) {
            Some(run) => run.next(cursor, now),
            // Measured: of a container that is removed while it does not run, an attached stream
            // stays open.
            None if self.removed => Next::Never,
            None => Next::Wait(None),
        }
    }
}

/// Changes.
impl Life {
    pub(super) fn start(&mut self, now: Instant, script: ScriptedRun) {
        self.failure = None;
        self.next_input = Stdin::default();
        self.runs.push(Run::of(now, vec![Act::new(now, script)], None));
    }

    /// Starts a shell, which writes its greeting and reads what was written before.
    pub(super) fn start_shell(&mut self, now: Instant, greeting: Option<String>) {
        self.failure = None;
        let input = std::mem::take(&mut self.next_input);
        let acts = greeting.into_iter().map(|text| Act::greeting(now, text)).collect();
        self.runs.push(Run::of(now, acts, Some(input)));
    }

    pub(super) fn fail_to_start(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }

    /// Asks the run that is going on to stop, and arranges that it is killed when `grace` is over. A
    /// shell does not stop.
    pub(super) fn stop(&mut self, now: Instant, grace: Duration) {
        self.signal(now, Signal::Term);
        let killed = now.checked_add(grace);
        if let (Some(run), Some(at)) = (self.running(now), killed) {
            run.force(at, KILLED);
        }
    }

    /// Sends the first process a signal.
    pub(super) fn signal(&mut self, now: Instant, signal: Signal) {
        let Some(run) = self.running(now) else {
            return;
        };
        match signal {
            Signal::Kill => run.force(now, KILLED),
            Signal::Term => {
                let ignored = run.acts.first().is_none_or(Act::ignores_stop);
                if run.input.is_none() && !ignored {
                    run.force(now, STOPPED);
                }
            }
            _ => {}
        }
    }

    /// Sends every process but the init a signal, as a further program number `sender` can.
    pub(super) fn signal_all(&mut self, now: Instant, signal: Signal, sender: usize) {
        let Some(run) = self.running(now) else {
            return;
        };
        let others = run.execs.iter_mut().enumerate().filter(|(number, _)| *number != sender);
        for exec in others.filter_map(|(_, exec)| exec.as_mut()) {
            if signal == Signal::Term && !exec.ignores_stop() {
                exec.force(now, STOPPED);
            }
        }
        if signal == Signal::Term && run.input.is_some() {
            run.signal_step(now);
        } else {
            self.signal(now, signal);
        }
    }

    /// Kills what runs; nothing comes after.
    pub(super) fn remove(&mut self, now: Instant) {
        if let Some(run) = self.runs.last_mut() {
            run.force(now, KILLED);
        }
        self.removed = true;
    }

    fn running(&mut self, now: Instant) -> Option<&mut Run> {
        self.runs.last_mut().filter(|run| run.ended(now).is_none())
    }
}

/// The standard input.
impl Life {
    /// Writes to the input of run number `run`; whether there still was somebody to read it.
    pub(super) fn write(&mut self, run: usize, now: Instant, bytes: &[u8]) -> bool {
        if let Some(input) = self.input(run).filter(|input| input.closed.is_none()) {
            input.shell.feed(bytes);
        }
        match self.runs.get(run) {
            Some(run) => run.ended(now).is_none(),
            None => !self.removed,
        }
    }

    /// Ends the input of run number `run`.
    pub(super) fn close(&mut self, run: usize, now: Instant) {
        if let Some(input) = self.input(run) {
            input.closed.get_or_insert(now);
        }
    }

    fn input(&mut self, run: usize) -> Option<&mut Stdin> {
        if run == self.runs.len() {
            return Some(&mut self.next_input);
        }
        self.runs.get_mut(run)?.input.as_mut()
    }

    /// The next step that the shell has read, if it runs. One that cannot read its input ends.
    pub(super) fn take_step(&mut self, now: Instant) -> Option<Step> {
        let run = self.running(now)?;
        let read = run.input.as_mut()?.shell.next_step();
        if read == Err(Garbled) {
            run.force(now, GARBLED);
        }
        read.ok().flatten()
    }

    /// Plays a step when those before have ended.
    pub(super) fn play(&mut self, now: Instant, mark: String, script: ScriptedRun) {
        if let Some(run) = self.running(now) {
            run.acts.push(Act::step(now, script, mark));
        }
    }

    /// Tells what the last step has ended with, when it has.
    pub(super) fn answer(&mut self, now: Instant, mark: String) {
        if let Some(run) = self.running(now) {
            let last = beginnings(&run.acts).filter_map(|(act, begun)| act.end(begun)).last();
            let code = last.map_or(0, |end| end.code);
            run.acts.push(Act::question(now, code, mark));
        }
    }
}

/// Further programs.
impl Life {
    /// Prepares a program: the numbers of its run and of itself; `None` when nothing runs.
    pub(super) fn create_exec(&mut self, now: Instant) -> Option<(usize, usize)> {
        let number = self.runs.len();
        let run = self.running(now)?;
        run.execs.push(None);
        Some((number - 1, run.execs.len() - 1))
    }

    pub(super) fn start_exec(&mut self, of: (usize, usize), now: Instant, script: ScriptedRun) {
        if let Some(exec) = self.runs.get_mut(of.0).and_then(|run| run.execs.get_mut(of.1)) {
            *exec = Some(Act::new(now, script));
        }
    }

    /// What an inspection shows of a program; `None` when it was never started and its run is over,
    /// which is when the engine forgets it.
    pub(super) fn exec(&self, of: (usize, usize), now: Instant) -> Option<ExecDetails> {
        let run = self.runs.get(of.0)?;
        let mut details = ExecDetails::ended(0);
        let Some(act) = run.execs.get(of.1)?.as_ref() else {
            details.exit_code = None;
            return run.ended(now).is_none().then_some(details);
        };
        let ended = beginnings(std::slice::from_ref(act))
            .next()
            .and_then(|(act, begun)| run.exec_end(act, begun))
            .filter(|end| end.at <= now);
        details.running = ended.is_none();
        details.exit_code = ended.map(|end| end.code);
        Some(details)
    }

    /// What a program has at `piece`, which moves on when that has been written.
    pub(super) fn next_of_exec(&self, of: (usize, usize), piece: &mut usize, now: Instant) -> Next {
        let found = self.runs.get(of.0).and_then(|run| Some((run, run.execs.get(of.1)?.as_ref()?)));
        let Some((run, act)) = found else {
            return Next::End;
        };
        let Some((act, begun)) = beginnings(std::slice::from_ref(act)).next() else {
            return Next::End;
        };
        let end = run.exec_end(act, begun).map(|end| end.at);
        match act.piece(*piece, begun) {
            Piece::At(at, chunk) if at <= now && end.is_none_or(|end| at <= end) => {
                *piece += 1;
                Next::Piece(at, chunk)
            }
            _ if end.is_some_and(|end| end <= now) => Next::End,
            Piece::At(at, _) => Next::Wait(Some(end.map_or(at, |end| end.min(at)))),
            Piece::Unknown | Piece::Past => Next::Wait(end),
        }
    }
}

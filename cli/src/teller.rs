//! Berth's own lines on standard error, written by a thread of its own: where nobody reads them, a
//! write never ends, and a job has to be stopped and cleaned up all the same.

use std::{
    io::{self, Write},
    sync::{
        LazyLock,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use tokio::sync::watch;

/// How long the last lines may take. Whoever reads at all has read them by then.
const PATIENCE: Duration = Duration::from_secs(1);

static TELLER: LazyLock<Teller> = LazyLock::new(Teller::start);

enum Message {
    Lines(Vec<u8>),
    /// An answer is wanted when all before it is written.
    Done(Sender<()>),
}

struct Teller {
    messages: Sender<Message>,
    /// How many are not written yet.
    pending: watch::Sender<usize>,
}

impl Teller {
    fn start() -> Self {
        let (messages, queue) = mpsc::channel();
        let pending = watch::Sender::new(0);
        let left = pending.clone();
        let work = move || {
            for message in queue {
                match message {
                    Message::Lines(lines) => {
                        write(&lines);
                        left.send_modify(|pending| *pending -= 1);
                    }
                    // Who asked may have lost patience.
                    Message::Done(answer) => drop(answer.send(())),
                }
            }
        };
        // Without a thread nobody takes the messages, and `tell` writes the lines itself.
        drop(thread::Builder::new().name("teller".to_owned()).spawn(work));
        Self { messages, pending }
    }

    fn tell(&self, lines: Vec<u8>) {
        self.pending.send_modify(|pending| *pending += 1);
        if let Err(mpsc::SendError(Message::Lines(lines))) =
            self.messages.send(Message::Lines(lines))
        {
            write(&lines);
            self.pending.send_modify(|pending| *pending -= 1);
        }
    }
}

fn write(lines: &[u8]) {
    // When nobody reads it any more, there is nobody left to tell.
    let _ = io::stderr().lock().write_all(lines);
}

/// A line on standard error, with what would disturb a terminal escaped: engines repeat what images
/// and others say. It does not wait until the line is written.
pub(crate) fn say(line: &str) {
    tell(format!("{}\n", printable(line)).into_bytes());
}

/// `text` without anything that would move the cursor or the columns, or turn the writing: such
/// characters are escaped. Volumes and labels may be anybody's.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |character: char| {
        if character.is_control() || character.escape_debug().count() > 1 && !character.is_ascii() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    let text: String = text.chars().map(escaped).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Puts whole lines into the queue. They are written in this order.
fn tell(lines: Vec<u8>) {
    TELLER.tell(lines);
}

/// Returns when all lines so far are written: what is written elsewhere comes after them.
pub(crate) async fn told() {
    // Its sender is never gone.
    let _ = TELLER.pending.subscribe().wait_for(|pending| *pending == 0).await;
}

/// Waits for the last lines, not for ever.
pub(crate) fn finish() {
    let (answer, done) = mpsc::channel();
    if TELLER.messages.send(Message::Done(answer)).is_ok() {
        // Written or not, there is nothing more to do.
        let _ = done.recv_timeout(PATIENCE);
    }
}

/// Where the log of our own crates goes, a line for each write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        tell(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_disturb_a_terminal_is_escaped() {
        assert_eq!(printable("a\tb\n\u{1b}[2J"), "a\\tb\\n\\u{1b}[2J");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
        assert_eq!(printable("日本 'é\""), "日本 'é\"");
        assert_eq!(printable(""), "-");
    }
}

//! The shell that is fed its steps through its standard input: how it reads them. Pure.
//!
//! For each step its client writes `MARK SIZE` and a line feed, then SIZE bytes of script, then a
//! line feed, MARK and a line feed. The shell writes `MARK+` to both outputs, plays the step, and
//! writes `MARK-CODE.` to both. At the end of its input it exits with 0. One that has a name, as its
//! second argument, writes that name and `+` to both outputs first.

use docker_api_trait::{ContainerRequest, Input};

/// The name under which our shell's program is called: what a shell has as `$0`.
const NAME: &str = "berth";

/// What a shell has been given and has not played yet.
#[derive(Debug, Default)]
pub(super) struct Shell {
    unread: Vec<u8>,
}

/// A step, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) mark: String,
    pub(super) script: String,
}

/// The input is not what the protocol says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled;

impl Shell {
    /// Whether a container of this request is such a shell.
    pub(super) fn is_for(request: &ContainerRequest) -> bool {
        let arguments = &request.arguments;
        request.input != Input::None
            && request.entrypoint == ["sh"]
            && arguments.first().is_some_and(|option| option == "-c")
            && arguments.get(2).is_some_and(|name| name == NAME)
    }

    /// What such a shell writes before it reads anything.
    pub(super) fn greeting(request: &ContainerRequest) -> Option<String> {
        request.arguments.get(4).map(|name| format!("{name}+"))
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next step, if all of it is there. Lines without a size are skipped.
    pub(super) fn next_step(&mut self) -> Result<Option<Step>, Garbled> {
        loop {
            let Some(length) = self.unread.iter().position(|byte| *byte == b'\n') else {
                return Ok(None);
            };
            let header = String::from_utf8_lossy(&self.unread[..length]).into_owned();
            let mut words = header.split_ascii_whitespace();
            let (Some(mark), Some(size)) = (words.next(), words.next()) else {
                self.unread.drain(..=length);
                continue;
            };
            let size: usize = size.parse().map_err(|_| Garbled)?;
            let begin = length + 1;
            let tail = format!("\n{mark}\n");
            let end = begin.checked_add(size).ok_or(Garbled)?;
            let Some(found) = self.unread.get(end..end.saturating_add(tail.len())) else {
                return Ok(None);
            };
            if found != tail.as_bytes() {
                return Err(Garbled);
            }
            let script = String::from_utf8_lossy(&self.unread[begin..end]).into_owned();
            let mark = mark.to_owned();
            self.unread.drain(..end + tail.len());
            return Ok(Some(Step { mark, script }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(mark: &str, script: &str) -> Step {
        Step { mark: mark.to_owned(), script: script.to_owned() }
    }

    #[test]
    fn steps_are_read_one_by_one_whatever_pieces_they_come_in() {
        let text = b"a1 7\necho\nhi\na1\n\nb2 0\n\nb2\nc3 5\nec";
        let mut shell = Shell::default();
        let mut steps = Vec::new();
        for byte in text {
            shell.feed(&[*byte]);
            steps.extend(shell.next_step().unwrap());
        }
        assert_eq!(steps, [step("a1", "echo\nhi"), step("b2", "")]);
        shell.feed(text);
        assert_eq!(shell.next_step(), Err(Garbled), "half a step, and then another");
    }

    #[test]
    fn several_steps_may_come_at_once() {
        let mut shell = Shell::default();
        shell.feed(b"a1 2\nls\na1\nb2 2\nid\nb2\n");
        assert_eq!(shell.next_step(), Ok(Some(step("a1", "ls"))));
        assert_eq!(shell.next_step(), Ok(Some(step("b2", "id"))));
        assert_eq!(shell.next_step(), Ok(None));
    }

    #[test]
    fn a_size_that_is_no_number_or_a_wrong_one_makes_no_sense() {
        for text in ["a1 x\n", "a1 3\nls\na1\nid", "a1 99999999999999999999\n"] {
            let mut shell = Shell::default();
            shell.feed(text.as_bytes());
            assert_eq!(shell.next_step(), Err(Garbled), "{text:?}");
        }
    }
}

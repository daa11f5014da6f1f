//! Thousands of archives that are put together at random of what does harm: entries that lead out, through
//! links that earlier ones have made, over what is there, again and again in one folder.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;

use executor::workspace::WorkspaceError;
use fastrand::Rng;
use hostile::{Tar, World};
use tar::EntryType;

const ARCHIVES: u64 = 1_000;
/// So many into one folder, so that later ones meet what earlier ones have left.
const WORLD: u64 = 10;

/// Draws what does harm; the same from a seed in every run.
struct Harm(Rng);

impl Harm {
    /// A path of few names, so that entries meet one another.
    fn path(&mut self) -> String {
        let usual = self.0.usize(..8) > 0;
        let mut path =
            if usual { "build" } else { self.0.choice(["", "other", "./build"]).unwrap() }
                .to_owned();
        for _ in 0..=self.0.usize(..3) {
            path.push('/');
            let usual = self.0.usize(..5) > 0;
            let names = ["..", ".", "", "secret", "outside", ".git"];
            path.push_str(if usual {
                self.0.choice(["a", "b", "c", "d"]).unwrap()
            } else {
                self.0.choice(names).unwrap()
            });
        }
        path
    }

    fn target(&mut self) -> String {
        let begin =
            self.0.choice(["", "", "", "/", "../", "./", "../../", "/proc/self/root/"]).unwrap();
        let mut target = begin.to_owned();
        for number in 0..=self.0.usize(..3) {
            if number > 0 {
                target.push('/');
            }
            target.push_str(
                self.0.choice(["a", "b", "c", "d", "..", ".", "secret", "outside", "a"]).unwrap(),
            );
        }
        target
    }

    fn entry(&mut self, tar: Tar) -> Tar {
        let path = self.path();
        match self.0.usize(..12) {
            0..=2 => tar.file(&path),
            3 | 4 => tar.folder(&format!("{path}/")),
            5..=7 => tar.link(&path, &self.target()),
            8 => tar.hard(&path, &self.path()),
            9 => {
                let name = self.path();
                tar.long_name(name.as_bytes()).file(&path)
            }
            10 => {
                let (name, link) = (self.path(), self.target());
                tar.pax(&[("path", name.as_bytes()), ("linkpath", link.as_bytes())])
                    .link(&path, "harmless")
            }
            _ => {
                let kinds = [
                    EntryType::Char,
                    EntryType::Block,
                    EntryType::Fifo,
                    EntryType::GNUSparse,
                    EntryType::Continuous,
                    EntryType::new(b'Z'),
                ];
                let kind = kinds[self.0.usize(..kinds.len())];
                // Only its header says that it is large.
                let size = [0, 0, 0, 0, 0, 0, 0, 1 << 40][self.0.usize(..8)];
                tar.sized(kind, path.as_bytes(), b"", b"", size)
            }
        }
    }
}

#[tokio::test]
async fn thousands_of_random_archives_change_nothing_outside_and_leave_nothing_that_leads_out() {
    let mut harm = Harm(Rng::with_seed(3));
    let (mut made, mut skipped, mut failed) = (0, 0, 0);
    let mut world = World::new();
    for archive in 0..ARCHIVES {
        if archive % WORLD == 0 {
            world = World::new();
        }
        let entries = 2 + harm.0.usize(..12);
        let tar = (0..entries).fold(Tar::new(), |tar, _| harm.entry(tar));
        match world.unpack(tar.end()).await {
            Ok(report) => {
                made += report.files + report.folders + report.links;
                skipped += report.skipped.len();
            }
            Err(WorkspaceError::Archive { .. } | WorkspaceError::Limit(_)) => failed += 1,
            Err(error) => panic!("archive {archive}: {error:?}"),
        }
        world.assert_unharmed(&format!("archive {archive}"));
    }
    assert!(made > 1_000 && skipped > 2_000 && failed > 50, "{made} {skipped} {failed}");
}

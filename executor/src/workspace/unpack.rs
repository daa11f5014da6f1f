//! Unpacks a stranger's archive without following links or leaving the folder.

use std::{
    collections::{BTreeMap, HashSet},
    io::Read,
    path::Path,
};

use super::{
    ArtifactLimit, ArtifactLimits, ArtifactReport, LinkedArtifact, RelativePath, SkipReason,
    Skipped, WorkspaceError,
    archive::{Member, MemberKind, TarReader},
    entry::readable,
    glob::Selection,
    place::{Place, Refusal},
};

/// No call of the system takes a longer path.
const PATH_LIMIT: usize = 4096;

/// What is wanted.
pub(super) enum Wanted {
    Selection(Selection),
    /// The names that a file of the archive is to get.
    Names(BTreeMap<RelativePath, Vec<RelativePath>>),
}

pub(super) struct Unpacker {
    place: Place,
    wanted: Wanted,
    limits: ArtifactLimits,
    /// Which patterns took something.
    used: Vec<bool>,
    /// The first part of all names: the engine names the folder itself first.
    prefix: Option<Vec<u8>>,
    /// The files that were written, for the hard links to them.
    written: HashSet<RelativePath>,
    /// Selected or refused so far.
    entries: u64,
    report: ArtifactReport,
}

impl Unpacker {
    pub(super) fn unpack(
        source: impl Read,
        folder: &Path,
        wanted: Wanted,
        limits: ArtifactLimits,
    ) -> Result<ArtifactReport, WorkspaceError> {
        let failed = |source| WorkspaceError::Write { path: folder.display().to_string(), source };
        let unique =
            getrandom::u64().map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        let patterns = match &wanted {
            Wanted::Selection(selection) => selection.patterns().len(),
            Wanted::Names(_) => 0,
        };
        let mut unpacker = Self {
            place: Place::open(folder, unique).map_err(failed)?,
            wanted,
            limits,
            used: vec![false; patterns],
            prefix: None,
            written: HashSet::new(),
            entries: 0,
            report: ArtifactReport::default(),
        };
        let mut archive = TarReader::new(source);
        while let Some(member) = archive.next()? {
            unpacker.member(&member, &mut archive)?;
        }
        Ok(unpacker.finish())
    }

    fn finish(mut self) -> ArtifactReport {
        if let Wanted::Selection(selection) = &self.wanted {
            let unused = selection.patterns().iter().zip(&self.used).filter(|(_, used)| !**used);
            self.report.unmatched = unused.map(|(pattern, _)| pattern.clone()).collect();
        }
        self.report
    }

    fn member(
        &mut self,
        member: &Member,
        archive: &mut TarReader<impl Read>,
    ) -> Result<(), WorkspaceError> {
        let path = match self.path(&member.name) {
            Ok(Some(path)) => path,
            // The folder itself.
            Ok(None) => return Ok(()),
            Err(reason) => {
                self.count()?;
                self.skip(&member.name, reason);
                return Ok(());
            }
        };
        for name in self.names(&path) {
            self.count()?;
            let made = if path.is_git() || name.is_git() {
                Err(Refusal::Skip(SkipReason::Git))
            } else {
                self.make(&name, &path, member, archive)
            };
            match made {
                Ok(()) => {}
                Err(Refusal::Skip(reason)) => self.skip(name.as_bytes(), reason),
                Err(Refusal::Read(error)) => return Err(archive.fault(error)),
                Err(Refusal::Write(source)) => {
                    return Err(WorkspaceError::Write { path: name.to_string(), source });
                }
            }
            // Only now is it known how much is left for the others.
            if self.report.bytes > self.limits.bytes {
                return Err(ArtifactLimit::Bytes(self.limits.bytes).into());
            }
        }
        Ok(())
    }

    /// The names under which the entry is wanted.
    fn names(&mut self, path: &RelativePath) -> Vec<RelativePath> {
        if path.is_reserved() {
            return Vec::new();
        }
        match &self.wanted {
            Wanted::Selection(selection) => {
                let taken = selection.takes(path, &mut self.used);
                if taken { vec![path.clone()] } else { Vec::new() }
            }
            Wanted::Names(names) => names.get(path).cloned().unwrap_or_default(),
        }
    }

    fn make(
        &mut self,
        name: &RelativePath,
        path: &RelativePath,
        member: &Member,
        archive: &mut TarReader<impl Read>,
    ) -> Result<(), Refusal> {
        match member.kind {
            MemberKind::Folder => {
                self.place.folder(name, member.mode)?;
                self.report.folders += 1;
            }
            // The content is in the archive once; further names get a copy.
            MemberKind::File => match self.first_name(path, name) {
                None => self.file(name, member, &mut archive.body())?,
                Some(first) => self.copy(&first, name, member)?,
            },
            MemberKind::SymbolicLink => {
                if !stays_inside(name, &member.target) {
                    return Err(Refusal::Skip(SkipReason::LinkOutside));
                }
                self.place.link(name, &member.target)?;
                self.written.remove(name);
                self.report.links += 1;
            }
            MemberKind::HardLink => self.hard_link(name, member)?,
            MemberKind::Special => return Err(Refusal::Skip(SkipReason::Special)),
            MemberKind::Unsupported => return Err(Refusal::Skip(SkipReason::Unsupported)),
        }
        Ok(())
    }

    /// The first name that this entry was written under, when `name` is a further one.
    fn first_name(&self, path: &RelativePath, name: &RelativePath) -> Option<RelativePath> {
        let Wanted::Names(names) = &self.wanted else { return None };
        let first = names.get(path)?.iter().find(|first| self.written.contains(*first))?;
        (first != name).then(|| first.clone())
    }

    fn file(
        &mut self,
        name: &RelativePath,
        member: &Member,
        content: &mut impl Read,
    ) -> Result<(), Refusal> {
        self.report.bytes = self.report.bytes.saturating_add(member.size);
        if self.report.bytes > self.limits.bytes {
            // Said by the caller, before any of it is written.
            return Ok(());
        }
        match self.place.file(name, member.mode, member.modified, content) {
            Ok(_) => {
                self.written.insert(name.clone());
                self.report.files += 1;
                Ok(())
            }
            Err(refusal) => {
                self.report.bytes -= member.size;
                Err(refusal)
            }
        }
    }

    fn hard_link(&mut self, name: &RelativePath, member: &Member) -> Result<(), Refusal> {
        let Ok(Some(target)) = self.path(&member.target) else {
            return Err(Refusal::Skip(SkipReason::LinkOutside));
        };
        if target.is_git() || target.is_reserved() {
            return Err(Refusal::Skip(SkipReason::LinkOutside));
        }
        if self.written.contains(&target) {
            return self.copy(&target, name, member);
        }
        if matches!(self.wanted, Wanted::Names(_)) {
            return Err(Refusal::Skip(SkipReason::LinkUnknown));
        }
        self.report.linked.push(LinkedArtifact { path: name.clone(), target });
        Ok(())
    }

    /// Copies a file that this unpacking has written.
    fn copy(
        &mut self,
        from: &RelativePath,
        name: &RelativePath,
        member: &Member,
    ) -> Result<(), Refusal> {
        let mut file = self.place.read(from)?;
        let size = file.metadata().map_err(Refusal::Read)?.len();
        let copy = Member { size, ..member.clone() };
        self.file(name, &copy, &mut file)
    }

    /// The entry's path below the build folder; nothing when it is that folder.
    fn path(&mut self, name: &[u8]) -> Result<Option<RelativePath>, SkipReason> {
        if name.len() > PATH_LIMIT {
            return Err(SkipReason::NameTooLong);
        }
        let mut names = name.split(|byte| *byte == b'/');
        let first = names.next().unwrap_or_default();
        if first.is_empty() || first == b".." || first.contains(&0) {
            return Err(SkipReason::Outside);
        }
        if *self.prefix.get_or_insert_with(|| first.to_vec()) != first {
            return Err(SkipReason::Outside);
        }
        let names: Vec<&[u8]> = names.filter(|name| !matches!(*name, b"" | b".")).collect();
        if names.is_empty() {
            return Ok(None);
        }
        RelativePath::new(names.join(&b'/')).map(Some).ok_or(SkipReason::Outside)
    }

    fn count(&mut self) -> Result<(), WorkspaceError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(ArtifactLimit::Entries(self.limits.entries).into());
        }
        Ok(())
    }

    fn skip(&mut self, name: &[u8], reason: SkipReason) {
        self.report.skipped.push(Skipped { path: readable(name), reason });
    }
}

/// Whether a link at `path` leads to something below the top, whatever other such links there are.
///
/// `..` is allowed only at the start, where the folders that it leaves are known to be folders:
/// `up/..` leads out when `up` is a link to the top.
fn stays_inside(path: &RelativePath, target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let mut depth = path.names().count() - 1;
    let mut descending = false;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if descending || depth == 0 => return false,
            b".." => depth -= 1,
            // A link into Git's folder would let whoever writes through it in.
            name if name.eq_ignore_ascii_case(b".git") => return false,
            _ => descending = true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_inside_only_when_no_other_link_could_lead_it_out() {
        let inside = |path: &str, target: &str| {
            stays_inside(&RelativePath::new(path).unwrap(), target.as_bytes())
        };
        for (path, target) in [
            ("a", "b"),
            ("a", "b/c"),
            ("a", "./b"),
            ("d/a", "../b"),
            ("d/e/a", "../../b/c"),
            ("d/a", ".."),
            ("a", "."),
            ("a", "b//c/"),
        ] {
            assert!(inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", ".."),
            ("a", "../b"),
            ("a", "/etc"),
            ("a", ""),
            ("a", "b/.."),
            ("a", "b/../c"),
            ("d/a", "../.."),
            ("d/a", "../x/.."),
            ("d/a", "./../../b"),
            ("a", "b\0"),
            ("a", ".git/hooks"),
        ] {
            assert!(!inside(path, target), "{path} -> {target}");
        }
    }
}

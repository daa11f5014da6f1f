//! Reading a spec.
//!
//! ```text
//! spec        := [ source ":" ] destination { ":" option { "," option } }
//! source      := absolute path of the host | name of a volume | named pipe
//! destination := absolute path in the container | path from the working directory | named pipe
//! ```
//! What the first part is, the second one decides: before an absolute path it is a source; before
//! nothing but options it is a cache's destination.

use std::{collections::BTreeMap, str::FromStr};

use docker_api_trait::VolumeName;

use super::{
    error::{SpecError, SpecPart, SpecProblem},
    option::SpecOption,
    origin::SpecOrigin,
    split::{Piece, parts},
    variable::expand,
    volume::{VolumeSource, VolumeSpec},
};
use crate::path::{ContainerPath, HostPath, OperatingSystem, PathProblem, PipePath};

/// Reads specs, by the rules of the engine's operating system.
///
/// It accepts what GitLab Runner's `volumes` accept and an engine can carry out, and Docker's short
/// `-v` syntax; `docs/volume-specs.md` has the differences. Nothing is read from the machine or
/// the environment: variables are those that are given.
///
/// ```
/// use volume_manager::{OperatingSystem, SpecReader};
///
/// let reader = SpecReader::new(OperatingSystem::Linux)
///     .with_variables([("BRANCH".to_owned(), "main".to_owned())])
///     .with_working_directory("/builds/app".parse()?);
/// assert_eq!(reader.read("/cache/$BRANCH:nocopy")?.destination.as_str(), "/cache/main");
/// assert_eq!(reader.read("node_modules")?.destination.as_str(), "/builds/app/node_modules");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpecReader {
    system: OperatingSystem,
    variables: BTreeMap<String, String>,
    folder: Option<ContainerPath>,
    origin: SpecOrigin,
}

impl SpecReader {
    /// A reader of `system`'s specs, without variables and without a working directory.
    pub fn new(system: OperatingSystem) -> Self {
        Self { system, variables: BTreeMap::new(), folder: None, origin: SpecOrigin::Job }
    }

    /// For specs of this origin; without it, they are a job's.
    pub fn with_origin(mut self, origin: SpecOrigin) -> Self {
        self.origin = origin;
        self
    }

    /// With these variables for sources and destinations; of several with one name the last
    /// counts. A value stays within its part: a colon or comma in it separates nothing.
    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// With the folder that relative destinations join.
    pub fn with_working_directory(mut self, folder: ContainerPath) -> Self {
        self.folder = Some(folder);
        self
    }

    /// `text` with the variables' values put in, as in a spec: for what else of a job has variables
    /// in it. Values are not looked through for more variables, so nothing recurs.
    ///
    /// # Errors
    /// The name of the first variable that has no value.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        expand(text, &self.variables).map_err(|undefined| undefined.name.to_owned())
    }

    /// Reads one spec.
    ///
    /// # Errors
    /// [`SpecError`] with the part that is wrong, and where it is.
    pub fn read(&self, spec: &str) -> Result<VolumeSpec, SpecError> {
        let pieces = parts(self.system, spec);
        let error = |part, piece: Piece<'_>, problem| SpecError {
            spec: spec.to_owned(),
            system: self.system,
            part,
            text: piece.text.to_owned(),
            column: piece.column,
            problem,
        };
        let expanded = |part, piece: Piece<'_>| {
            expand(piece.text, &self.variables).map_err(|undefined| {
                let problem = SpecProblem::UndefinedVariable(undefined.name.to_owned());
                let column = piece.column + undefined.offset;
                SpecError { column, ..error(part, piece, problem) }
            })
        };
        let has_source =
            matches!(pieces.as_slice(), [first, second, ..] if !self.is_options(*first, *second));
        let (source, destination, options) = match pieces.as_slice() {
            [source, destination, options @ ..] if has_source => {
                let text = expanded(SpecPart::Source, *source)?;
                let read = self
                    .source(&text)
                    .map_err(|problem| error(SpecPart::Source, *source, problem))?;
                (Some(read), *destination, options)
            }
            [destination, options @ ..] => (None, *destination, options),
            [] => (None, Piece { text: "", column: 1 }, &[][..]),
        };
        let text = expanded(SpecPart::Destination, destination)?;
        let path = self.destination(&text).map_err(|problem| {
            error(SpecPart::Destination, destination, SpecProblem::Path(problem))
        })?;
        let may_cover = self.origin.may_cover_system() && source.is_some();
        if path.is_reserved() && !may_cover {
            return Err(error(SpecPart::Destination, destination, SpecProblem::Reserved));
        }
        let is_pipe = path.is_pipe();
        let source = match source {
            None if is_pipe => VolumeSource::Pipe(None),
            None => VolumeSource::Cache,
            Some(source) if matches!(source, VolumeSource::Pipe(_)) == is_pipe => source,
            Some(_) => {
                return Err(error(SpecPart::Destination, destination, SpecProblem::PipeMismatch));
            }
        };
        let mut read = VolumeSpec { source, ..VolumeSpec::cache(path) };
        for option in options.iter().flat_map(|part| part.options()) {
            SpecOption::read(self.system, option.text)
                .ok_or(SpecProblem::UnknownOption)
                .and_then(|known| known.apply(&mut read))
                .map_err(|problem| error(SpecPart::Option, option, problem))?;
        }
        Ok(read)
    }

    /// Whether what follows the first part can only be options: known ones, or, after a path, words
    /// that are no path. (`/a:b` is a mistaken option more likely than a relative destination; that
    /// would be `/a:./b`.)
    fn is_options(&self, first: Piece<'_>, second: Piece<'_>) -> bool {
        let after_path = first.text.starts_with(['/', '\\', '.']) || first.text.contains(':');
        let is_known = |option: Piece<'_>| SpecOption::read(self.system, option.text).is_some();
        second.options().all(is_known)
            || after_path
                && !second.text.starts_with(['.', '$'])
                && !second.text.contains(['/', '\\', ':'])
    }

    fn source(&self, text: &str) -> Result<VolumeSource, SpecProblem> {
        if text.is_empty() {
            return Err(SpecProblem::Path(PathProblem::Empty));
        }
        if self.system == OperatingSystem::Windows {
            match PipePath::new(text) {
                Ok(pipe) => return Ok(VolumeSource::Pipe(Some(pipe))),
                Err(PathProblem::NotAbsolute) => {}
                Err(problem) => return Err(SpecProblem::Path(problem)),
            }
        }
        if text.contains(['/', '\\']) {
            return HostPath::new(self.system, text)
                .map(VolumeSource::Host)
                .map_err(SpecProblem::Path);
        }
        VolumeName::new(text).map(VolumeSource::Named).map_err(SpecProblem::Name)
    }

    fn destination(&self, text: &str) -> Result<ContainerPath, PathProblem> {
        match (ContainerPath::new(self.system, text), &self.folder) {
            (Err(PathProblem::NotAbsolute), Some(folder))
                if !text.starts_with(['/', '\\']) && !text.contains(':') =>
            {
                folder.join(text)
            }
            (path, _) => path,
        }
    }
}

impl FromStr for VolumeSpec {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        SpecReader::new(OperatingSystem::Linux).read(spec)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `kind canonical-form` of a spec, or `part@column` of what is wrong with it.
    fn read_by(reader: &SpecReader, spec: &str) -> String {
        match reader.read(spec) {
            Ok(read) => format!("{} {read}", read.source.kind()),
            Err(error) => format!("{}@{}", error.part, error.column),
        }
    }

    fn check(system: OperatingSystem, cases: &[(&str, &str)]) {
        for (spec, expected) in cases {
            assert_eq!(read_by(&SpecReader::new(system), spec), *expected, "{spec:?}");
        }
    }

    #[test]
    fn only_the_operator_may_mount_over_the_system() {
        let job = SpecReader::new(OperatingSystem::Linux);
        let operator = job.clone().with_origin(SpecOrigin::Operator);
        for spec in
            ["/sys/fs/cgroup:/sys/fs/cgroup:ro", "/dev/shm:/dev/shm", "/dev:/dev", "data:/dev/data"]
        {
            assert_eq!(job.read(spec).unwrap_err().problem, SpecProblem::Reserved, "{spec}");
            assert_eq!(operator.read(spec).unwrap().to_string(), spec);
        }
        // A cache there would hide the system and hold nothing of use.
        for spec in ["/dev/shm", "/sys", "/proc"] {
            assert_eq!(operator.read(spec).unwrap_err().problem, SpecProblem::Reserved, "{spec}");
        }
    }

    #[test]
    fn a_path_alone_is_a_cache_whatever_its_options() {
        check(
            OperatingSystem::Linux,
            &[
                ("/cache", "cache /cache"),
                ("/cache/", "cache /cache"),
                ("/cache:ro", "cache /cache:ro"),
                ("/cache:RO", "cache /cache:ro"),
                ("/cache:rw", "cache /cache:rw"),
                ("/cache:o", "cache /cache:O"),
                ("/cache:z", "cache /cache:z"),
                ("/cache:Z", "cache /cache:Z"),
                ("/cache:Shared", "cache /cache:shared"),
                ("/cache:nocopy,ro", "cache /cache:ro,nocopy"),
                ("/cache:ro:nocopy", "cache /cache:ro,nocopy"),
                ("/with space", "cache /with space"),
                ("/b,z", "cache /b,z"),
                ("/a/../b", "cache /b"),
                ("//a", "cache /a"),
            ],
        );
    }

    #[test]
    fn a_source_is_a_name_or_a_path_of_the_host() {
        check(
            OperatingSystem::Linux,
            &[
                ("data:/data", "named data:/data"),
                ("data:/data/:ro", "named data:/data:ro"),
                ("/host:/path", "host /host:/path"),
                ("/host/:/path:ro", "host /host:/path:ro"),
                ("/:/host", "host /:/host"),
                ("/a:/b,z", "host /a:/b,z"),
                (
                    "/src with spaces:/dst with spaces:rw",
                    "host /src with spaces:/dst with spaces:rw",
                ),
            ],
        );
    }

    #[test]
    fn options_come_in_any_order_after_colons_and_commas() {
        check(
            OperatingSystem::Linux,
            &[
                ("/s:/d:ro,z,rslave", "host /s:/d:ro,z,rslave"),
                ("/s:/d:rslave:z:ro", "host /s:/d:ro,z,rslave"),
                ("/s:/d:ro:Z,RSLAVE", "host /s:/d:ro,Z,rslave"),
                ("/s:/d:O,Z", "host /s:/d:O,Z"),
                ("/s:/d:cached", "host /s:/d:cached"),
                ("/s:/d:delegated,ro", "host /s:/d:ro,delegated"),
                ("n1:/d:nocopy,consistent,rw", "named n1:/d:rw,nocopy,consistent"),
                ("n1:/d:private,z", "named n1:/d:z,private"),
                ("/s:/d:rprivate", "host /s:/d:rprivate"),
                ("/s:/d:slave", "host /s:/d:slave"),
                ("/s:/d:rshared", "host /s:/d:rshared"),
            ],
        );
    }

    #[test]
    fn an_error_names_the_part_and_its_column() {
        check(
            OperatingSystem::Linux,
            &[
                ("", "destination@1"),
                ("relative/path", "destination@1"),
                ("/", "destination@1"),
                ("/a/../../b", "destination@1"),
                ("name:relative", "destination@6"),
                ("name:", "destination@6"),
                ("./a:/b", "source@1"),
                ("~/a:/b", "source@1"),
                (":/cache", "source@1"),
                ("../x:/cache", "source@1"),
                ("..:/cache", "source@1"),
                ("x:/cache", "source@1"),
                ("na me:/cache", "source@1"),
                ("x?force=true:/cache", "source@1"),
                ("/h/../..:/cache", "source@1"),
                (r"C:\a:/b", "source@1"),
                ("日本:/cache", "source@1"),
                ("/cache:T", "option@8"),
                ("/cache:", "option@8"),
                ("/cache:ro,", "option@11"),
                ("/cache:ro,rw", "option@11"),
                ("/cache:z:Z", "option@10"),
                ("/cache:shared,rslave", "option@15"),
                ("/cache:cached,delegated", "option@15"),
                ("/cache:nocopy,nocopy", "option@15"),
                ("/host:/path:nocopy", "option@13"),
                ("/host:/path:rw:something", "option@16"),
                ("/host:/path:,rslave", "option@13"),
                ("/host:/path:U", "option@13"),
                ("/a:b", "option@4"),
                ("/a:b,/c", "destination@4"),
                ("/a:/b:", "option@7"),
                ("/a:/b:/c", "option@7"),
                ("/日本:qq", "option@5"),
                ("/pr\u{43e}c", "destination@1"),
                ("/src:/c\nd", "destination@6"),
                ("/src:/proc/self", "destination@6"),
                ("/x/../dev", "destination@1"),
            ],
        );
    }

    #[test]
    fn windows_has_drives_pipes_and_modes() {
        check(
            OperatingSystem::Windows,
            &[
                (r"c:\dst", r"cache c:\dst"),
                ("c:/cache:RO", r"cache c:\cache:ro"),
                (r"d:\", r"cache d:\"),
                (r"c:\a:d:", r"host c:\a:d:\"),
                (r"name:c:\x", r"named name:c:\x"),
                (r"c:\a:c:\b:ro", r"host c:\a:c:\b:ro"),
                (r"c:\foo bar:d:\baz qux:rw", r"host c:\foo bar:d:\baz qux:rw"),
                (r"\\?\c:\very:c:\y", r"host \\?\c:\very:c:\y"),
                (r"\\.\pipe\a", r"pipe \\.\pipe\a"),
                ("//./pipe/a", r"pipe \\.\pipe\a"),
                (r"//./pipe/a:\\.\PIPE\b:rw", r"pipe \\.\pipe\a:\\.\pipe\b:rw"),
                (r"c:\a|b", r"cache c:\a|b"),
                (r"name:c:\x:nocopy", r"named name:c:\x:nocopy"),
                ("", "destination@1"),
                ("/x", "destination@1"),
                (r"\x", "destination@1"),
                ("relative", "destination@1"),
                ("c:rel", "source@1"),
                ("c:", "destination@1"),
                (r"c:\a:c:rel", "option@6"),
                (r"\\server\share:c:\x", "source@1"),
                (r"c:\a:c:\b:z", "option@11"),
                (r"c:\a:c:\b:ro,z", "option@14"),
                (r"c:\x:/y", "destination@6"),
                (r"/source:c:\y", "source@1"),
                (r"c:\a:\\.\pipe\b", "destination@6"),
                (r"\\.\pipe\b:c:\a", "destination@12"),
                (r"\\.\pipe\b:\\.\pipe\b:nocopy", "option@23"),
            ],
        );
    }

    #[test]
    fn variables_are_put_in_before_anything_is_judged() {
        let variables = [("DIR", "/data"), ("NAME", "vol"), ("UP", "/../.."), ("ODD", "a:ro,z")];
        let reader = SpecReader::new(OperatingSystem::Linux)
            .with_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (spec, expected) in [
            ("$DIR/x", "cache /data/x"),
            ("$DIR:/x", "host /data:/x"),
            ("$NAME:$DIR:ro", "named vol:/data:ro"),
            ("/${NAME}1:/b$$1", "host /vol1:/b$$1"),
            ("/c/$ODD", "cache /c/a:ro,z"),
            ("/c$UP", "destination@1"),
            ("/ä/$NONE", "destination@4"),
            ("$NONE:/x", "source@1"),
            ("/x:$NAME", "destination@4"),
            ("/src:/${r/$$-t/d", "host /src:/$${r/$$-t/d"),
        ] {
            assert_eq!(read_by(&reader, spec), expected, "{spec}");
        }
        let error = reader.read("/c/$NONE").unwrap_err();
        assert_eq!(error.problem, SpecProblem::UndefinedVariable("NONE".to_owned()));
    }

    #[test]
    fn a_relative_destination_joins_the_working_directory() {
        let reader = SpecReader::new(OperatingSystem::Linux)
            .with_working_directory("/builds/app".parse().unwrap());
        for (spec, expected) in [
            ("node_modules", "cache /builds/app/node_modules"),
            ("node_modules:ro", "cache /builds/app/node_modules:ro"),
            ("./target:nocopy", "cache /builds/app/target:nocopy"),
            ("vol:data", "named vol:/builds/app/data"),
            ("/host:./data:ro", "host /host:/builds/app/data:ro"),
            ("..", "cache /builds"),
            ("/a:b", "option@4"),
            ("../../..", "destination@1"),
            (r"\x", "destination@1"),
            (r"vol:\x", "destination@5"),
        ] {
            assert_eq!(read_by(&reader, spec), expected, "{spec}");
        }
        let reader = SpecReader::new(OperatingSystem::Windows).with_working_directory(
            ContainerPath::new(OperatingSystem::Windows, r"c:\builds").unwrap(),
        );
        assert_eq!(read_by(&reader, "x/y"), r"cache c:\builds\x\y");
        // From the root of a drive that is not named, or from the folder of another drive.
        assert_eq!(read_by(&reader, "/x"), "destination@1");
        assert_eq!(read_by(&reader, "vol:$D"), "destination@5");
        let drive = [("D".to_owned(), "d:x".to_owned())];
        assert_eq!(read_by(&reader.with_variables(drive), "vol:$D"), "destination@5");
    }

    #[test]
    fn an_error_is_one_line_with_the_spec_in_it() {
        let error = "relative/path".parse::<VolumeSpec>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid volume \"relative/path\": the destination \"relative/path\" at column 1 is \
             not an absolute path"
        );
        let hostile = format!("/a\nb{}", "x".repeat(5000)).parse::<VolumeSpec>().unwrap_err();
        assert!(hostile.to_string().len() < 400 && !hostile.to_string().contains('\n'));
        let turned = "/a\u{202e}".parse::<VolumeSpec>().unwrap_err().to_string();
        assert!(turned.is_ascii(), "{turned}");
    }

    #[test]
    fn every_error_has_a_hint_for_its_system() {
        let error = |system, spec: &str| SpecReader::new(system).read(spec).unwrap_err().hint();
        let (linux, windows) = (OperatingSystem::Linux, OperatingSystem::Windows);
        for (system, spec, word) in [
            (linux, "/a:q", "`z` or `Z`"),
            (windows, r"c:\a:q", "`ro` or `rw`"),
            (linux, "..:/a", "a volume's name or an absolute path"),
            (windows, r"?:c:\a", r"c:\data"),
            (linux, "a", "working directory"),
            (linux, "/", "not / itself"),
            (windows, "c:", "not the drive c:"),
            (linux, "/$A", "$$"),
            (linux, "/a:/b:nocopy", "for volumes"),
            (windows, r"vol:\\.\pipe\x", r"\\.\pipe\NAME"),
        ] {
            assert!(error(system, spec).contains(word), "{spec}: {}", error(system, spec));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_back_the_same(
            spec in "[/a:,.$z\\PC]{0,20}", windows: bool,
        ) {
            let system =
                if windows { OperatingSystem::Windows } else { OperatingSystem::Linux };
            let reader = SpecReader::new(system);
            if let Ok(read) = reader.read(&spec) {
                prop_assert_eq!(reader.read(&read.to_string()), Ok(read));
            }
        }
    }
}

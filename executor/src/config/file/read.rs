//! The way through the file: its syntax, the runner that is meant, and then key by key.

use std::{borrow::Cow, collections::BTreeMap, io, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ConfigError, ConfigNoteKind, RunnerConfig, RunnerSelection,
    draft::Draft,
    key::{Key, Keys, Kind, Treatment},
    table::{BERTH, EXECUTOR, GLOBAL, RUNNER, SECTIONS},
    text::Problem,
    value::{Item, Source, joined},
};

/// The executors that run containers on a Docker engine.
const DOCKER_EXECUTORS: [&str; 3] = ["docker", "docker+machine", "docker-autoscaler"];

/// Reads the runner that `selection` means from `text`, a `config.toml` of GitLab Runner's.
///
/// Keys are those of GitLab Runner, and those of the table `[runners.berth]`, which GitLab Runner
/// does not look at. What is done with each is in `docs/configuration.md`. Every key of the global
/// section and of the chosen runner is read, noted or an error; of other runners only the names are
/// read. An unknown key is noted, as GitLab Runner ignores it; [`RunnerConfig::check_strict`] refuses
/// it. A key with an empty value, such as `""`, `0` or `false`, is as if it were not there, unless
/// that says something by itself. Names of keys may be in any case. A byte order mark and line ends
/// of Windows are accepted.
///
/// Nothing is read but `text` and, through `read_file`, the files that `security_opt` and
/// `services_security_opt` name.
///
/// # Errors
/// [`ConfigError`], with line and column; of several errors one, as a rule the first.
///
/// ```
/// use executor::config::{RunnerSelection, read_config};
///
/// let text = r#"
/// [[runners]]
///   executor = "docker"
///   [runners.docker]
///     image = "alpine:3"
///     memory = "512m"
///     volumes = ["/cache"]
/// "#;
/// let selection = RunnerSelection::new("my-ci");
/// let runner = read_config(text, &selection, &|path| std::fs::read_to_string(path))?;
/// assert_eq!(runner.config.containers.host.memory, Some(512 << 20));
/// assert_eq!(runner.config.volumes, ["/cache"]);
/// # Ok::<_, executor::config::ConfigError>(())
/// ```
pub fn read_config(
    text: &str,
    selection: &RunnerSelection,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<RunnerConfig, ConfigError> {
    let text = normalize_file_text(text);
    let text = text.as_ref();
    let source = Source::new(text);
    let root = DeTable::parse(text).map_err(|error| {
        let (line, column) = source.place(error.span().map_or(0, |span| span.start));
        // The parser's own words; its display would repeat the line, which may hold a token.
        let problem = error.message().replace(['\n', '\r'], " ");
        ConfigError::Syntax { line, column, problem }
    })?;
    let root = DeValue::Table(root.into_inner());
    let root = Spanned::new(0..0, root);
    let root = Item::new(&source, "", &root);
    let runner = chosen(&root, selection)?;
    let mut draft = Draft::new(selection, read_file);
    walk(&mut draft, &root, GLOBAL)?;
    walk(&mut draft, &runner, RUNNER)?;
    if !draft.places.has_pull_policy {
        let text = "is not given: images are pulled when the engine does not have them, where \
                    GitLab Runner pulls each time";
        draft.note(&runner.below("docker.pull_policy"), ConfigNoteKind::Differs, text);
    }
    draft.finish()
}

/// Returns the text of a job file or configuration without what editors on Windows add: a byte order
/// mark, and carriage returns before line feeds, which would otherwise become part of the scripts in
/// the file. Lines and columns stay.
pub fn normalize_file_text(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() }
}

/// Reads the keys of a table.
fn walk(draft: &mut Draft<'_>, table: &Item<'_>, keys: Keys) -> Result<(), ConfigError> {
    let mut seen = BTreeMap::new();
    for (name, item) in table.entries()? {
        let Some(key) = find(keys, name) else {
            unknown(draft, name, &item, keys)?;
            continue;
        };
        if let Some(other) = seen.insert(key.name, name) {
            let (line, column) = item.key_place();
            let (key, other) = (item.key().to_owned(), other.to_owned());
            return Err(ConfigError::DuplicateKey { key, line, column, other });
        }
        let item = if key.name == name {
            item
        } else {
            draft.note_spelling(&item, key.name);
            table.rename(&item, key.name)
        };
        let item = item.secret(key.is_secret);
        key.kind.check(&item)?;
        match key.treatment {
            Treatment::Supported(apply) => {
                // Numbers and booleans say something even when they are zero or false.
                let is_absent =
                    !matches!(key.kind, Kind::Integer | Kind::Boolean) && item.is_empty();
                if !is_absent {
                    apply(draft, &item)?;
                }
            }
            Treatment::Section(keys) => walk(draft, &item, keys)?,
            Treatment::Sections(keys, finish) => {
                for table in item.members()? {
                    walk(draft, &table, keys)?;
                    finish(draft, &table)?;
                }
            }
            Treatment::Noted(..) | Treatment::Refused { .. } if item.is_empty() => {}
            Treatment::Noted(kind, text) => draft.note(&item, kind, text),
            Treatment::Refused { reason, remedy } => {
                let (line, column) = item.place();
                let key = item.key().to_owned();
                return Err(ConfigError::Unsupported { key, line, column, reason, remedy });
            }
        }
    }
    Ok(())
}

/// The key of this name. GitLab Runner reads names in any case.
fn find(keys: Keys, name: &str) -> Option<&'static Key> {
    let exact = flat(keys).find(|key| key.name == name);
    exact.or_else(|| flat(keys).find(|key| key.name.eq_ignore_ascii_case(name)))
}

/// GitLab Runner ignores unknown keys, so that they are only noted. In Berth's own table they are
/// errors: no other program's file has that table, and a misspelled limit would not hold.
fn unknown(
    draft: &mut Draft<'_>,
    name: &str,
    item: &Item<'_>,
    keys: Keys,
) -> Result<(), ConfigError> {
    /// Comparing names takes time, and further suggestions help little.
    const MAX_SUGGESTIONS: usize = 100;
    if std::ptr::eq(keys, BERTH) {
        let (line, column) = item.key_place();
        let (key, similar) = (item.key().to_owned(), similar(name, keys));
        return Err(ConfigError::UnknownKey { key, line, column, similar });
    }
    let suggestion = (draft.notes() < MAX_SUGGESTIONS).then(|| similar(name, keys)).flatten();
    draft.note_unknown(item, suggestion);
    Ok(())
}

/// The runner that is meant.
fn chosen<'a>(root: &Item<'a>, selection: &RunnerSelection) -> Result<Item<'a>, ConfigError> {
    let entries = root.entries()?;
    let runners = match entries.iter().find(|(name, _)| name.eq_ignore_ascii_case("runners")) {
        Some((_, runners)) => {
            Kind::Tables.check(runners)?;
            runners.members()?
        }
        None => Vec::new(),
    };
    let mut known = Vec::new();
    for runner in runners {
        let entries = runner.entries()?;
        let text = |key: &str| {
            let entry = entries.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            entry.map_or(Ok(""), |(_, entry)| entry.text())
        };
        let (name, executor) = (text("name")?, text("executor")?);
        known.push(Candidate { name, executor, runner });
    }
    let names = |known: &[Candidate<'_>]| -> Vec<String> {
        known.iter().map(|candidate| candidate.name.to_owned()).collect()
    };
    let all = names(&known);
    known.retain(|candidate| match &selection.name {
        Some(wanted) => candidate.name == wanted,
        None => DOCKER_EXECUTORS.contains(&candidate.executor),
    });
    match known.as_slice() {
        [] => Err(ConfigError::NoRunner { wanted: selection.name.clone(), names: all }),
        [Candidate { executor: "", runner, .. }] => {
            let problem = Problem::new("is missing", EXECUTOR);
            Err(runner.below("executor").invalid(&problem))
        }
        [Candidate { runner, .. }] => Ok(runner.clone()),
        _ => Err(ConfigError::ManyRunners { names: names(&known) }),
    }
}

/// A runner that could be meant.
struct Candidate<'a> {
    name: &'a str,
    executor: &'a str,
    runner: Item<'a>,
}

/// The known key that is nearest: in the same table, or else by the same name in another.
fn similar(name: &str, keys: Keys) -> Option<String> {
    /// A longer name is no slip of the fingers, and comparing costs the product of the lengths.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let written = name.to_ascii_lowercase().replace('-', "_");
    let distance =
        |key: &Key| strsim::damerau_levenshtein(&written, &key.name.to_ascii_lowercase());
    let nearest = flat(keys).map(|key| (distance(key), key)).min_by_key(|(distance, _)| *distance);
    if let Some((distance, key)) = nearest
        && distance <= (name.len() / 3).clamp(1, 3)
        // Further from the name, a key with another first letter is rarely what was meant.
        && (distance == 1 || written.chars().next() == key.name.chars().next())
    {
        return Some(key.name.to_owned());
    }
    SECTIONS.iter().find_map(|(section, keys)| {
        let key = flat(keys).find(|key| key.name == written)?;
        Some(joined(section, key.name)).filter(|path| path.contains('.') || section.is_empty())
    })
}

/// The keys of all groups.
pub(super) fn flat(keys: Keys) -> impl Iterator<Item = &'static Key> {
    keys.iter().copied().flatten()
}

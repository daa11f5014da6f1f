//! `berth volumes`.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use docker_api_trait::{ApiError, ContainerSummary, Volume, VolumeName};
use serde::Serialize;
use tokio::runtime::Runtime;
use volume_manager::{
    Inventory, PlanError, RemovalError, VolumeExplanation, VolumeRecord, Warmth, cache_of, explain,
};

use crate::{
    args::{
        EngineArguments, ExplainArguments, InspectArguments, LsArguments, RmArguments,
        VolumesSubcommand,
    },
    engine::Engine,
    failure::{Failure, NOT_DONE, OUR_FAILURE},
    table::{Table, print_json},
    teller::{printable, say},
};

/// Does what a subcommand says; returns the exit code.
pub(crate) fn volumes(subcommand: &VolumesSubcommand) -> Result<u8, Failure> {
    match subcommand {
        VolumesSubcommand::Ls(arguments) => list(arguments),
        VolumesSubcommand::Inspect(arguments) => inspect(arguments),
        VolumesSubcommand::Explain(arguments) => explain_spec(arguments),
        VolumesSubcommand::Rm(arguments) => remove(arguments),
    }
}

/// An engine's volumes, and what runs requests to it.
struct Desk {
    engine: Engine,
    inventory: Inventory,
    runtime: Runtime,
}

impl Desk {
    fn new(arguments: &EngineArguments) -> Result<Self, Failure> {
        let engine = Engine::new(arguments)?;
        let inventory = Inventory::new(engine.docker.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::from_error(&error, Some("the system is short of something".into()))
        })?;
        Ok(Self { engine, inventory, runtime })
    }

    fn wait<T>(&self, request: impl Future<Output = Result<T, ApiError>>) -> Result<T, Failure> {
        self.runtime.block_on(request).map_err(|error| engine_failure(&error))
    }

    /// The sizes of all volumes in bytes, by name, where the engine knows them.
    fn sizes(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let usage = self.wait(self.engine.docker.disk_usage())?;
        Ok(usage.into_iter().filter_map(|volume| Some((volume.name, volume.bytes?))).collect())
    }
}

fn engine_failure(error: &ApiError) -> Failure {
    Failure::explain(error)
}

/// A volume in a list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    volume: &'a VolumeRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

fn list(arguments: &LsArguments) -> Result<u8, Failure> {
    let desk = Desk::new(&arguments.engine)?;
    let owner = (!arguments.all_owners).then(|| arguments.owner.owner());
    let volumes = desk.wait(desk.inventory.list(owner.as_deref(), arguments.project.as_deref()))?;
    let sizes = if arguments.size { desk.sizes()? } else { BTreeMap::new() };
    let bytes = |volume: &VolumeRecord| sizes.get(&volume.name).copied();
    if arguments.json {
        let listed: Vec<_> =
            volumes.iter().map(|volume| Listed { volume, bytes: bytes(volume) }).collect();
        return print_json(&listed);
    }
    let heading = ["NAME", "KIND", "OWNER", "PROJECT", "TRUST", "DESTINATION", "CREATED", "SIZE"];
    let mut table = Table::new(heading);
    for volume in &volumes {
        let size = bytes(volume).map_or_else(|| "-".to_owned(), human);
        table.row([
            printable(&volume.name),
            volume.kind.to_string(),
            printable(&volume.owner),
            printable(&volume.project),
            printable(&volume.trust),
            printable(&volume.destination),
            printable(&volume.created_at),
            size,
        ]);
    }
    table.print(&mut io::stdout().lock()).map_err(|error| Failure::unwritable(&error))?;
    Ok(0)
}

/// A volume, looked at.
#[derive(Debug, Serialize)]
struct Inspected<'a> {
    name: &'a str,
    /// Whether Berth made it.
    ours: bool,
    /// What its labels say, when it did.
    record: Option<&'a VolumeRecord>,
    options: Vec<&'a str>,
    labels: &'a BTreeMap<String, String>,
    used_by: Vec<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct User<'a> {
    id: &'a str,
    name: &'a str,
    status: &'static str,
}

fn inspect(arguments: &InspectArguments) -> Result<u8, Failure> {
    let name = volume_name(&arguments.name)?;
    let desk = Desk::new(&arguments.engine)?;
    let Some(volume) = desk.wait(desk.inventory.find(&name))? else {
        Failure::new(
            format!("there is no volume {name}"),
            "`berth volumes ls` shows those that are there",
        )
        .show();
        return Ok(NOT_DONE);
    };
    let users = desk.wait(desk.inventory.users(&name))?;
    let bytes = if arguments.size { desk.sizes()?.get(&volume.name).copied() } else { None };
    if arguments.json {
        return print_json(&inspected(
            &volume,
            VolumeRecord::read(&volume).as_ref(),
            &users,
            bytes,
        ));
    }
    print_lines(&inspection(&volume, &users, bytes))
}

fn inspected<'a>(
    volume: &'a Volume,
    record: Option<&'a VolumeRecord>,
    users: &'a [ContainerSummary],
    bytes: Option<u64>,
) -> Inspected<'a> {
    let user = |user: &'a ContainerSummary| User {
        id: user.id.as_str(),
        name: &user.name,
        status: user.status.as_str(),
    };
    Inspected {
        name: &volume.name,
        ours: record.is_some(),
        record,
        // Their values may be secrets.
        options: volume.options.keys().map(String::as_str).collect(),
        labels: &volume.labels,
        used_by: users.iter().map(user).collect(),
        bytes,
    }
}

fn inspection(
    volume: &Volume,
    users: &[ContainerSummary],
    bytes: Option<u64>,
) -> Vec<(&'static str, String)> {
    let mut lines = vec![("name", volume.name.clone())];
    match VolumeRecord::read(volume) {
        Some(record) => lines.extend([
            ("kind", record.kind.to_string()),
            ("owner", record.owner),
            ("project", record.project),
            ("trust", record.trust),
            ("key", record.key),
            ("destination", record.destination),
            ("created", format!("{} by run {}", record.created_at, record.run)),
        ]),
        None => lines.push(("kind", "a stranger's: berth did not make it".to_owned())),
    }
    lines.push(("driver", volume.driver.clone()));
    if !volume.options.is_empty() {
        // Their values may be secrets.
        let options: Vec<_> = volume.options.keys().map(String::as_str).collect();
        lines.push(("options", options.join(", ")));
    }
    lines.push(("mountpoint", volume.mountpoint.clone()));
    if let Some(bytes) = bytes {
        lines.push(("size", human(bytes)));
    }
    let users: Vec<_> =
        users.iter().map(|user| format!("{} ({})", user.name, user.status.as_str())).collect();
    lines.push(("used by", if users.is_empty() { "nothing".to_owned() } else { users.join(", ") }));
    lines
}

fn explain_spec(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let (spec, scope, policy) = (arguments.spec()?, arguments.scope()?, arguments.policy()?);
    let desk = Desk::new(&arguments.engine)?;
    let refused = |error: PlanError| Failure::explain(&error);
    let found = match cache_of(&spec, &scope, &policy).map_err(refused)? {
        Some(name) => desk.wait(desk.inventory.find(&name))?,
        None => None,
    };
    let explanation = explain(&spec, &scope, &policy, found.as_ref()).map_err(refused)?;
    if arguments.json {
        return print_json(&explanation);
    }
    print_lines(&explanation_lines(&explanation))
}

fn explanation_lines(explanation: &VolumeExplanation) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("spec", explanation.spec.clone()), ("kind", explanation.kind.to_string())];
    if !explanation.name.is_empty() {
        lines.push(("name", explanation.name.clone()));
    }
    lines.push((
        "state",
        match &explanation.state {
            Warmth::Warm { volume } => {
                format!("warm: made {} by run {}", volume.created_at, volume.run)
            }
            Warmth::Cold => "cold: it is not there; the next job makes it".to_owned(),
            Warmth::Squatted { problem } => format!("refused: {problem}"),
            Warmth::Directory => {
                "a folder of the engine's host, made as root's when it is missing".to_owned()
            }
            Warmth::Temporary => "every run has one of its own, which goes with it".to_owned(),
            _ => "not berth's: never made, labelled or removed".to_owned(),
        },
    ));
    lines.extend(explanation.fields.iter().map(|field| {
        let value = if field.value.is_empty() { "(empty)" } else { &field.value };
        ("because of", format!("{} = {value}", field.name))
    }));
    lines.extend(explanation.cold_after.iter().map(|reason| ("cold after", reason.clone())));
    lines
}

fn remove(arguments: &RmArguments) -> Result<u8, Failure> {
    let names: Vec<_> =
        arguments.names.iter().map(|name| volume_name(name)).collect::<Result<_, _>>()?;
    let desk = Desk::new(&arguments.engine)?;
    let owner = arguments.owner.owner();
    let mut code = 0;
    for name in names {
        match desk.runtime.block_on(desk.inventory.remove(&name, &owner)) {
            Ok(()) => say(&format!("berth: removed {name}")),
            Err(error) => {
                Failure::explain(&error).show();
                let is_engines = matches!(error, RemovalError::Engine { .. });
                code = if is_engines { OUR_FAILURE } else { code.max(NOT_DONE) };
            }
        }
    }
    desk.engine.keep(&arguments.engine)?;
    Ok(code)
}

fn volume_name(name: &str) -> Result<VolumeName, Failure> {
    VolumeName::new(name).map_err(|error| {
        Failure::from_error(&error, Some("`berth volumes ls` shows the names".into()))
    })
}

fn print_lines(lines: &[(&'static str, String)]) -> Result<u8, Failure> {
    let mut output = io::stdout().lock();
    lines
        .iter()
        .try_for_each(|(name, value)| writeln!(output, "{name:12} {}", printable(value)))
        .map_err(|error| Failure::unwritable(&error))?;
    Ok(0)
}

/// A size as people read it, in powers of 1,000.
fn human(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().si().to_string()
}

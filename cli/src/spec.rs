//! `berth spec`.

use std::io::{self, Write as _};

use serde::Serialize;
use volume_manager::{Mode, SpecError, SpecPart, VolumeKind, VolumeSpec};

use crate::{
    args::SpecArguments,
    failure::{Failure, INVALID},
    table::Table,
    teller::printable,
};

/// A spec that was read, or what is wrong with it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SpecView<'a> {
    Read {
        spec: &'a str,
        kind: VolumeKind,
        source: Option<&'a str>,
        destination: &'a str,
        mode: Option<&'static str>,
        label: Option<&'static str>,
        propagation: Option<&'static str>,
        nocopy: Option<bool>,
        consistency: Option<&'static str>,
    },
    Invalid {
        spec: &'a str,
        error: ErrorView<'a>,
    },
}

#[derive(Debug, Serialize)]
struct ErrorView<'a> {
    message: String,
    part: SpecPart,
    text: &'a str,
    column: usize,
    hint: &'static str,
}

/// Shows how each spec is read; returns the exit code.
pub(crate) fn spec(arguments: &SpecArguments) -> Result<u8, Failure> {
    let reader = arguments.reader()?;
    let results: Vec<_> = arguments.specs.iter().map(|spec| reader.read(spec)).collect();
    let mut output = io::stdout().lock();
    let written = if arguments.json {
        arguments.specs.iter().zip(&results).try_for_each(|(spec, result)| {
            let line = serde_json::to_string(&view(spec, result)).map_err(io::Error::other)?;
            writeln!(output, "{line}")
        })
    } else {
        let mut table = Table::new(["SPEC", "KIND", "SOURCE", "DESTINATION", "OPTIONS"]);
        for (spec, result) in arguments.specs.iter().zip(&results) {
            match result {
                Ok(read) => table.row([
                    printable(spec),
                    read.source.kind().to_string(),
                    printable(read.source.as_str().unwrap_or("-")),
                    printable(read.destination.as_str()),
                    options(read),
                ]),
                Err(_) => table.row([
                    printable(spec),
                    "invalid".to_owned(),
                    "-".to_owned(),
                    "-".to_owned(),
                    "-".to_owned(),
                ]),
            }
        }
        table.print(&mut output)
    };
    written.map_err(|error| Failure::unwritable(&error))?;
    let mut code = 0;
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        if !arguments.json {
            Failure::explain(error).show();
        }
        code = INVALID;
    }
    Ok(code)
}

fn view<'a>(spec: &'a str, result: &'a Result<VolumeSpec, SpecError>) -> SpecView<'a> {
    match result {
        Ok(read) => SpecView::Read {
            spec,
            kind: read.source.kind(),
            source: read.source.as_str(),
            destination: read.destination.as_str(),
            mode: read.mode.map(Mode::as_str),
            label: read.label.map(docker_api_trait::Relabel::as_str),
            propagation: read.propagation.map(docker_api_trait::Propagation::as_str),
            nocopy: read.no_copy.then_some(true),
            consistency: read.consistency.map(docker_api_trait::Consistency::as_str),
        },
        Err(error) => SpecView::Invalid {
            spec,
            error: ErrorView {
                message: error.to_string(),
                part: error.part,
                text: &error.text,
                column: error.column,
                hint: error.hint(),
            },
        },
    }
}

fn options(read: &VolumeSpec) -> String {
    let options: Vec<_> = read.options().collect();
    if options.is_empty() { "-".to_owned() } else { options.join(",") }
}

//! The command line of both programs of development commands.

use clap::{Parser, Subcommand};

/// The development commands of Berth.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    after_help = "A fresh clone: `cargo xtask demo` shows what Berth does, `cargo xtask test` \
                  tests it,\nand `cargo xtask ci` is what a change must pass."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A development command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The Docker engine that the other commands use
    #[command(subcommand)]
    Engine(EngineCommand),
    /// Run one job twice: the second finds the first one's cache
    ///
    /// Provides an engine and an image when there is none. The cache volume stays; the last line
    /// says how to remove it.
    Demo,
    /// Run all tests; those that need an engine when one answers
    Test {
        /// Fail when no engine answers
        #[arg(long)]
        require_engine: bool,
    },
    /// Run the tests that need a real engine, and fail when they leave anything on it
    ///
    /// `BERTH_E2E_IMAGE` names the image to run them in; without it one is found, pulled or made.
    /// Images of Redis and Postgres and two registries are provided as well: docs/testing.md.
    E2e {
        /// Only tests whose names contain this
        filter: Option<String>,
        /// On Podman, which is provided: jobs, volumes and the differences
        #[arg(long)]
        podman: bool,
        /// Of those the part that `ci` runs; the Podman goes after it
        #[arg(long, requires = "podman", conflicts_with = "filter")]
        short: bool,
    },
    /// Measure against a baseline, in the same run
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Run many jobs, with faults, and look at what is left of them
    Soak {
        /// How many jobs
        #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
        jobs: u64,
        /// How many of a hundred jobs something befalls
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
        faults: u8,
        /// What decides which; the same again gives the same
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Run the fuzz targets, one after the other
    ///
    /// Installs cargo-fuzz when it is missing; its library is C++, and needs a compiler for that.
    Fuzz {
        /// How long each is run
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// Only these; without any, all
        targets: Vec<String>,
    },
    /// Compare the public API of the library crates with the lists in docs/api
    Api {
        /// Write the lists
        #[arg(long)]
        update: bool,
    },
    /// Check the rules of this workspace that no lint can check
    Tidy,
    /// Run everything that a change must pass, up to the first failure
    Ci {
        /// Skip the steps that need an engine
        #[arg(long)]
        no_engine: bool,
        /// Skip the tests, which `cargo xtask test` has just run
        #[arg(long)]
        tested: bool,
    },
}

/// What to measure.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum BenchCommand {
    /// A warm job against the bare requests that it cannot do without
    Floor {
        /// How many times each is run
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(10..))]
        pairs: u32,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// A log of 512 MiB masked for 1,000 secrets, against a search that only finds them
    ///
    /// Needs no engine. Builds itself for release if it is not.
    Mask {
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// A warm job of four stages in two containers, against GitLab Runner's requests for it
    Job {
        /// How many times each is run
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..))]
        pairs: u32,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// The output of a job on its way into a sink, against bare reading of it
    ///
    /// Builds itself for release if it is not.
    Log {
        /// How much it writes, in MiB
        #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(3..=65536))]
        megabytes: u64,
        /// How many times each is run
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Jobs at once on one engine, each with a service and a cache, against the same bare requests
    Many {
        /// How many jobs; each has a network, of which an engine has about 30
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=24))]
        jobs: u32,
        /// How many times they are run each way
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// 1, 10 and 100 warm volumes made ready, with 0 and 2,000 others on the engine
    Volumes {
        /// How many times each is run
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(5..))]
        rounds: u32,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
}

/// What to do about the engine.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum EngineCommand {
    /// Say which engine answers, and where; fails when none does
    Status,
    /// Make sure that an engine answers
    ///
    /// Does nothing when one does. On Debian and its derivatives, as root, installs the package
    /// docker.io when it is missing, and starts the daemon. Elsewhere it says what to do. An engine
    /// that `DOCKER_HOST` or a context names is never replaced.
    Up {
        /// Podman instead, with a socket and folders of its own
        #[arg(long)]
        podman: bool,
    },
    /// Stop the engine that `up` started, and no other
    Down {
        /// The Podman that `up --podman` started; all that it has goes
        #[arg(long)]
        podman: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}

//! The command line: one file for each subcommand.

mod catalog;
mod cluster;
mod connect;
mod doctor;
mod files;
mod import;
mod operator;
mod probe;
mod render;
mod status;
mod tree;
mod validate;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::api::{crd, reference};

/// Stands for the uid of a server that no API server has stored.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// As this file on PATH, the program is a plugin of kubectl.
const PLUGIN: &str = "kubectl-landfall";

/// Runs MCP servers on Kubernetes.
#[derive(Parser)]
#[command(name = "landfall", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the operator.
    Operator(Box<operator::Args>),
    /// Shows all that there is to know of a server, as a tree.
    Status(status::Args),
    /// Prints what an MCP client has to be told to use a server, or tells it.
    Connect(connect::Args),
    /// Prints the servers that are ready, in the form of the MCP registry's API.
    Catalog(catalog::Args),
    /// Makes servers of what a client's configuration, a compose file or another operator runs.
    Import(import::Args),
    /// Says what is wrong with the servers in files, without a cluster.
    Validate(Box<validate::Args>),
    /// Prints the objects that the operator would make of the servers in files.
    Render(Box<render::Args>),
    /// Asks an MCP server what the operator would ask it, and says what it found.
    Probe(probe::Args),
    /// Looks whether a cluster has what Landfall and its servers need.
    Doctor(doctor::Args),
    /// Prints the CustomResourceDefinition, for `kubectl apply --server-side -f -`.
    Crd {
        /// Prints a page about its fields instead, in Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// Prints what a shell needs to complete commands.
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man {
        /// Writes a page for each subcommand, too, into this folder
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
}

impl Cli {
    /// What the process was called with. Ends it where that cannot be understood, and for `--help`.
    pub fn of_process() -> Self {
        let called = std::env::args_os().next();
        let is_plugin = called.is_some_and(|it| Path::new(&it).file_stem().is_some_and(|it| it == PLUGIN));
        let command = Self::command();
        let mut command = if is_plugin { command.bin_name("kubectl landfall") } else { command };
        let read = Self::from_arg_matches_mut(&mut command.get_matches_mut());
        read.unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Operator(args) => operator::run(*args).await?,
            Command::Status(args) => return status::run(&args).await,
            Command::Connect(args) => connect::run(&args).await?,
            Command::Catalog(args) => catalog::run(&args).await?,
            Command::Import(args) => return Ok(import::run(&args)),
            Command::Validate(args) => return validate::run(&args),
            Command::Render(args) => render::run(&args).await?,
            Command::Probe(args) => probe::run(args).await?,
            Command::Doctor(args) => return doctor::run(&args).await,
            Command::Crd { markdown: false } => print!("{}", crd::mcpserver_crd_yaml()?),
            Command::Crd { markdown: true } => print!("{}", reference::markdown()?),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "landfall", &mut script);
                std::io::stdout().write_all(&script)?;
            }
            Command::Man { to: None } => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Self::command()).render(&mut page)?;
                std::io::stdout().write_all(&page)?;
            }
            Command::Man { to: Some(folder) } => clap_mangen::generate_to(Self::command(), &folder)
                .with_context(|| format!("cannot write manual pages into {}", folder.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

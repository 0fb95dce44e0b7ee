//! The command line: one file for each subcommand.

mod files;
mod import;
mod operator;
mod probe;
mod render;
mod validate;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

use crate::api::crd;

/// Stands for the uid of a server that no API server has stored.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

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
    /// Asks an MCP server what the operator would ask it, and says what it found.
    Probe(probe::Args),
    /// Says what is wrong with the MCPServers in files, without a cluster.
    Validate(Box<validate::Args>),
    /// Prints the objects that the operator would make of the MCPServers in files.
    Render(Box<render::Args>),
    /// Prints MCPServers for what a client's configuration, a compose file or another operator runs.
    Import(import::Args),
    /// Prints the CustomResourceDefinition, for `kubectl apply --server-side -f -`.
    Crd,
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Operator(args) => operator::run(*args).await?,
            Command::Probe(args) => probe::run(args).await?,
            Command::Validate(args) => return validate::run(&args),
            Command::Render(args) => render::run(&args).await?,
            Command::Import(args) => return import::run(&args),
            Command::Crd => print!("{}", crd::mcpserver_crd_yaml()?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

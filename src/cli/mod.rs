//! The command line: one file for each subcommand.

mod operator;
mod probe;

use clap::{Parser, Subcommand};

use crate::api::crd;

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
    /// Prints the CustomResourceDefinition, for `kubectl apply --server-side -f -`.
    Crd,
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Operator(args) => operator::run(*args).await,
            Command::Probe(args) => probe::run(args).await,
            Command::Crd => {
                print!("{}", crd::mcpserver_crd_yaml()?);
                Ok(())
            }
        }
    }
}

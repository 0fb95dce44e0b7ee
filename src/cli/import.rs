//! `landfall import FILE`: `MCPServer`s of what others run MCP servers with.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::files;
use crate::import::{Input, Outcome, import, print};

/// Nothing in the file can be read.
const UNREADABLE: u8 = 2;

/// Reads `.mcp.json` and other configurations of clients, compose files, a registry's `server.json`, and
/// `MCPServer`s of `ToolHive`, kmcp and mcp.x-k8s.io. Prints an `MCPServer` for each server, and the Secret that it
/// needs, without values. Ends with 0 if all servers were taken over, 1 if some were not, 2 if the file
/// cannot be read.
#[derive(clap::Args)]
pub(super) struct Args {
    /// File to read; `-` is standard input
    file: PathBuf,
    /// Take over only the server of this name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let outcomes = match outcomes(args) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            eprintln!("landfall: {error:#}");
            return ExitCode::from(UNREADABLE);
        }
    };
    print!("{}", print(&outcomes));
    let refused = outcomes.iter().filter(|it| matches!(it, Outcome::Refused { .. })).count();
    if refused > 0 {
        eprintln!("landfall: {refused} of {} servers could not be imported; the comments say why", outcomes.len());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn outcomes(args: &Args) -> Result<Vec<Outcome>> {
    let (name, text) = files::read(&args.file)?;
    let folder = args.file.parent().unwrap_or(Path::new("")).to_owned();
    let read = |name: &str| {
        let path = folder.join(name);
        files::read(&path).map(|(_, text)| text).map_err(|error| format!("{error:#}"))
    };
    let mut outcomes =
        import(&Input { text: &text, name: &name, read: &read }).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    if let Some(only) = &args.only {
        outcomes.retain(|it| it.name() == only);
        anyhow::ensure!(!outcomes.is_empty(), "{name}: there is no server \"{only}\" in it");
    }
    Ok(outcomes)
}

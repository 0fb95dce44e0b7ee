//! `landfall-cluster`: a real Kubernetes for one command, or until Ctrl-C.

mod arguments;
mod signals;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use landfall_cluster::binaries::Binaries;
use landfall_cluster::{Cluster, clean_crashed_runs, command_in_running_node, missing_for};

use arguments::{Arguments, ClusterArguments, Subcommand};
use signals::{Signal, Signals};

/// A shell's exit status for a command that a signal ended is this much above the signal's number.
const SIGNALLED: i32 = 128;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().subcommand).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("landfall-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(subcommand: Subcommand) -> Result<ExitCode> {
    match subcommand {
        Subcommand::Run { cluster, command } => with_cluster(&cluster, Some(command)).await,
        Subcommand::Up { cluster } => with_cluster(&cluster, None).await,
        Subcommand::Exec { run, command } => exec(run.as_deref(), &command).await,
        Subcommand::Check { size } => Ok(match missing_for(size.into()) {
            Some(missing) => {
                println!("{missing}");
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        }),
        Subcommand::Binaries { size } => {
            for (program, path) in Binaries::make(size.into()).await?.iter() {
                println!("{} {}", program.name(), path.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Subcommand::Image(image) => {
            image.write()?;
            Ok(ExitCode::SUCCESS)
        }
        Subcommand::Clean => {
            for run in clean_crashed_runs().await? {
                println!("removed {run}");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Starts a cluster, runs the command (or waits for a signal), and ends the cluster on every path:
/// when this future is dropped, the cluster's own `Drop` ends it.
async fn with_cluster(arguments: &ClusterArguments, command: Option<Vec<String>>) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let cluster = tokio::select! {
        cluster = start(arguments) => cluster?,
        signal = signals.next() => return Ok(exit_code(SIGNALLED + signal.number())),
    };
    let result = if let Some(command) = command {
        run_command(&cluster, &command, &mut signals).await
    } else {
        println!("{}", cluster.kubeconfig().display());
        eprintln!("landfall-cluster: ready; Ctrl-C ends it");
        wait_for_end(&cluster, &mut signals).await
    };
    let stopped = cluster.stop().await;
    let code = result?;
    stopped?;
    Ok(code)
}

/// Ctrl-C, or the end of a component that should not end.
async fn wait_for_end(cluster: &Cluster, signals: &mut Signals) -> Result<ExitCode> {
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(ExitCode::SUCCESS),
            _ = interval.tick() => cluster.check()?,
        }
    }
}

async fn start(arguments: &ClusterArguments) -> Result<Cluster> {
    let cluster = Cluster::start(arguments.size.into()).await?;
    for archive in &arguments.load_image {
        cluster.load_image(archive).await?;
    }
    if let Some(domain) = &arguments.front_door {
        cluster.open_front_door(domain).await?;
    }
    Ok(cluster)
}

async fn run_command(cluster: &Cluster, words: &[String], signals: &mut Signals) -> Result<ExitCode> {
    let (program, arguments) = words.split_first().context("no command is given")?;
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("LANDFALL_CLUSTER_AUDIT_LOG", cluster.audit_log())
        .env("LANDFALL_CLUSTER_RUN", cluster.directory())
        .env("PATH", path_with(cluster.kubectl()?)?)
        .kill_on_drop(true);
    if let Some(address) = cluster.node_address() {
        command.env("LANDFALL_CLUSTER_NODE_ADDRESS", address.to_string());
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status_number(status?))),
            signal = signals.next() => forward(signal, child.id())?,
        }
    }
}

/// A terminal's Ctrl-C has reached the command already, and many programs take a second one for
/// "now, without cleaning up".
fn forward(signal: Signal, child: Option<u32>) -> Result<()> {
    use std::io::IsTerminal;

    let from_terminal = signal == Signal::Interrupt && std::io::stdin().is_terminal();
    match child {
        Some(child) if !from_terminal => signal.send(child),
        _ => Ok(()),
    }
}

async fn exec(run: Option<&Path>, words: &[String]) -> Result<ExitCode> {
    let (program, arguments) = words.split_first().context("no command is given")?;
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    let command = command_in_running_node(run, &command).await?;
    let status = tokio::process::Command::from(command).status().await;
    let status = status.with_context(|| format!("cannot start {program}"))?;
    Ok(exit_code(status_number(status)))
}

/// PATH with the cluster's kubectl before any other.
fn path_with(kubectl: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = kubectl.parent().map(PathBuf::from);
    let directories = own.into_iter().chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(directories)?)
}

fn status_number(status: ExitStatus) -> i32 {
    let signalled = status.signal().map(|signal| SIGNALLED + signal);
    status.code().or(signalled).unwrap_or(1)
}

fn exit_code(number: i32) -> ExitCode {
    u8::try_from(number).map_or(ExitCode::FAILURE, ExitCode::from)
}

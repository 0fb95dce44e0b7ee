//! What the operator costs at scale, next to a client that does no more than has to be done. Run by
//! `make bench`; `docs/performance.md` says how to read it.
//!
//! Each measurement has a control plane of its own, fresh and with an audit log, where kwok says of
//! nodes and pods that they are ready. From that log, and from what the kernel knows of the processes,
//! everything is worked out afterwards: nothing is measured that measuring would slow down.

#[path = "../support/mod.rs"]
mod support;

mod drift;
mod field;
mod floor;
mod ingresses;
mod load;
mod progress;
mod quiet;
mod report;
mod requests;
mod restart;
mod run;
mod subject;
mod targets;
mod usage;
mod wave;

use anyhow::{Context, Result};
use clap::Parser;
use landfall_cluster::{Size, missing_for};
use std::path::PathBuf;
use std::process::ExitCode;

use load::Spec;
use progress::progress;

/// Measures the operator at scale.
#[derive(Parser)]
struct Arguments {
    /// How many servers, one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    servers: Vec<usize>,
    /// What kind of servers.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Spec::Plain, Spec::Full, Spec::Silent])]
    specs: Vec<Spec>,
    /// The program to measure instead of the one that was built with this.
    #[arg(long, env = "LANDFALL_BENCH_OPERATOR", default_value = env!("CARGO_BIN_EXE_landfall"))]
    operator: PathBuf,
    /// How many requests the floor has under way at a time: as many as the operator has workers.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// More arguments for the operator, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    with: String,
    /// Where the results go.
    #[arg(long, default_value = "target/bench/scale.json")]
    output: PathBuf,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    floor: Option<Role>,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Is the floor: a process of its own, so that it can be measured like the operator.
    #[command(hide = true)]
    Floor(floor::Arguments),
}

fn main() -> ExitCode {
    match run_as_asked(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_as_asked(arguments: Arguments) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    if let Some(Role::Floor(floor)) = arguments.floor {
        return runtime.block_on(floor::run(floor));
    }
    if let Some(missing) = missing_for(Size::ControlPlane) {
        println!("skipped: the benchmark at scale: {missing}");
        return Ok(());
    }
    let results = runtime.block_on(measure(&arguments))?;
    report::print(&results);
    report::write(&results, &arguments.output)
}

async fn measure(arguments: &Arguments) -> Result<report::Results> {
    let plan = run::Plan {
        operator: arguments.operator.clone(),
        concurrency: arguments.concurrency,
        more: arguments.with.split_whitespace().map(str::to_owned).collect(),
    };
    let mut results = report::Results::new(arguments.concurrency);
    for spec in &arguments.specs {
        for servers in spec.counts(&arguments.servers) {
            progress(&format!("== {servers} {spec} servers"));
            results.runs.push(run::run(&plan, *spec, servers).await?);
        }
    }
    results.judge();
    Ok(results)
}

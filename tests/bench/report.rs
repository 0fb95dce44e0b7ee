//! The results: as tables for people, and as JSON for programs.

use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

use crate::load::Spec;
use crate::run::Run;
use crate::targets::{self, Target};
use crate::wave::Wave;

/// All that was measured.
#[derive(Serialize)]
pub struct Results {
    /// Of the operator that was measured.
    version: &'static str,
    /// Processors of the machine.
    processors: usize,
    /// Of the floor.
    concurrency: usize,
    pub runs: Vec<Run>,
    targets: Vec<Target>,
}

impl Results {
    pub fn new(concurrency: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        Self { version: env!("CARGO_PKG_VERSION"), processors, concurrency, runs: Vec::new(), targets: Vec::new() }
    }

    /// Holds what was measured against what is asked.
    pub fn judge(&mut self) {
        self.targets = targets::of(&self.runs);
    }
}

/// Writes the file.
pub fn write(results: &Results, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(results)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nAll numbers: {}", path.display());
    Ok(())
}

/// Prints the tables, in Markdown.
pub fn print(results: &Results) {
    println!(
        "\n| Wave | children s | half ready s | last ready s | writes: children + status + others | CPU s | RSS, peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for run in results.runs.iter().filter(|it| it.spec != Spec::Silent) {
        for (who, wave) in
            [("least", run.least.as_ref()), ("floor", run.floor.as_ref()), ("landfall", Some(&run.landfall))]
        {
            let Some(wave) = wave else { continue };
            print_wave(&format!("{} {}, {who}", run.servers, run.spec), run.servers, wave);
        }
    }
    println!(
        "\n| Afterwards | quiet minute: requests, CPU s | restart: requests, writes, busy s, CPU s | repairs: slowest s |"
    );
    println!("|---|---|---|---|");
    results.runs.iter().for_each(print_afterwards);
    println!("\n| Asked | at most | measured | |");
    println!("|---|---|---|---|");
    for Target { what, measured, at_most, is_met } in &results.targets {
        println!("| {what} | {at_most} | {measured:.2} | {} |", if *is_met { "met" } else { "**missed**" });
    }
}

fn print_wave(who: &str, servers: usize, wave: &Wave) {
    #[expect(clippy::cast_precision_loss, reason = "no count here is that large")]
    let each = |count: usize| count as f64 / servers as f64;
    let requests = &wave.requests;
    println!(
        "| {who} | {:.1} | {:.1} | {:.1} | {:.2} + {:.2} + {:.2} | {:.2} | {:.1}, {:.1} |",
        wave.children,
        wave.ready_median,
        wave.ready_last,
        each(requests.child_writes),
        each(requests.status_writes),
        each(requests.other_writes),
        wave.cpu_seconds,
        wave.rss_mib,
        wave.peak_rss_mib,
    );
}

fn print_afterwards(run: &Run) {
    let quiet = run.quiet.as_ref().map_or_else(String::new, |it| format!("{}, {:.2}", it.requests, it.cpu_seconds));
    let restart = run.restart.as_ref().map_or_else(String::new, |it| {
        format!("{}, {}, {:.2}, {:.2}", it.requests, it.writes, it.busy_seconds, it.cpu_seconds)
    });
    let drift = run.drift.as_ref().map_or_else(String::new, |it| format!("{:.3}", it.worst));
    println!("| {} {} | {quiet} | {restart} | {drift} |", run.servers, run.spec);
}

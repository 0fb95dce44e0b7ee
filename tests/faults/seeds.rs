//! Faults of every kind, as a number has it.

use anyhow::{Result, bail};
use futures::StreamExt;
use futures::stream::iter;

use super::lab::{Lab, is_whole, lab};
use super::operator::Kind;
use super::plan::Plan;
use super::run;
use super::scenarios::NAMES;
use crate::support::World;

/// One seed, or `FIRST-LAST`, in place of those of every day.
const ONLY: &str = "LANDFALL_FAULT_SEED";

/// How many each scenario has where all are asked for.
const EACH: u64 = 200;

/// How many of them are run every day.
const EACH_DAY: u64 = 52;

/// Runs a scenario under each of its seeds.
pub async fn all(world: &World, scenario: &'static str) -> Result<()> {
    let lab = lab(world).await?;
    let seeds: Vec<u64> = if let Ok(text) = std::env::var(ONLY) {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        (first.parse()?..=last.parse()?).collect()
    } else {
        // Each scenario has others.
        let first = NAMES.iter().position(|it| *it == scenario).unwrap_or_default() as u64 * 1000;
        (first + 1..=first + if is_whole() { EACH } else { EACH_DAY }).collect()
    };
    let count = seeds.len();
    let runs = iter(seeds).map(|seed| one(lab, scenario, seed)).buffer_unordered(count.max(1));
    let failures: Vec<_> = runs.filter_map(async |result| result.err().map(|it| format!("{it:#}"))).collect().await;
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} of {count} failed:\n{}", failures.len(), failures.join("\n"))
}

async fn one(lab: &'static Lab, scenario: &'static str, seed: u64) -> Result<()> {
    let result = run::whole(lab, scenario, &format!("s{seed}"), Plan::of(seed), Kind::Thread).await;
    let again = || format!("seed {seed}: again by {ONLY}={seed} cargo test --test faults -- seeds::{scenario}");
    result.map(drop).map_err(|error| error.context(again()))
}

//! The operator dies at each single write of a scenario.

use anyhow::{Result, ensure};
use futures::StreamExt;
use futures::stream::iter;

use super::lab::{Lab, is_whole, lab};
use super::operator::Kind;
use super::plan::{Crash, Plan, When};
use super::run;
use crate::support::World;

/// All of them, or the one that is asked for.
const ONLY: &str = "LANDFALL_FAULT_CRASH";

const WAYS: [When; 3] = [When::Before, When::After, When::Late];

/// Kills the operator at write 1, 2, 3, … of the last step, until it gets by without that many.
pub async fn everywhere(world: &World, scenario: &'static str) -> Result<()> {
    let lab = lab(world).await?;
    if let Some(crash) = std::env::var(ONLY).ok().and_then(|it| Crash::read(&it)) {
        return at(lab, scenario, crash).await.map(drop);
    }
    let most = lab.reference(scenario).await?.writes + 1;
    // All at the same time as far as there should be writes, and then on until there are none.
    let crashes: Vec<_> = (1..=most).flat_map(at_write).collect();
    let count = crashes.len();
    let runs = iter(crashes).map(|crash| async move { (crash, at(lab, scenario, crash).await) });
    let results: Vec<_> = runs.buffer_unordered(count).collect().await;
    let mut was_reached = results.iter().any(|(crash, it)| crash.write == most && *it.as_ref().unwrap_or(&false));
    let mut failures: Vec<_> = results.into_iter().filter_map(|(_, it)| it.err()).collect();
    for write in most + 1.. {
        if !was_reached {
            break;
        }
        was_reached = false;
        for crash in at_write(write) {
            match at(lab, scenario, crash).await {
                Ok(is_reached) => was_reached |= is_reached,
                Err(error) => failures.push(error),
            }
        }
    }
    let failures: Vec<_> = failures.into_iter().map(|it| format!("{it:#}")).collect();
    ensure!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// Every way, or each write in another one.
fn at_write(write: u32) -> Vec<Crash> {
    let ways = if is_whole() { WAYS.to_vec() } else { vec![WAYS[write as usize % WAYS.len()]] };
    ways.into_iter().map(|when| Crash { write, when }).collect()
}

async fn at(lab: &'static Lab, scenario: &'static str, crash: Crash) -> Result<bool> {
    let result = run::whole(lab, scenario, &crash.to_string(), Plan::crash(crash), Kind::Thread).await;
    result.map_err(|error| {
        error.context(format!("again by {ONLY}={crash} cargo test --test faults -- crash::{scenario}"))
    })
}

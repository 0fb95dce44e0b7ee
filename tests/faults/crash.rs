//! The operator dies at each single write of a scenario.

use anyhow::{Result, bail};
use futures::StreamExt;
use futures::stream::iter;

use super::lab::{Lab, lab};
use super::operator::Kind;
use super::plan::{Crash, Plan, When};
use super::run;
use crate::support::World;

/// All of them, or the one that is asked for.
const ONLY: &str = "LANDFALL_FAULT_CRASH";

/// Kills the operator at write 1, 2, 3, … of the last step, until it gets by without that many.
pub async fn everywhere(world: &World, scenario: &'static str) -> Result<()> {
    let lab = lab(world).await?;
    if let Some(crash) = std::env::var(ONLY).ok().and_then(|it| Crash::read(&it)) {
        return at(lab, scenario, crash).await.map(drop);
    }
    let most = lab.reference(scenario).await?.writes + 1;
    let mut failures = Vec::new();
    for when in [When::Before, When::After, When::Late] {
        let crashes = (1..=most).map(|write| Crash { write, when });
        let results: Vec<_> =
            iter(crashes).map(|crash| at(lab, scenario, crash)).buffered(most as usize).collect().await;
        let mut is_reached = results.last().is_some_and(|it| *it.as_ref().unwrap_or(&true));
        failures.extend(results.into_iter().filter_map(Result::err));
        let mut write = most;
        while is_reached {
            write += 1;
            match at(lab, scenario, Crash { write, when }).await {
                Ok(reached) => is_reached = reached,
                Err(error) => {
                    failures.push(error);
                    break;
                }
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let count = failures.len();
    bail!("{count} failed:\n{}", failures.iter().map(|it| format!("{it:#}")).collect::<Vec<_>>().join("\n"))
}

async fn at(lab: &'static Lab, scenario: &'static str, crash: Crash) -> Result<bool> {
    let result = run::whole(lab, scenario, &crash.to_string(), Plan::crash(crash), Kind::Thread).await;
    result.map_err(|error| {
        error.context(format!("again by {ONLY}={crash} cargo test --test faults -- crash::{scenario}"))
    })
}

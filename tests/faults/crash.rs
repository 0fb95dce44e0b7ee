//! The operator dies at each single write of a scenario.

use anyhow::{Result, ensure};
use futures::future::join_all;

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
    let each = [When::Before, When::After, When::Late].map(|when| at_each(lab, scenario, when, most));
    let failures: Vec<_> = join_all(each).await.into_iter().flatten().collect();
    ensure!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// All at the same time as far as there should be writes, and then on until there are none; what failed.
async fn at_each(lab: &'static Lab, scenario: &'static str, when: When, most: u32) -> Vec<String> {
    let crashes = (1..=most).map(|write| at(lab, scenario, Crash { write, when }));
    let results = join_all(crashes).await;
    let mut was_reached = results.last().is_some_and(|it| *it.as_ref().unwrap_or(&false));
    let mut failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    let mut write = most;
    while was_reached {
        write += 1;
        match at(lab, scenario, Crash { write, when }).await {
            Ok(is_reached) => was_reached = is_reached,
            Err(error) => {
                failures.push(error);
                break;
            }
        }
    }
    failures.into_iter().map(|it| format!("{it:#}")).collect()
}

async fn at(lab: &'static Lab, scenario: &'static str, crash: Crash) -> Result<bool> {
    let result = run::whole(lab, scenario, &crash.to_string(), Plan::crash(crash), Kind::Thread).await;
    result.map_err(|error| {
        error.context(format!("again by {ONLY}={crash} cargo test --test faults -- crash::{scenario}"))
    })
}

//! After a restart, the operator sees an older state: every one that its own writes have led through.

use anyhow::{Context, Result};
use std::time::Duration;

use super::gate::View;
use super::lab::lab;
use super::operator::Kind;
use super::plan::Plan;
use super::run::Run;
use super::scenarios::scenario;
use crate::support::World;

/// For how long: enough for the first lists and a pass.
const STALE: Duration = Duration::from_millis(1200);

/// Runs a scenario to its end, and then restarts the operator in each state since its last step.
pub async fn everywhere(world: &World, name: &'static str) -> Result<()> {
    let lab = lab(world).await?;
    let reference = lab.reference(name).await?;
    let scenario = scenario(name);
    let _place = lab.places.acquire().await?;
    let run = Run::begin(lab, &scenario, &format!("{name}-stale"), Plan::default(), Kind::Thread).await?;
    let judged = async {
        let mut before = 0;
        for (step, state) in scenario.steps.iter().zip(&reference.states) {
            // That of before the step is one, too.
            before = run.gate.versions().len().saturating_sub(1);
            run.take(step).await?;
            run.until(state).await?;
        }
        for version in run.gate.versions().split_off(before) {
            run.restart(View::Past(version)).await?;
            tokio::time::sleep(STALE).await;
            run.gate.show(View::Present);
            let expected = reference.states.last().context("a state")?;
            run.until(expected).await.with_context(|| format!("after a view of version {version}"))?;
        }
        run.judge(&reference).await
    };
    judged.await.map_err(|error| run.told(&error))
}

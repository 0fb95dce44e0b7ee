//! The real process, ended by SIGKILL: it comes to the same as the operators on threads do.

use anyhow::Result;
use futures::future::try_join_all;

use super::lab::lab;
use super::operator::Kind;
use super::plan::{Crash, Plan, When};
use super::run;
use crate::support::World;

pub async fn may_die_at_a_write(world: &World, scenario: &'static str) -> Result<()> {
    let lab = lab(world).await?;
    let most = lab.reference(scenario).await?.writes;
    // The first, the last, and one in between.
    let crashes = [1, most / 2, most].map(|write| Crash { write: write.max(1), when: When::After });
    let runs = crashes.into_iter().enumerate().map(|(index, crash)| async move {
        let label = format!("process-{index}-{crash}");
        run::whole(lab, scenario, &label, Plan::crash(crash), Kind::Process).await
    });
    try_join_all(runs).await.map(drop)
}

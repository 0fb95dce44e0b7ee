//! The operator as a process: who leads, whom it serves, how it ends.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{World, stays};

pub async fn another_replica_takes_over(world: Arc<World>) -> Result<()> {
    let space = world.space("leader").await?;
    let mut first = space.operator(&[]).await?;
    first.until_ready().await?;
    let leases = space.api::<Lease>();
    let holder = async || leases.get("landfall").await.ok()?.spec?.holder_identity.filter(|it| !it.is_empty());
    let leader = space.until("the first leads", &holder).await?;
    let mut second = space.operator(&[]).await?;
    second.until_ready().await.context("one that waits is ready, too")?;
    space.server("one", &json!({"image": "never:1", "port": 3001})).await?;
    space.until_ready_is("one", "False", "Starting").await?;
    ensure!(second.requests()?.iter().all(|it| !it.is_write()), "the second waits");

    // A crash: the Lease has to run out, and says itself how long that takes.
    ensure!(leases.get("landfall").await?.spec.and_then(|it| it.lease_duration_seconds) == Some(12));
    first.kill().await?;
    space.server("two", &json!({"image": "never:1", "port": 3001})).await?;
    space.until_ready_is("two", "False", "Starting").await?;
    let heir = holder().await.context("the second leads")?;
    ensure!(heir != leader);

    // A stop in good order: it has handed the Lease over by the time it has ended.
    first.restart().await?;
    first.until_ready().await?;
    ensure!(second.stop().await? == Some(0), "{}", second.log());
    ensure!(holder().await.is_none_or(|it| it != heir), "{}", second.log());
    space.server("three", &json!({"image": "never:1", "port": 3001})).await?;
    space.until_ready_is("three", "False", "Starting").await?;
    Ok(())
}

pub async fn only_its_namespaces_are_served(world: Arc<World>) -> Result<()> {
    let (served, also_served, other) =
        (world.space("served").await?, world.space("also-served").await?, world.space("other").await?);
    let operator = served.operator(&["--namespaces", "also-served"]).await?;
    // Granted after the start: watches that were forbidden are tried again.
    also_served.bind(&operator.user, "ClusterRole", "landfall-operator").await?;
    other.server("echo", &json!({"image": "never:1", "port": 3001})).await?;
    for space in [&served, &also_served] {
        space.server("echo", &json!({"image": "never:1", "port": 3001})).await?;
        space.until_ready_is("echo", "False", "Starting").await?;
    }
    stays("nothing in the other namespace", Duration::from_secs(1), async || {
        Ok(other.api::<Deployment>().get_opt("echo").await?.is_none())
    })
    .await?;
    let requests = operator.requests()?;
    ensure!(requests.iter().all(|it| it.object_ref.namespace != "other"), "it asked for the other namespace");
    Ok(())
}

pub async fn a_signal_ends_it_in_good_order(world: Arc<World>) -> Result<()> {
    let space = world.space("signal").await?;
    let mut operator = space.operator(&["--leader-election", "false"]).await?;
    operator.until_ready().await?;
    space.server("echo", &json!({"image": "never:1", "port": 3001})).await?;
    space.until_ready_is("echo", "False", "Starting").await?;
    let (code, text) = operator.get("/metrics").await?;
    ensure!(
        code == 200
            && text.contains("landfall_child_writes_total{kind=\"Deployment\",verb=\"apply\",result=\"success\"} 1"),
        "{text}"
    );
    ensure!(operator.get("/livez").await?.0 == 200);
    ensure!(operator.stop().await? == Some(0), "{}", operator.log());
    ensure!(operator.log().contains("\"stopped\""), "{}", operator.log());
    Ok(())
}

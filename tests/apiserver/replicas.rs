//! Two operators, of which one may work: whoever writes is who last wrote the Lease. Shown by the audit
//! log, which has both on one clock.

use anyhow::{Context, Result, ensure};
use futures::future::try_join;
use futures::stream::{StreamExt, TryStreamExt, iter};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::audit::{self, Request};
use crate::support::operator::Operator;
use crate::support::{PATIENCE, Space, World, condition, edit, stays, until};

/// So long holds a Lease that is not renewed.
const LEASE: Duration = Duration::from_secs(12);

/// Nobody takes one before this time: a renewal may have come a moment before it was looked for.
const EARLIEST: Duration = Duration::from_secs(10);

/// A leader looks at its Lease every 1.5 s and waits for the answer, until it would have had to renew it: for
/// so long it may not know that somebody took it.
const UNKNOWN: Duration = Duration::from_secs(8);

/// The administrator of the tests, who takes Leases away.
const ADMIN: &str = "landfall-admin";

/// A server that needs no pod to be reported on.
fn server(setting: u32) -> Value {
    json!({"image": "never:1", "port": 3001, "replicas": 0, "env": [{"name": "SETTING", "value": setting.to_string()}]})
}

/// All that these users did in a namespace, in the order in which the API server began with it.
fn history(space: &Space, users: &[&str]) -> Result<Vec<(String, Request)>> {
    let mut history = Vec::new();
    for user in users {
        let requests = audit::requests(space.world.cluster.audit_log(), user)?;
        let here = requests.into_iter().filter(|it| it.object_ref.namespace == space.name);
        history.extend(here.map(|it| ((*user).to_owned(), it)));
    }
    history.sort_by_key(|(_, it)| it.began());
    Ok(history)
}

/// Every write of an operator when somebody else was the last to write the Lease, and how long after that.
fn without_lease(space: &Space, operators: &[&Operator]) -> Result<Vec<(Duration, String)>> {
    let users: Vec<_> = operators.iter().map(|it| it.user.as_str()).chain([ADMIN]).collect();
    let history = history(space, &users)?;
    let is_grant = |it: &Request| it.is_lease() && it.verb != "get" && it.succeeded();
    let mut found = Vec::new();
    for (user, write) in history.iter().filter(|(user, it)| it.is_write() && user != ADMIN) {
        let grants = history.iter().filter(|(_, it)| is_grant(it) && it.ended() <= write.began());
        let Some((holder, grant)) = grants.max_by_key(|(_, it)| it.ended()) else {
            found.push((Duration::MAX, format!("{user} wrote before anybody had the Lease: {write}")));
            continue;
        };
        if holder != user {
            let late = write.began().duration_since(grant.ended()).unsigned_abs();
            found.push((late, format!("{user} wrote {late:?} after {holder} had the Lease: {write}")));
        }
    }
    Ok(found)
}

/// Waits until an operator has looked at the Lease several times, and not taken it.
async fn until_it_waits(space: &Space, operator: &Operator, since: Timestamp) -> Result<()> {
    let looks = |it: &Request| it.is_lease() && it.verb == "get" && it.began() > since;
    let waits = async || (operator.requests().ok()?.iter().filter(|it| looks(it)).count() >= 4).then_some(());
    space.until("it waits for the Lease", waits).await.with_context(|| operator.log())
}

/// Makes or changes many servers at once.
async fn many(space: &Space, setting: u32) -> Result<()> {
    let all = iter(0..80).map(|it| async move { space.server(&format!("echo-{it}"), &server(setting)).await });
    all.buffer_unordered(8).try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

async fn until_all_are(space: &Space, setting: u32) -> Result<()> {
    let deployments = space.api::<Deployment>();
    let are = async || {
        let all = deployments.list(&ListParams::default()).await.ok()?.items;
        let is = |it: &Deployment| {
            let env = it.spec.as_ref()?.template.spec.as_ref()?.containers.first()?.env.clone()?;
            env.iter().find(|it| it.name == "SETTING")?.value.as_ref().map(|it| *it == setting.to_string())
        };
        (all.len() == 80 && all.iter().all(|it| is(it) == Some(true))).then_some(())
    };
    space.until(&format!("all servers have the setting {setting}"), are).await
}

pub async fn a_leader_that_stood_still_writes_nothing_when_it_wakes_up(world: Arc<World>) -> Result<()> {
    let space = world.space("asleep").await?;
    let first = space.operator(&["--concurrency", "16"]).await?;
    first.until_it_leads().await?;
    let second = space.operator(&[]).await?;
    second.until_ready().await?;
    many(&space, 1).await?;
    until_all_are(&space, 1).await?;
    first.until_silent().await?;

    // In the midst of many passes.
    let before = first.requests()?.len();
    let under_way = async || (first.requests().ok()?.len() > before + 10).then_some(());
    let stop = async {
        until("passes are under way", PATIENCE, under_way).await?;
        first.signal("STOP").await
    };
    try_join(many(&space, 2), stop).await?;
    let written = first.requests()?.iter().skip(before).filter(|it| it.is_write()).count();
    let began = Instant::now();
    until_all_are(&space, 2).await.context("the second goes on")?;
    ensure!(began.elapsed() > EARLIEST, "there was nothing left to do: {written} writes");
    // A newer wish, which a pass of the first would undo.
    many(&space, 3).await?;
    until_all_are(&space, 3).await?;

    let woke = Timestamp::now();
    first.signal("CONT").await?;
    until_it_waits(&space, &first, woke).await?;
    let late: Vec<_> = first.requests()?.into_iter().filter(|it| it.is_write() && it.began() > woke).collect();
    ensure!(late.is_empty(), "it woke up and wrote {late:?}");
    let found = without_lease(&space, &[&first, &second])?;
    ensure!(found.is_empty(), "{found:#?}");
    ensure!(first.log().contains("the Lease was lost"), "{}", first.log());
    ensure!(first.get("/livez").await?.0 == 200 && first.get("/readyz").await?.0 == 200, "one that waits is ready");

    // Both fight over nothing, and the one that slept can work again.
    second.until_silent().await?;
    first.until_silent().await?;
    drop(second);
    space.server("late", &server(4)).await?;
    space.until_ready_is("late", "False", "ScaledToZero").await?;
    first.until_silent().await
}

pub async fn a_lease_that_is_taken_away_ends_the_work(world: Arc<World>) -> Result<()> {
    let space = world.space("taken").await?;
    let first = space.operator(&[]).await?;
    first.until_it_leads().await?;
    let second = space.operator(&[]).await?;
    second.until_ready().await?;
    space.server("echo", &server(0)).await?;
    space.until_ready_is("echo", "False", "ScaledToZero").await?;

    // Work all the time.
    let api = space.api::<landfall::api::MCPServer>();
    let changes = tokio::spawn(async move {
        for setting in 1_u32.. {
            let change = json!({"spec": {"env": [{"name": "SETTING", "value": setting.to_string()}]}});
            edit(&api, "echo", &change).await.ok();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let writes = || -> Result<usize> {
        let all = [first.requests()?, second.requests()?].concat();
        Ok(all.iter().filter(|it| it.is_write()).count())
    };
    let before = writes()?;
    until("somebody works", PATIENCE, async || (writes().ok()? > before + 3).then_some(())).await?;

    let stolen = json!({"spec": {"holderIdentity": "somebody", "renewTime": micros(Timestamp::now())}});
    edit(&space.api::<Lease>(), "landfall", &stolen).await?;
    tokio::time::sleep(UNKNOWN).await;
    let left = writes()?;
    // Whoever took it has it for as long as one that is not renewed holds.
    stays("nobody works", Duration::from_secs(3), async || Ok(writes()? == left)).await?;
    until("somebody works again", PATIENCE, async || (writes().ok()? > left + 3).then_some(())).await?;
    changes.abort();
    let found = without_lease(&space, &[&first, &second])?;
    ensure!(found.iter().all(|(late, _)| *late < UNKNOWN), "{found:#?}");
    let leaders = async |it: &Operator| -> Result<usize> {
        Ok(it.get("/metrics").await?.1.matches("landfall_leader{shard=\"\"} 1").count())
    };
    ensure!(leaders(&first).await? + leaders(&second).await? == 1, "not one leader");
    first.until_silent().await?;
    second.until_silent().await
}

fn micros(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// What another's clock is like, an operator sees only in the Lease.
pub async fn clocks_that_differ_by_an_hour_change_nothing(world: Arc<World>) -> Result<()> {
    let behind = under_a_clock_that_differs(&world, "behind", SignedDuration::from_hours(-1));
    let ahead = under_a_clock_that_differs(&world, "ahead", SignedDuration::from_hours(1));
    try_join(behind, ahead).await?;
    Ok(())
}

async fn under_a_clock_that_differs(world: &Arc<World>, name: &str, by: SignedDuration) -> Result<()> {
    let space = world.space(name).await?;
    let leases = space.api::<Lease>();
    let lease = |time: Timestamp| {
        json!({"metadata": {"name": "landfall"}, "spec": {
            "holderIdentity": "other-1", "leaseDurationSeconds": LEASE.as_secs(), "leaseTransitions": 0,
            "acquireTime": micros(time), "renewTime": micros(time),
        }})
    };
    let there = || Timestamp::now().saturating_add(by);
    leases.create(&PostParams::default(), &serde_json::from_value(lease(there()?))?).await?;
    let operator = space.operator(&[]).await?;
    space.server("echo", &server(1)).await?;
    // Longer than a Lease that is not renewed holds.
    let began = Instant::now();
    while began.elapsed() < LEASE + Duration::from_secs(6) {
        edit(&leases, "landfall", &json!({"spec": {"renewTime": micros(there()?)}})).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(operator.requests()?.iter().all(|it| !it.is_write()), "it works beside a leader whose clock is {name}");
    }
    let ended = Instant::now();
    space.until_server("echo", "it is reported on", |it| condition(it, "Ready").is_some()).await?;
    let took = ended.elapsed();
    ensure!(took > EARLIEST, "{name}: after {took:?}");
    let found = without_lease(&space, &[&operator])?;
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

//! Pods are made anew when what they read at their start changes, and only then.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, apply, edit, from_yaml, stays, until};

fn spec() -> Value {
    let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}});
    json!({"image": "echo:1", "port": 3001, "env": [token]})
}

async fn secret(space: &Space) -> Result<()> {
    apply(&space.api::<Secret>(), from_yaml("metadata: {name: keys}\nstringData: {token: a, other: a}\n")?).await?;
    Ok(())
}

/// Base64 of one letter.
fn data(key: &str, letter: &str) -> Value {
    json!({"data": {key: match letter { "b" => "Yg==", "c" => "Yw==", _ => "YQ==" }}})
}

pub async fn only_a_key_that_is_used_rolls_the_pods(world: Arc<World>) -> Result<()> {
    let space = world.space("keys").await?;
    let (_operator, _kubelet) = (space.operator(&["--watch-secrets"]).await?, Kubelet::start(&space));
    secret(&space).await?;
    space.server("echo", &spec()).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let generation = async || Ok::<_, anyhow::Error>(space.api::<Deployment>().get("echo").await?.metadata.generation);
    let before = generation().await?.context("a generation")?;

    edit(&space.api::<Secret>(), "keys", &data("other", "b")).await?;
    edit(&space.api::<Secret>(), "keys", &json!({"metadata": {"annotations": {"rotated": "today"}}})).await?;
    let same = async || Ok(generation().await? == Some(before));
    stays("the pods", Duration::from_secs(2), same).await?;

    edit(&space.api::<Secret>(), "keys", &data("token", "b")).await?;
    let rolled = async || generation().await.ok().filter(|it| *it > Some(before));
    space.until("a rollout", rolled).await?;
    stays("one rollout", Duration::from_secs(2), async || Ok(generation().await? == Some(before + 1))).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

/// Servers that share a Secret, and how many of them are worked on at the same time.
const SERVERS: usize = 100;
const CONCURRENCY: usize = 3;

pub async fn many_servers_of_one_secret_roll_a_few_at_a_time(world: Arc<World>) -> Result<()> {
    let space = world.space("shared").await?;
    let settings = ["--watch-secrets", "--leader-election", "false", "--concurrency", &CONCURRENCY.to_string()];
    let operator = space.operator(&settings).await?;
    secret(&space).await?;
    for number in 0..SERVERS {
        let mut spec = spec();
        // Their pods would be work for others and say nothing here.
        spec["replicas"] = json!(0);
        space.server(&format!("echo-{number}"), &spec).await?;
    }
    let deployments = space.api::<Deployment>();
    let hashes = async || -> Option<Vec<String>> {
        let all = deployments.list(&ListParams::default()).await.ok()?;
        let hash =
            |it: Deployment| it.spec?.template.metadata?.annotations?.get("landfall.dev/references-hash").cloned();
        all.items.into_iter().map(hash).collect()
    };
    let all = async || hashes().await.filter(|it| it.len() == SERVERS);
    let before = until("all Deployments", Duration::from_mins(3), all).await?;
    space.until("nothing is written any more", async || idle(&operator).await.ok().flatten()).await?;
    let written = operator.requests()?.len();

    edit(&space.api::<Secret>(), "keys", &data("token", "c")).await?;
    let rolled = async || {
        let now = hashes().await?;
        (now.len() == SERVERS && now.iter().all(|it| !before.contains(it))).then_some(())
    };
    until("every server is rolled", Duration::from_mins(3), rolled).await?;
    space.until("nothing is written any more", async || idle(&operator).await.ok().flatten()).await?;
    let since: Vec<_> = operator.requests()?.into_iter().skip(written).collect();
    let patches: Vec<_> = since.iter().filter(|it| it.object_ref.resource == "deployments" && it.is_write()).collect();
    ensure!(patches.len() == SERVERS, "{} writes for {SERVERS} servers", patches.len());
    // How many writes were under way when each began.
    let writes: Vec<_> = since.iter().filter(|it| it.is_write()).collect();
    let at_once = |time| writes.iter().filter(|it| it.began() <= time && time < it.ended()).count();
    let most = writes.iter().map(|it| at_once(it.began())).max().unwrap_or_default();
    ensure!((1..=CONCURRENCY).contains(&most), "{most} at the same time");
    Ok(())
}

/// Whether the operator has asked for nothing for a while.
async fn idle(operator: &crate::support::operator::Operator) -> Result<Option<()>> {
    let before = operator.requests()?.len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok((operator.requests()?.len() == before).then_some(()))
}

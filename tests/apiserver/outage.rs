//! What the operator needs goes away and comes back: it recovers by itself, and is silent again. Whoever
//! asks `/livez` meanwhile is told that it lives.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::operator::Operator;
use crate::support::pods::Kubelet;
use crate::support::{PATIENCE, Space, World, condition, from_yaml, stays, until};

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_mins(1);

/// For Kubernetes' own controllers to be at work again after an outage.
const RECOVERY: Duration = Duration::from_mins(4);

/// In an outage, more lines than these would be a loop that does not wait.
const LINES: usize = 400;

fn echo(version: u32) -> Value {
    json!({"image": format!("echo:{version}"), "port": 3001})
}

async fn is_live(operator: &Operator) -> Result<()> {
    let (code, body) = operator.get("/livez").await.context("/livez does not answer")?;
    ensure!(code == 200, "/livez says {code}: {body}");
    Ok(())
}

/// Waits until a server's Deployment is as its spec says, and then for what Kubernetes' own controllers make
/// of it: after an outage, they look again only after half a minute or two.
async fn until_up(space: &Space, name: &str, version: u32) -> Result<()> {
    let image = Some(format!("echo:{version}"));
    let deployments = space.api::<Deployment>();
    let is_made = async || {
        let pod = deployments.get_opt(name).await.ok()??.spec?.template.spec?;
        (pod.containers.first()?.image == image).then_some(())
    };
    space.until(&format!("{name} runs version {version}"), is_made).await?;
    let servers = space.api::<MCPServer>();
    let is_ready = async || {
        let server = servers.get_opt(name).await.ok()??;
        let ready = condition(&server, "Ready")?;
        (ready.status == "True" && ready.observed_generation == server.metadata.generation).then_some(())
    };
    until(&format!("{name} is Ready"), RECOVERY, is_ready).await
}

pub async fn an_api_server_that_is_away_for_a_minute(_: Arc<World>) -> Result<()> {
    World::alone(async |world| {
        Box::pin(away(world)).await?;
        Box::pin(without_the_resource(world)).await
    })
    .await
}

async fn away(world: &Arc<World>) -> Result<()> {
    let space = world.space("away").await?;
    let (operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    for name in ["kept", "deleted", "edited"] {
        space.server(name, &echo(1)).await?;
        until_up(&space, name, 1).await?;
    }
    let lines = || operator.log().lines().count();
    let before = lines();
    world.cluster.stop_api_server()?;
    let began = Instant::now();
    while began.elapsed() < OUTAGE {
        is_live(&operator).await?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let said = lines() - before;
    ensure!(said > 0 && said < LINES, "in an outage of {OUTAGE:?}, {said} lines were logged: {}", operator.log());
    world.cluster.start_api_server().await?;
    let back = Instant::now();

    // What happens before the operator looks again.
    space.api::<Deployment>().delete("deleted", &DeleteParams::default()).await?;
    space.server("edited", &echo(2)).await?;
    space.server("new", &echo(1)).await?;
    let are_made = async || {
        let all = space.api::<Deployment>().list(&ListParams::default()).await.ok()?;
        let names: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
        (names == ["deleted", "edited", "kept", "new"]).then_some(())
    };
    space.until("what was missed is done", are_made).await.with_context(|| operator.log())?;
    eprintln!("after an outage of {OUTAGE:?}, what was missed was done {:.1?} after its end", back.elapsed());
    for (name, version) in [("kept", 1), ("deleted", 1), ("edited", 2), ("new", 1)] {
        until_up(&space, name, version).await?;
    }
    operator.until_silent().await?;
    is_live(&operator).await
}

async fn without_the_resource(world: &Arc<World>) -> Result<()> {
    let space = world.space("resource").await?;
    let (operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &echo(1)).await?;
    until_up(&space, "echo", 1).await?;
    let uid = space.api::<MCPServer>().get("echo").await?.uid();

    let crds = Api::<CustomResourceDefinition>::all(world.admin.clone());
    crds.delete("mcpservers.landfall.dev", &DeleteParams::default()).await?;
    let all = ListParams::default();
    let is_gone = async || {
        let children = space.api::<Deployment>().list(&all).await.ok()?.items;
        (crds.get_opt("mcpservers.landfall.dev").await.ok()?.is_none() && children.is_empty()).then_some(())
    };
    space.until("the resource is gone, and with it every server and child", is_gone).await?;
    let before = operator.requests()?.len();
    stays("alive, without a write", Duration::from_secs(3), async || {
        is_live(&operator).await?;
        Ok(operator.requests()?.iter().skip(before).all(|it| !it.is_write()))
    })
    .await?;

    world.install(from_yaml(include_str!("../../crds/mcpservers.yaml"))?).await?;
    for name in ["echo", "other"] {
        space.server(name, &echo(2)).await?;
        until_up(&space, name, 2).await.with_context(|| operator.log())?;
    }
    ensure!(space.api::<MCPServer>().get("echo").await?.uid() != uid);
    operator.until_silent().await
}

pub async fn a_history_that_is_compacted_and_rights_that_are_taken_away(_: Arc<World>) -> Result<()> {
    World::alone(async |world| {
        Box::pin(compacted(world)).await?;
        Box::pin(without_rights(world)).await
    })
    .await
}

/// The watches ask for what came since a state that nobody remembers.
async fn compacted(world: &Arc<World>) -> Result<()> {
    let space = world.space("compacted").await?;
    // With a Lease that it loses meanwhile, it would begin anew with fresh lists.
    let operator = space.operator(&["--leader-election", "false"]).await?;
    let _kubelet = Kubelet::start(&space);
    for name in ["kept", "deleted", "edited", "gone"] {
        space.server(name, &echo(1)).await?;
        until_up(&space, name, 1).await?;
    }
    operator.until_silent().await?;
    let before = operator.requests()?.len();

    operator.signal("STOP").await?;
    space.api::<Deployment>().delete("deleted", &DeleteParams::default()).await?;
    space.server("edited", &echo(2)).await?;
    space.server("new", &echo(1)).await?;
    space.api::<MCPServer>().delete("gone", &DeleteParams::default()).await?;
    let is_gone = async || space.api::<Deployment>().get_opt("gone").await.ok()?.is_none().then_some(());
    space.until("what is gone is gone", is_gone).await?;
    world.cluster.stop_api_server()?;
    world.cluster.compact_etcd().await?;
    world.cluster.start_api_server().await?;
    operator.signal("CONT").await?;

    for (name, version) in [("kept", 1), ("deleted", 1), ("edited", 2), ("new", 1)] {
        until_up(&space, name, version).await?;
    }
    operator.until_silent().await?;
    is_live(&operator).await?;
    let requests = operator.requests()?.split_off(before);
    let lists = requests.iter().filter(|it| it.verb == "list").count();
    ensure!(lists >= 6, "the watches went on from where they were: {lists} lists");
    let of_gone: Vec<_> = requests.iter().filter(|it| it.is_write() && it.object_ref.name == "gone").collect();
    ensure!(of_gone.is_empty(), "{of_gone:?}");
    let children = space.api::<Deployment>().list(&ListParams::default()).await?;
    let names: Vec<_> = children.iter().map(ResourceExt::name_any).collect();
    ensure!(names == ["deleted", "edited", "kept", "new"], "{names:?}");
    Ok(())
}

/// All but those for the Lease; and every watch that was open is broken.
async fn without_rights(world: &Arc<World>) -> Result<()> {
    let space = world.space("revoked").await?;
    let (operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &echo(1)).await?;
    until_up(&space, "echo", 1).await?;
    let lines = operator.log().lines().count();

    let binding = format!("{}-landfall-operator", operator.user);
    space.api::<RoleBinding>().delete(&binding, &DeleteParams::default()).await?;
    world.cluster.stop_api_server()?;
    world.cluster.start_api_server().await?;
    space.server("echo", &echo(2)).await?;
    let is_refused = async || operator.log().contains("forbidden").then_some(());
    space.until("the log says what is forbidden", is_refused).await?;
    stays("alive, and nothing is done", Duration::from_secs(5), async || {
        is_live(&operator).await?;
        let server = space.api::<MCPServer>().get("echo").await?;
        Ok(server.status.and_then(|it| it.observed_generation) == Some(1))
    })
    .await?;
    let said = operator.log().lines().count() - lines;
    ensure!(said < LINES, "{said} lines were logged: {}", operator.log());

    space.bind(&operator.user, "ClusterRole", "landfall-operator").await?;
    until_up(&space, "echo", 2).await.with_context(|| operator.log())?;
    operator.until_silent().await
}

pub async fn a_namespace_that_is_deleted_in_the_midst_of_a_pass(world: Arc<World>) -> Result<()> {
    let space = world.space("steady").await?;
    let operator = space.operator(&["--namespaces", "doomed"]).await?;
    space.bind_everywhere(&operator.user, "landfall-operator").await?;
    let doomed = world.space("doomed").await?;
    let kubelets = (Kubelet::start(&space), Kubelet::start(&doomed));
    space.server("echo", &echo(1)).await?;
    until_up(&space, "echo", 1).await?;

    let namespaces = Api::<Namespace>::all(world.admin.clone());
    for number in 0..30 {
        doomed.server(&format!("echo-{number}"), &echo(1)).await?;
    }
    let is_begun = async || doomed.api::<Deployment>().get_opt("echo-3").await.ok()?;
    doomed.until("the passes are under way", is_begun).await?;
    namespaces.delete("doomed", &DeleteParams::default()).await?;
    let is_gone = async || namespaces.get_opt("doomed").await.ok()?.is_none().then_some(());
    until("the namespace is gone", PATIENCE, is_gone).await?;

    space.server("echo", &echo(2)).await?;
    until_up(&space, "echo", 2).await?;
    operator.until_silent().await?;
    let metrics = operator.get("/metrics").await?.1;
    let servers = metrics.lines().filter_map(|it| it.strip_prefix("landfall_servers{")?.split_once(' '));
    let counted: u64 = servers.filter_map(|(_, count)| count.parse::<u64>().ok()).sum();
    ensure!(counted == 1, "servers that are gone are still counted: {metrics}");

    drop(kubelets.1);
    let again = world.space("doomed").await?;
    let _kubelet = Kubelet::start(&again);
    again.server("echo-3", &echo(2)).await?;
    until_up(&again, "echo-3", 2).await?;
    operator.until_silent().await
}

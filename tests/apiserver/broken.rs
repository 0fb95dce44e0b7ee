//! A hundred servers that are broken in every way cost those that are not nothing: no worker is held, and
//! nothing is asked or written of them again and again.

use anyhow::{Context, Result, ensure};
use futures::stream::{StreamExt, TryStreamExt, iter};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, ListParams, PostParams};
use kube::core::DynamicObject;
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::audit::Request;
use crate::support::host::Host;
use crate::support::mcp::{Mcp, SILENT};
use crate::support::operator::Operator;
use crate::support::{Space, World, until};

/// A way to be broken: the beginning of the names, the spec, the reason of `Ready` that it comes to, and how
/// many there are.
type Way = (&'static str, Value, &'static str, usize);

/// For a hundred servers on a machine that does other things, too.
const LONG: Duration = Duration::from_mins(4);

const ARGUMENTS: [&str; 3] = ["--watch-secrets", "--verification-route", "api-server"];

/// A hundred. Those that never answer are twice as many as the places for those that let one wait.
fn ways(port: u16) -> [Way; 5] {
    let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "token"}}});
    [
        ("bad-spec", json!({"image": "echo:1", "port": port, "affinity": {"nonsense": 1}}), "InvalidSpec", 23),
        ("bad-image", json!({"image": "never:1", "port": port}), "Starting", 23),
        ("bad-secret", json!({"image": "never:1", "port": port, "env": [token]}), "MissingReference", 23),
        (
            "bad-number",
            json!({"image": "echo:1", "port": port, "probes": {"liveness": {"periodSeconds": 3_000_000_000_i64}}}),
            "Undecodable",
            23,
        ),
        ("bad-silent", json!({"image": "echo:1", "port": port, "path": SILENT}), "HandshakeTimeout", 8),
    ]
}

/// Makes them, and waits until of each is told what is wrong with it.
async fn make_broken(space: &Space, port: u16) -> Result<()> {
    let (api, resource) = (dynamic(space), ApiResource::erase::<MCPServer>(&()));
    let minor: u32 = space.world.admin.apiserver_version().await?.minor.parse()?;
    let ways = ways(port);
    // From 1.36 on, the API server refuses what cannot be decoded.
    let possible = ways.iter().filter(|(name, ..)| minor < 36 || *name != "bad-number");
    for (name, spec, _, count) in possible.clone() {
        for number in 0..*count {
            let server = DynamicObject::new(&format!("{name}-{number}"), &resource).data(json!({"spec": spec}));
            api.create(&PostParams::default(), &server).await.with_context(|| name.to_string())?;
        }
    }
    let reasons = async || {
        let mut reasons = BTreeMap::<_, usize>::new();
        for (name, _, reason) in ready(space).await.ok()? {
            *reasons.entry((name.rsplit_once('-')?.0.to_owned(), reason)).or_default() += 1;
        }
        Some(reasons)
    };
    let wanted: BTreeMap<_, _> =
        possible.map(|(name, _, reason, count)| (((*name).to_owned(), (*reason).to_owned()), *count)).collect();
    let told = until("of each is told what is wrong", LONG, async || (reasons().await? == wanted).then_some(())).await;
    let Err(error) = told else { return Ok(()) };
    Err(error.context(format!("told is {:?}", reasons().await)))
}

/// Makes so many good servers, waits until all are Ready, and gives the time.
async fn make_good(space: &Space, port: u16, count: usize) -> Result<Duration> {
    let spec = json!({"image": "echo:1", "port": port});
    let began = Instant::now();
    let all = iter(0..count).map(|number| {
        let spec = &spec;
        async move { space.server(&format!("good-{number}"), spec).await }
    });
    all.buffer_unordered(4).try_for_each(|_| async { Ok(()) }).await?;
    // One after the other, since a list would show the broken ones, too, and take longer with them.
    for number in 0..count {
        space.until_ready_is(&format!("good-{number}"), "True", "Ready").await?;
    }
    Ok(began.elapsed())
}

/// Name of each server, with status and reason of its `Ready`; also of those that are no `MCPServer`.
async fn ready(space: &Space) -> Result<Vec<(String, String, String)>> {
    let all = dynamic(space).list(&ListParams::default()).await?;
    let of = |it: DynamicObject| {
        let conditions = it.data.get("status").and_then(|it| it["conditions"].as_array());
        let ready = conditions.into_iter().flatten().find(|it| it["type"] == "Ready");
        let text = |field: &str| ready.and_then(|it| it[field].as_str()).unwrap_or_default().to_owned();
        (it.name_any(), text("status"), text("reason"))
    };
    Ok(all.into_iter().map(of).collect())
}

fn dynamic(space: &Space) -> Api<DynamicObject> {
    Api::namespaced_with(space.world.admin.clone(), &space.name, &ApiResource::erase::<MCPServer>(&()))
}

pub async fn they_hold_up_nobody(world: Arc<World>) -> Result<()> {
    const GOOD: usize = 25;
    let space = world.space("broken").await?;
    let mcp = Mcp::start().await?;
    let _host = Host::start(&space, mcp.address);
    let operator = space.operator(&[&ARGUMENTS[..], &["--concurrency", "1"]].concat()).await?;
    make_broken(&space, mcp.port).await?;
    operator.until_silent().await?;

    let before = operator.audit_position()?;
    let hangs = async || (mcp.hanging() > 0).then_some(());
    until("a conversation hangs", LONG, hangs).await?;
    make_good(&space, mcp.port, GOOD).await?;
    until("a conversation hangs", LONG, hangs).await?;
    operator.until_silent().await?;
    let requests = operator.requests_since(before)?;
    let is_of = |it: &&Request, who: &str| it.object_ref.name.starts_with(who) && !it.is_conversation();
    let of_broken: Vec<_> = requests.iter().filter(|it| is_of(it, "bad-")).map(ToString::to_string).collect();
    ensure!(of_broken.is_empty(), "{of_broken:?}");
    let reads: Vec<_> =
        requests.iter().filter(|it| it.verb == "get" && !it.is_lease() && !it.is_conversation()).collect();
    ensure!(reads.is_empty(), "{reads:?}");
    Ok(())
}

/// How much longer a hundred good servers take where a hundred are broken: the best of four rounds each,
/// since whatever else a machine does only ever makes one slower.
pub async fn bench_a_hundred_beside_a_hundred_broken(world: Arc<World>) -> Result<()> {
    const GOOD: usize = 100;
    const ROUNDS: usize = 4;
    let space = world.space("bench-broken").await?;
    let mcp = Mcp::start().await?;
    let _host = Host::start(&space, mcp.address);
    let operator = space.operator(&ARGUMENTS).await?;
    let rounds = async || -> Result<Duration> {
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            operator.until_silent().await?;
            let took = make_good(&space, mcp.port, GOOD).await?;
            eprintln!("bench: {GOOD} servers were Ready after {took:.1?}");
            best = best.min(took);
            delete_good(&space, &operator, GOOD).await?;
        }
        Ok(best)
    };
    let alone = rounds().await?;
    make_broken(&space, mcp.port).await?;
    let beside = rounds().await?;
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    eprintln!("bench: {GOOD} servers alone {alone:.1?}, beside 100 broken {beside:.1?}: ratio {ratio:.2}");
    ensure!(ratio <= 1.1, "{ratio:.2}");
    Ok(())
}

async fn delete_good(space: &Space, operator: &Operator, count: usize) -> Result<()> {
    let servers = space.api::<MCPServer>();
    for number in 0..count {
        servers.delete(&format!("good-{number}"), &DeleteParams::default()).await?;
    }
    let (deployments, pods) = (space.api::<Deployment>(), space.api::<Pod>());
    let are_gone = async || {
        let all = ListParams::default();
        let names = deployments.list(&all).await.ok()?.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>();
        let pods = pods.list(&all).await.ok()?.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>();
        (!names.iter().chain(&pods).any(|it| it.starts_with("good-"))).then_some(())
    };
    until("they are gone", LONG, are_gone).await?;
    operator.until_silent().await
}

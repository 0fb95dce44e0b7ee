//! What the way in costs. Run by `make bench`.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::front_door::{
    self, by_ingress, by_listener, exposed, hand_written, is_begun_anew, until_answered, until_open, visitor,
};
use crate::kubectl;
use crate::support::World;
use crate::visitor::Visitor;

const ROUNDS: usize = 40;
const CALLS: usize = 50;

/// Calls of a tool, one after the other, through each way in turn: what slows down the machine slows down all
/// of them.
pub async fn bench_the_way_in_is_the_proxys_alone(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("latency").await?;
    let _operator = front_door::operator(&space).await?;
    let mut spec = exposed(&by_ingress("landfall.latency.example.com"));
    spec["service"] = json!({"type": "NodePort"});
    // Of the Ingress by hand, nobody can tell the server.
    spec["env"] = json!([{"name": "MCP_ALLOWED_HOSTS", "value": "*"}]);
    space.server("echo", &spec).await?;
    let by_hand = hand_written("by-hand", "hand.latency.example.com", "echo");
    kubectl::apply(&space, &by_hand.to_string()).await?;
    space.server("route", &exposed(&by_listener("route.latency.example.com", "http"))).await?;
    let by_route = until_open(&space, "route", "ExposedAtRisk").await?;
    let by_landfall = until_open(&space, "echo", "ExposedAtRisk").await?;
    let service = space.api::<Service>().get("echo").await?.spec.context("no spec")?;
    let port = service.ports.context("no ports")?.first().and_then(|it| it.node_port).context("no port of the node")?;
    let ways = [
        ("the Service", format!("http://direct.latency.example.com:{port}/mcp")),
        ("Ingress by hand", "http://hand.latency.example.com/mcp".to_owned()),
        ("Landfall's Ingress", by_landfall),
        ("Landfall's HTTPRoute", by_route),
    ];
    let mut took = [const { Vec::new() }; 4];
    for (_, url) in &ways {
        until_answered(&visitor(&world, url)?).await.context(url.clone())?;
    }
    for _ in 0..ROUNDS {
        for (at, (_, url)) in ways.iter().enumerate() {
            took[at].extend(a_round(&visitor(&world, url)?).await.context(url.clone())?);
        }
    }
    let direct = median(&mut took[0]);
    for ((way, _), took) in ways.iter().zip(&mut took) {
        let (median, p99) = (median(took), took[took.len() * 99 / 100]);
        let times = median.as_secs_f64() / direct.as_secs_f64();
        println!("{way:20} median {median:8.0?}  p99 {p99:8.0?}  {times:.2} times the Service  ({} calls)", took.len());
    }
    let ratio = median(&mut took[2]).as_secs_f64() / median(&mut took[1]).as_secs_f64();
    println!("Landfall's Ingress takes {ratio:.3} times as long as one by hand");
    ensure!((0.8..=1.25).contains(&ratio), "the way in has a hop more than the proxy's");
    Ok(())
}

/// How long each of some calls took, over one connection. What follows on an answer that the proxy cut is left
/// out.
async fn a_round(visitor: &Visitor) -> Result<Vec<Duration>> {
    let mut session = loop {
        match visitor.initialize().await {
            Err(error) if is_begun_anew(&error) => {}
            session => break session?,
        }
    };
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        match session.call("echo", &json!({"message": "x"})).await {
            Err(error) if is_begun_anew(&error) => break,
            answer => ensure!(answer? == "x"),
        }
        took.push(began.elapsed());
    }
    Ok(took)
}

fn median(took: &mut [Duration]) -> Duration {
    took.sort();
    took[took.len() / 2]
}

//! The way in from outside, as `spec.expose` makes it, through Traefik as Ingress controller and as Gateway.

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::front_door::{
    self, by_ingress, by_listener, call, certificate, exposed, hand_written, until_closed, until_open, visitor,
};
use crate::kubectl;
use crate::support::{Space, World, condition};
use crate::visitor::Visitor;

/// How long a stream has to stay open: no timeout of a proxy in use is longer, if it has one at all.
const LONG: Duration = Duration::from_mins(3);

/// A server for each kind of way, and a visitor for each.
async fn both_ways(space: &Space) -> Result<Vec<Visitor>> {
    let host = |way: &str| format!("{way}.{}.example.com", space.name);
    space.server("ingress", &exposed(&by_ingress(&host("ingress")))).await?;
    space.server("route", &exposed(&by_listener(&host("route"), "http"))).await?;
    let visitors = ["ingress", "route"].map(async |way| {
        let url = until_open(space, way, "ExposedAtRisk").await?;
        ensure!(url == format!("http://{}/mcp", host(way)), "{url}");
        visitor(&space.world, &url)
    });
    try_join_all(visitors).await
}

pub async fn streams_stay_open_for_minutes(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("streams").await?;
    let _operator = front_door::operator(&space).await?;
    let visitors = both_ways(&space).await?;
    let both = visitors.iter().map(|visitor| async move {
        tokio::try_join!(answer_for_minutes(visitor), listen_for_minutes(visitor)).context(visitor.url())
    });
    try_join_all(both).await?;
    Ok(())
}

/// An answer that takes minutes is a stream too: what is told on it arrives when it is told.
async fn answer_for_minutes(visitor: &Visitor) -> Result<()> {
    let mut session = visitor.initialize().await?;
    let told = session.follow("echo", &json!({"message": "at last", "seconds": LONG.as_secs()})).await?;
    let (first, progress) = told.first().context("nothing was told")?;
    ensure!(progress["method"] == "notifications/progress", "{progress}");
    ensure!(*first < LONG / 2, "progress is held back until {first:?}");
    let (last, answer) = told.last().context("nothing was told")?;
    ensure!(answer["result"]["content"][0]["text"] == "at last", "{answer}");
    ensure!(*last >= LONG, "the answer came early: {last:?}");
    Ok(())
}

/// The stream on which a server may tell something at any time; here it has nothing to tell.
async fn listen_for_minutes(visitor: &Visitor) -> Result<()> {
    visitor.initialize().await?.listen(LONG).await
}

pub async fn fifty_calls_at_once_succeed(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("fifty").await?;
    let _operator = front_door::operator(&space).await?;
    for visitor in both_ways(&space).await? {
        let messages: Vec<_> = (0..50).map(|number| format!("call {number}")).collect();
        try_join_all(messages.iter().map(|message| call(&visitor, message))).await.context(visitor.url())?;
    }
    Ok(())
}

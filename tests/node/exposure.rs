//! The way in from outside, as `spec.expose` makes it, through Traefik as Ingress controller and as Gateway.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::front_door::{
    self, by_ingress, by_listener, call, certificate, exposed, hand_written, until_answered, until_closed, until_open,
    visitor,
};
use crate::kubectl;
use crate::support::{Space, World};
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
/// By an Ingress with a certificate of the cluster's authority, which is made along.
async fn by_ingress_with_tls(space: &Space, host: &str) -> Result<Value> {
    kubectl::apply(space, &certificate(space, "own", host)?.to_string()).await?;
    let mut expose = by_ingress(host);
    expose["ingress"]["tls"] = json!({"secretName": "own"});
    Ok(expose)
}

/// With the URL of what sits in front.
fn known_as(mut expose: Value, public_url: &str) -> Value {
    expose["publicUrl"] = public_url.into();
    expose
}

pub async fn the_url_of_the_status_is_the_one_to_call(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("urls").await?;
    let _operator = front_door::operator(&space).await?;
    let mut with_slash = exposed(&by_ingress("slash.urls.example.com"));
    with_slash["path"] = "/mcp/".into();
    with_slash["args"] = json!(["--path", "/mcp/"]);
    let behind = |name: &str, url: &str| exposed(&known_as(by_ingress(&format!("{name}.urls.example.com")), url));
    let servers = [
        ("plain", exposed(&by_ingress("plain.urls.example.com")), "http://plain.urls.example.com/mcp"),
        (
            "tls",
            exposed(&by_ingress_with_tls(&space, "tls-urls.example.com").await?),
            "https://tls-urls.example.com/mcp",
        ),
        ("listener", exposed(&by_listener("by-urls.example.com", "https")), "https://by-urls.example.com/mcp"),
        ("port", exposed(&by_listener("port.urls.example.com", "alt")), "http://port.urls.example.com:8088/mcp"),
        ("slash", with_slash, "http://slash.urls.example.com/mcp/"),
        ("mapped", behind("mapped", "http://public.urls.example.com:8088"), "http://public.urls.example.com:8088/mcp"),
        (
            "mounted",
            behind("mounted", "https://public-urls.example.com/team/echo"),
            "https://public-urls.example.com/team/echo",
        ),
    ];
    for manifest in in_front(&space)? {
        kubectl::apply(&space, &manifest.to_string()).await?;
    }
    for (name, spec, _) in &servers {
        space.server(name, spec).await?;
    }
    let called = servers.iter().map(async |(name, _, url)| {
        let told = until_open(&space, name, "ExposedAtRisk").await.context(*name)?;
        ensure!(told == *url, "{name}: {told}");
        let visitor = visitor(&world, &told)?;
        // Nobody told the operator of the Ingresses that sit in front.
        if url.contains("//public") { until_answered(&visitor).await } else { call(&visitor, name).await }
    });
    try_join_all(called).await?;
    Ok(())
}

/// What others have put in front of two servers: another port, and TLS with another path.
fn in_front(space: &Space) -> Result<[Value; 4]> {
    let annotation = |name: &str| format!("traefik.ingress.kubernetes.io/router.{name}");
    let mut port = hand_written("front-of-mapped", "public.urls.example.com", "mapped");
    port["metadata"]["annotations"][annotation("entrypoints")] = "alt".into();
    let path = json!({
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "Middleware",
        "metadata": {"name": "path"},
        "spec": {"replacePath": {"path": "/mcp"}},
    });
    let mut mount = hand_written("front-of-mounted", "public-urls.example.com", "mounted");
    mount["metadata"]["annotations"][annotation("middlewares")] = "urls-path@kubernetescrd".into();
    mount["spec"]["tls"] = json!([{"hosts": ["public-urls.example.com"], "secretName": "public"}]);
    Ok([certificate(space, "public", "public-urls.example.com")?, port, path, mount])
}

pub async fn what_is_refused_says_what_to_change(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("refused").await?;
    // It does not trust the cluster's authority.
    let _operator = space.operator(&["--watch-classes", "true"]).await?;
    let narrow = json!({"parentRefs": [{"name": "narrow", "namespace": "gateways"}]});
    let narrow = json!({"host": "narrow.refused.example.com", "gateway": narrow});
    let servers = [
        ("narrow", narrow, "RouteNotAccepted", "allowedRoutes"),
        ("stranger", by_listener("echo.elsewhere.org", "https"), "RouteNotAccepted", "choose a spec.expose.host"),
        (
            "untrusted",
            by_ingress_with_tls(&space, "untrusted-refused.example.com").await?,
            "CertificateNotReady",
            "trustedCertificates",
        ),
    ];
    for (name, expose, ..) in &servers {
        space.server(name, &exposed(expose)).await?;
    }
    for (name, _, reason, words) in &servers {
        let said = until_closed(&space, name, reason).await.context(*name)?;
        ensure!(said.contains(words), "{name}: {said}");
    }
    Ok(())
}

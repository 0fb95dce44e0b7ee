//! The way in from outside, through Traefik as Ingress controller and as Gateway.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::ECHO;
use crate::kubectl;
use crate::support::{PATIENCE, Space, World, until};
use crate::visitor::Visitor;

const DOMAIN: &str = "example.com";

/// How long a stream has to stay open: no timeout of a proxy in use is longer, if it has one at all.
const LONG: Duration = Duration::from_mins(3);

/// Opens the front door once, and gives the address at which it is.
pub async fn door(world: &World) -> Result<Ipv4Addr> {
    static DOOR: OnceCell<()> = OnceCell::const_new();
    DOOR.get_or_try_init(|| world.cluster.open_front_door(DOMAIN)).await?;
    world.cluster.node_address().context("there is no node")
}

/// An Ingress that a person writes, to a Service.
pub fn ingress(name: &str, host: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 3001}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {
            "ingressClassName": "traefik",
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    })
}

/// A route that a person writes, from a listener of the Gateway to a Service.
pub fn route(name: &str, host: &str, listener: &str, service: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "main", "namespace": "gateways", "sectionName": listener}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": service, "port": 3001}]}],
        },
    })
}

/// Waits until a visitor is answered.
pub async fn until_answered(visitor: &Visitor) -> Result<()> {
    let answered = async || visitor.call("echo", &json!({"message": "x"})).await.ok();
    let answered = until("a visitor is answered", PATIENCE, answered).await.map(|_| ());
    if answered.is_err() {
        visitor.call("echo", &json!({"message": "x"})).await?;
    }
    answered
}

/// A server with hand-written ways in, each with its own host.
async fn echo_with(space: &Space, ways: &[Value]) -> Result<()> {
    // What the operator did not make, it can't tell the server of.
    let any_host = json!([{"name": "MCP_ALLOWED_HOSTS", "value": "*"}]);
    space.server("echo", &json!({"image": ECHO, "port": 3001, "env": any_host})).await?;
    for way in ways {
        kubectl::apply(space, &way.to_string()).await?;
    }
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

pub async fn streams_stay_open_for_minutes(world: Arc<World>) -> Result<()> {
    let address = door(&world).await?;
    let space = world.space("streams").await?;
    let _operator = space.operator(&[]).await?;
    let ways = [
        ingress("echo", "ingress.streams.example.com", "echo"),
        route("echo", "route.streams.example.com", "http", "echo"),
    ];
    echo_with(&space, &ways).await?;
    let both = ["ingress", "route"].map(|way| async move {
        let visitor = Visitor::new(&format!("http://{way}.streams.example.com/mcp"), address)?;
        until_answered(&visitor).await?;
        tokio::try_join!(answer_for_minutes(&visitor), listen_for_minutes(&visitor)).with_context(|| way)
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
    let address = door(&world).await?;
    let space = world.space("fifty").await?;
    let _operator = space.operator(&[]).await?;
    let ways = [
        ingress("echo", "ingress.fifty.example.com", "echo"),
        route("echo", "route.fifty.example.com", "http", "echo"),
    ];
    echo_with(&space, &ways).await?;
    for way in ["ingress", "route"] {
        let visitor = Visitor::new(&format!("http://{way}.fifty.example.com/mcp"), address)?;
        until_answered(&visitor).await?;
        let calls = (0..50).map(|number| call_once_more_if_cut(&visitor, number));
        let cut: u32 = try_join_all(calls).await.context(way)?.iter().sum();
        ensure!(cut <= 2, "{way}: {cut} of 50 answers were cut");
    }
    Ok(())
}

/// Calls, and says how often an answer was cut. On a busy machine a proxy made with Go loses one in some
/// thousand: it hangs up on a server that answers before it is done with the question (golang/go#40747).
async fn call_once_more_if_cut(visitor: &Visitor, number: u32) -> Result<u32> {
    let message = format!("call {number}");
    let arguments = json!({"message": message});
    let (answer, cut) = match visitor.call("echo", &arguments).await {
        Err(error) if format!("{error:#}").contains("unexpected EOF") => (visitor.call("echo", &arguments).await?, 1),
        answer => (answer?, 0),
    };
    ensure!(answer == message, "{message} was answered {answer}");
    Ok(cut)
}

pub async fn tls_and_another_port_are_served(world: Arc<World>) -> Result<()> {
    let address = door(&world).await?;
    let space = world.space("doors").await?;
    let _operator = space.operator(&[]).await?;
    let mut with_tls = ingress("echo", "ingress-doors.example.com", "echo");
    with_tls["spec"]["tls"] = json!([{"hosts": ["ingress-doors.example.com"], "secretName": "own"}]);
    let ways = [
        certificate(&space, "own", "ingress-doors.example.com")?,
        with_tls,
        route("secure", "doors.example.com", "https", "echo"),
        route("alt", "doors.example.com", "alt", "echo"),
    ];
    echo_with(&space, &ways).await?;
    for url in
        ["https://ingress-doors.example.com/mcp", "https://doors.example.com/mcp", "http://doors.example.com:8088/mcp"]
    {
        let visitor = Visitor::new(url, address)?.trusting(&world.cluster.authority())?;
        until_answered(&visitor).await?;
    }
    Ok(())
}

/// A Secret with a certificate of the cluster's authority.
pub fn certificate(space: &Space, name: &str, host: &str) -> Result<Value> {
    let made = space.world.cluster.serving_certificate(&[host])?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "stringData": {
            "tls.crt": std::fs::read_to_string(&made.certificate)?,
            "tls.key": std::fs::read_to_string(&made.key)?,
        },
    }))
}

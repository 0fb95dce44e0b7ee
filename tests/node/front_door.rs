//! What tests do at the front door: Traefik, as Ingress controller and as Gateway.

use anyhow::{Context, Result, ensure};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tokio::sync::OnceCell;

use crate::ECHO;
use crate::support::operator::Operator;
use crate::support::{PATIENCE, Space, World, condition, until};
use crate::visitor::Visitor;

const DOMAIN: &str = "example.com";

/// Opens the front door once, and gives the address at which it is.
pub async fn open(world: &World) -> Result<Ipv4Addr> {
    static DOOR: OnceCell<()> = OnceCell::const_new();
    DOOR.get_or_try_init(|| world.cluster.open_front_door(DOMAIN)).await?;
    world.cluster.node_address().context("there is no node")
}

/// An operator that sees classes and gateways, and trusts whom the cluster's authority signed.
pub async fn operator(space: &Space) -> Result<Operator> {
    let authority = space.world.cluster.authority();
    space.operator_in(&["--watch-classes", "true"], &[("SSL_CERT_FILE", &authority)]).await
}

/// The example server with a way in.
pub fn exposed(expose: &Value) -> Value {
    json!({"image": ECHO, "port": 3001, "expose": expose})
}

/// By an Ingress.
pub fn by_ingress(host: &str) -> Value {
    json!({"host": host, "ingress": {"className": "traefik"}})
}

/// By a listener of the Gateway.
pub fn by_listener(host: &str, listener: &str) -> Value {
    json!({"host": host, "gateway": {"parentRefs": [{"name": "main", "namespace": "gateways", "sectionName": listener}]}})
}

/// An Ingress that a person writes, to a Service.
pub fn hand_written(name: &str, host: &str, service: &str) -> Value {
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

/// Waits until the server is Ready with a way in that is open for this reason, and gives its URL.
pub async fn until_open(space: &Space, name: &str, reason: &str) -> Result<String> {
    let server = space.until_ready_is(name, "True", "Ready").await?;
    let exposed = condition(&server, "Exposed").context("not exposed")?;
    ensure!(exposed.status == "True" && exposed.reason == reason, "{exposed:?}");
    Ok(url(&server).to_owned())
}

/// Waits until the server is not Ready since its way in is closed for this reason, and gives what is said of it.
pub async fn until_closed(space: &Space, name: &str, reason: &str) -> Result<String> {
    let server = space.until_ready_is(name, "False", reason).await?;
    let exposed = condition(&server, "Exposed").context("not exposed")?;
    ensure!(exposed.status == "False" && exposed.reason == reason, "{exposed:?}");
    ensure!(is_of_cluster(url(&server)), "{}", url(&server));
    Ok(exposed.message.clone())
}

pub fn url(server: &MCPServer) -> &str {
    server.status.as_ref().and_then(|it| it.url.as_deref()).unwrap_or_default()
}

pub fn is_of_cluster(url: &str) -> bool {
    url.ends_with(".svc.cluster.local:3001/mcp")
}

/// Somebody outside of the cluster, who trusts the cluster's authority.
pub fn visitor(world: &World, url: &str) -> Result<Visitor> {
    let address = world.cluster.node_address().context("there is no node")?;
    Visitor::new(url, address)?.trusting(&world.cluster.authority())
}

/// Calls a tool as clients do, who begin anew where an answer was cut.
pub async fn call(visitor: &Visitor, message: &str) -> Result<()> {
    let arguments = json!({"message": message});
    let answer = persistently(async || visitor.call("echo", &arguments).await).await?;
    ensure!(answer == message, "{message} was answered {answer}");
    Ok(())
}

/// Begins anew where an answer was cut or a session is gone with its pod, as clients do. A proxy made with Go
/// may hang up on a server that answers before it is done with the question (golang/go#40747): on a busy
/// machine of two cores, on one in twenty of any server.
pub async fn persistently<T>(conversation: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut cuts = 0;
    loop {
        match conversation().await {
            Err(error) if is_begun_anew(&error) && cuts < CUTS => eprintln!("begun anew: {error:#}"),
            result => return result,
        }
        cuts += 1;
    }
}

/// More in a row are no chance.
const CUTS: usize = 12;

pub fn is_begun_anew(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("unexpected EOF") || text.contains("Session not found")
}

/// Waits until a visitor is answered: what nobody reports on may take a moment.
pub async fn until_answered(visitor: &Visitor) -> Result<()> {
    let answered = until("a visitor is answered", PATIENCE, async || call(visitor, "x").await.ok()).await;
    if answered.is_err() {
        call(visitor, "x").await?;
    }
    answered
}

//! Ways in that change while clients call.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{Api, DeleteParams};
use landfall::api::MCPServer;
use landfall::gateway_api::{Gateway, HTTPRoute};
use serde_json::{Value, json};
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::front_door::{
    self, by_ingress, by_listener, call, exposed, is_begun_anew, is_of_cluster, until_closed, until_open, url, visitor,
};
use crate::kubectl;
use crate::support::{Space, World, condition};

/// Calls at the URL of one server that were answered.
#[derive(Default)]
struct Calls {
    public: Cell<usize>,
    in_cluster: Cell<usize>,
}

pub async fn a_ready_servers_url_answers_whatever_is_changed(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("switching").await?;
    let _operator = front_door::operator(&space).await?;
    let calls = Calls::default();
    tokio::select! {
        broken = call_whenever_ready(&space, "echo", &calls) => match broken? {},
        changed = change_again_and_again(&space, "echo", &calls) => changed?,
    }
    eprintln!("{} calls at public URLs, {} at the cluster's", calls.public.get(), calls.in_cluster.get());
    Ok(())
}

async fn change_again_and_again(space: &Space, name: &str, calls: &Calls) -> Result<()> {
    let ingress = |host: &str| (exposed(&by_ingress(host)), format!("http://{host}/mcp"), [true, false]);
    let route = |host: &str| (exposed(&by_listener(host, "http")), format!("http://{host}/mcp"), [false, true]);
    let (host, other, with_tls) = ("a.switching.example.com", "b.switching.example.com", "switching.example.com");
    let secure = (exposed(&by_listener(with_tls, "https")), format!("https://{with_tls}/mcp"), [false, true]);
    let nothing =
        (exposed(&Value::Null), format!("http://{name}.switching.svc.cluster.local:3001/mcp"), [false, false]);
    let steps =
        [ingress(host), route(host), ingress(host), ingress(other), secure, nothing.clone(), route(host), nothing];
    for (spec, expected, made) in steps {
        space.server(name, &spec).await?;
        let server = space.until_ready_is(name, "True", "Ready").await.with_context(|| spec.to_string())?;
        ensure!(url(&server) == expected, "{spec}: {}", url(&server));
        ensure!(condition(&server, "Exposed").is_some() == (made != [false, false]), "{:?}", server.status);
        let there = [
            space.api::<Ingress>().get_opt(name).await?.is_some(),
            space.api::<HTTPRoute>().get_opt(name).await?.is_some(),
        ];
        ensure!(there == made, "{spec}: Ingress and HTTPRoute there: {there:?}");
        let counted = if is_of_cluster(&expected) { &calls.in_cluster } else { &calls.public };
        let before = counted.get();
        space.until("it is called a few times", async || (counted.get() >= before + 5).then_some(())).await?;
    }
    Ok(())
}

/// Calls the URL of the status for ever, while that says that the server is Ready as it is asked for. An error
/// if it does not answer though the status goes on to say so.
async fn call_whenever_ready(space: &Space, name: &str, calls: &Calls) -> Result<Infallible> {
    let servers = space.api::<MCPServer>();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Some(server) = servers.get_opt(name).await? else { continue };
        let Some(told) = ready_url(&server) else { continue };
        let (answer, counted) = if is_of_cluster(told) {
            (space.world.call(told, "x").await.map(|_| ()), &calls.in_cluster)
        } else {
            (call(&visitor(&space.world, told)?, "x").await, &calls.public)
        };
        match answer {
            Ok(()) => counted.set(counted.get() + 1),
            Err(error) if is_begun_anew(&error) => {}
            Err(error) => {
                let now = servers.get(name).await?;
                if now.metadata.generation == server.metadata.generation && ready_url(&now) == Some(told) {
                    return Err(error.context(format!("Ready, and {told} does not answer: {}", json!(now.status))));
                }
            }
        }
    }
}

/// The URL, if the server is Ready as it is asked for.
fn ready_url(server: &MCPServer) -> Option<&str> {
    let ready = condition(server, "Ready")?;
    let generation = server.metadata.generation;
    let observed = server.status.as_ref()?.observed_generation;
    (ready.status == "True" && ready.observed_generation == generation && observed == generation).then(|| url(server))
}

pub async fn what_is_taken_away_takes_the_url_along(world: Arc<World>) -> Result<()> {
    front_door::open(&world).await?;
    let space = world.space("taken").await?;
    let _operator = front_door::operator(&space).await?;
    let listener = |name: &str, port: u16| json!({"name": name, "protocol": "HTTP", "port": port});
    let gateway = |listeners: &[Value]| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "own"},
            "spec": {"gatewayClassName": "traefik", "listeners": listeners},
        })
    };
    let class = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "taken"},
        "spec": {"controller": "traefik.io/ingress-controller"},
    });
    let whole = gateway(&[listener("http", 80), listener("alt", 8088)]);
    kubectl::apply(&space, &whole.to_string()).await?;
    kubectl::apply(&space, &class.to_string()).await?;
    let parent = json!({"parentRefs": [{"name": "own", "sectionName": "http"}]});
    space.server("route", &exposed(&json!({"host": "route.taken.example.com", "gateway": parent}))).await?;
    let by_class = json!({"host": "ingress.taken.example.com", "ingress": {"className": "taken"}});
    space.server("ingress", &exposed(&by_class)).await?;
    let open = async |name: &str| {
        let told = until_open(&space, name, "ExposedAtRisk").await?;
        ensure!(told == format!("http://{name}.taken.example.com/mcp"), "{told}");
        call(&visitor(&world, &told)?, "x").await
    };
    let closed = async |name: &str, reason: &str, words: &str| {
        let said = until_closed(&space, name, reason).await?;
        if said.contains(words) { Ok(()) } else { bail!("{said}") }
    };
    open("route").await?;
    open("ingress").await?;

    kubectl::apply(&space, &gateway(&[listener("alt", 8088)]).to_string()).await?;
    closed("route", "GatewayMissing", "no listener \"http\"").await.context("a listener less")?;
    kubectl::apply(&space, &whole.to_string()).await?;
    open("route").await.context("the listener is back")?;
    space.api::<Gateway>().delete("own", &DeleteParams::default()).await?;
    closed("route", "GatewayMissing", "There is no Gateway \"own\"").await?;

    let classes: Api<IngressClass> = Api::all(world.admin.clone());
    classes.delete("taken", &DeleteParams::default()).await?;
    closed("ingress", "IngressClassMissing", "There is no IngressClass \"taken\"").await?;
    kubectl::apply(&space, &class.to_string()).await?;
    open("ingress").await.context("the class is back")
}

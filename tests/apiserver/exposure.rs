//! The way in, on an API server where nobody serves it: what its controllers would say is said by the
//! test.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use landfall::api::MCPServer;
use landfall::gateway_api::{Gateway, GatewayClass, HTTPRoute};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, apply, condition, edit, stays};

const WATCHING: [&str; 4] = ["--watch-classes", "true", "--base-domain", "mcp.example.com"];

fn exposed(expose: &Value) -> Value {
    json!({"image": "echo:1", "port": 3001, "expose": expose})
}

fn url(server: &MCPServer) -> &str {
    server.status.as_ref().and_then(|it| it.url.as_deref()).unwrap_or_default()
}

/// Waits until `Exposed` has this reason, for the generation that is stored.
async fn until_exposed_is(space: &Space, name: &str, reason: &str) -> Result<MCPServer> {
    space
        .until_server(name, &format!("Exposed for reason {reason}"), |server| {
            condition(server, "Exposed")
                .is_some_and(|it| it.reason == reason && it.observed_generation == server.metadata.generation)
        })
        .await
}

fn said(server: &MCPServer) -> &str {
    condition(server, "Exposed").map_or("", |it| &it.message)
}

/// What a controller does with an Ingress that it takes.
async fn give_address(space: &Space, name: &str) -> Result<()> {
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}});
    space.api::<Ingress>().patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}

pub async fn an_ingress_follows_the_spec(world: Arc<World>) -> Result<()> {
    let space = world.space("ingress").await?;
    let operator = space.operator(&WATCHING).await?;
    let _kubelet = Kubelet::start(&space);
    let ingresses = space.api::<Ingress>();
    space.server("echo", &exposed(&json!({"ingress": {"className": "late"}}))).await?;
    let server = until_exposed_is(&space, "echo", "IngressClassMissing").await?;
    ensure!(said(&server).contains("There is no IngressClass \"late\""), "{}", said(&server));

    let class = json!({"metadata": {"name": "late"}, "spec": {"controller": "k8s.io/ingress-nginx"}});
    let classes: Api<IngressClass> = Api::all(world.admin.clone());
    apply(&classes, serde_json::from_value(class)?).await?;
    until_exposed_is(&space, "echo", "AddressPending").await?;
    let ingress = ingresses.get("echo").await?;
    let annotation = "nginx.ingress.kubernetes.io/proxy-read-timeout";
    ensure!(ingress.annotations().get(annotation).is_some_and(|it| it == "3600"), "{:?}", ingress.annotations());

    give_address(&space, "echo").await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(url(&server) == "http://echo.ingress.mcp.example.com/mcp", "{}", url(&server));
    ensure!(condition(&server, "Exposed").is_some_and(|it| it.reason == "ExposedUnchecked"), "{:?}", server.status);

    edit(&ingresses, "echo", &json!({"spec": {"rules": [{"host": "hijacked.example.com"}]}})).await?;
    let is_back = async || {
        let host = ingresses.get("echo").await.ok()?.spec?.rules?.first()?.host.clone();
        host.filter(|it| it == "echo.ingress.mcp.example.com")
    };
    space.until("the rule comes back", is_back).await?;

    space.server("echo", &exposed(&json!({"host": "other.example.com", "ingress": {"className": "late"}}))).await?;
    space.until_server("echo", "the URL follows the host", |it| url(it) == "http://other.example.com/mcp").await?;
    space.server("echo", &exposed(&Value::Null)).await?;
    let server = space.until_server("echo", "the cluster's URL", |it| url(it).contains("svc.cluster.local")).await?;
    ensure!(ingresses.get_opt("echo").await?.is_none(), "the Ingress is gone before the URL is");
    ensure!(condition(&server, "Exposed").is_none(), "{:?}", server.status);
    ensure!(!operator.log().contains("forbidden"), "{}", operator.log());
    Ok(())
}

pub async fn the_older_server_keeps_the_host(world: Arc<World>) -> Result<()> {
    let space = world.space("hosts").await?;
    let _operator = space.operator(&WATCHING).await?;
    let ingresses = space.api::<Ingress>();
    let wanted = exposed(&json!({"host": "shared.example.com"}));
    space.server("older", &wanted).await?;
    let made = async |name: &str| ingresses.get_opt(name).await.ok().flatten();
    space.until("the Ingress of the older one", async || made("older").await).await?;
    space.server("newer", &wanted).await?;
    let server = until_exposed_is(&space, "newer", "HostTaken").await?;
    ensure!(said(&server).contains("MCPServer \"older\" in namespace \"hosts\""), "{}", said(&server));
    ensure!(made("newer").await.is_none(), "nothing is made of it");

    // Its pods are not affected, and another path of the host is free.
    space.until("its Deployment", async || space.api::<Deployment>().get_opt("newer").await.ok().flatten()).await?;
    let beside = json!({"image": "echo:1", "port": 3001, "path": "/beside/mcp",
        "expose": {"host": "shared.example.com", "paths": ["/beside"]}});
    space.server("beside", &beside).await?;
    space.until("the Ingress beside it", async || made("beside").await).await?;

    space.api::<MCPServer>().delete("older", &DeleteParams::default()).await?;
    space.until("the newer one has the host", async || made("newer").await).await?;

    let hand_made = json!({"metadata": {"name": "hand-made"}, "spec": {"rules": [{"host": "own.example.com",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}});
    apply(&ingresses, serde_json::from_value(hand_made)?).await?;
    space.server("third", &exposed(&json!({"host": "own.example.com"}))).await?;
    let server = until_exposed_is(&space, "third", "HostTaken").await?;
    ensure!(said(&server).contains("Ingress \"hand-made\""), "{}", said(&server));
    edit(&ingresses, "hand-made", &json!({"spec": {"rules": [{"host": "elsewhere.example.com"}]}})).await?;
    space.until("the host is free", async || made("third").await).await?;
    Ok(())
}

pub async fn the_gateway_api_may_come_later(_: Arc<World>) -> Result<()> {
    World::alone(async |world| Box::pin(through_a_gateway(world)).await).await
}

async fn through_a_gateway(world: &Arc<World>) -> Result<()> {
    let space = world.space("team").await?;
    let mut operator = space.operator(&WATCHING).await?;
    let _kubelet = Kubelet::start(&space);
    let asked = json!({"gateway": {"parentRefs": [{"name": "main"}]}});
    space.server("plain", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("plain", "True", "Ready").await?;
    let looks = || -> Result<usize> {
        let requests = operator.requests()?;
        Ok(requests.iter().filter(|it| it.object_ref.resource.is_empty() && it.verb == "get").count())
    };
    let before = looks()?;
    stays("nobody looks for what nobody wants", Duration::from_secs(7), async || Ok(looks()? == before)).await?;
    space.server("echo", &exposed(&asked)).await?;
    until_exposed_is(&space, "echo", "GatewayAPIMissing").await?;

    world.cluster.install_gateway_api().await?;
    until_exposed_is(&space, "echo", "GatewayMissing").await?;
    let classes: Api<GatewayClass> = Api::all(world.admin.clone());
    let class = json!({"metadata": {"name": "public"}, "spec": {"controllerName": "example.com/test"}});
    apply(&classes, serde_json::from_value(class)?).await?;
    let listeners = json!([{"name": "https", "port": 8443, "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": "cert"}]}}]);
    apply_raw(&space, &listeners).await?;
    until_exposed_is(&space, "echo", "RoutePending").await?;
    let route = space.api::<HTTPRoute>().get("echo").await?;
    ensure!(route.spec.hostnames == ["echo.team.mcp.example.com"], "{:?}", route.spec);

    accept(&space, &route, "False", "NotAllowedByListeners").await?;
    let server = until_exposed_is(&space, "echo", "RouteNotAccepted").await?;
    ensure!(said(&server).contains("allowedRoutes"), "{}", said(&server));
    accept(&space, &route, "True", "Accepted").await?;
    until_exposed_is(&space, "echo", "AddressPending").await?;
    let status = json!({"status": {"addresses": [{"type": "IPAddress", "value": "203.0.113.7"}]}});
    space.api::<Gateway>().patch_status("main", &PatchParams::default(), &Patch::Merge(&status)).await?;
    let server = until_exposed_is(&space, "echo", "ExposedUnchecked").await?;
    ensure!(url(&server) == "https://echo.team.mcp.example.com:8443/mcp", "{}", url(&server));
    space.until_ready_is("echo", "True", "Ready").await?;

    // Nothing of all that looks like a change to the next process, or makes this one write again.
    let versions = async || -> Result<_> {
        let (server, route) =
            (space.api::<MCPServer>().get("echo").await?, space.api::<HTTPRoute>().get("echo").await?);
        Ok((server.resource_version(), route.resource_version()))
    };
    let before = versions().await?;
    operator.restart().await?;
    operator.until_ready().await?;
    stays("a restart writes nothing", Duration::from_secs(3), async || Ok(versions().await? == before)).await?;

    // And away with it, over to an Ingress.
    space.server("echo", &exposed(&json!({"ingress": {}}))).await?;
    let gone = async || space.api::<HTTPRoute>().get_opt("echo").await.ok().filter(Option::is_none);
    space.until("the HTTPRoute is gone", gone).await?;
    ensure!(space.api::<Ingress>().get_opt("echo").await?.is_some(), "the Ingress is there before");
    Ok(())
}

/// A Gateway as its owner writes it, in fields that the operator does not know, too.
async fn apply_raw(space: &Space, listeners: &Value) -> Result<()> {
    use kube::api::{ApiResource, DynamicObject};
    let resource = ApiResource::erase::<Gateway>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(space.world.admin.clone(), &space.name, &resource);
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "main"},
        "spec": {"gatewayClassName": "public", "listeners": listeners},
    });
    api.patch("main", &PatchParams::apply("tests").force(), &Patch::Apply(&gateway)).await?;
    Ok(())
}

/// What a gateway's controller says of a route.
async fn accept(space: &Space, route: &HTTPRoute, status: &str, reason: &str) -> Result<()> {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
               "observedGeneration": route.metadata.generation})
    };
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "team", "name": "main"});
    let conditions = [condition("Accepted", status, reason), condition("ResolvedRefs", "True", "ResolvedRefs")];
    let status = json!({"status": {"parents": [
        {"controllerName": "example.com/test", "parentRef": parent, "conditions": conditions},
    ]}});
    space.api::<HTTPRoute>().patch_status("echo", &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}

//! What goes wrong is told in a condition with a reason and a hint, and nobody else suffers.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::Kubelet;
use crate::support::{World, apply, condition, edit, from_yaml, message};

pub async fn an_undecodable_server_stops_nobody_else(world: Arc<World>) -> Result<()> {
    let space = world.space("undecodable").await?;
    let alone = ["--leader-election", "false"];
    let (mut operator, _kubelet) = (space.operator(&alone).await?, Kubelet::start(&space));
    // An int32 in Kubernetes' types, which API servers before 1.36 do not hold to its range.
    let spec = json!({"image": "echo:1", "port": 3001, "probes": {"liveness": {"periodSeconds": 3_000_000_000_i64}}});
    let dynamic = kube::api::ApiResource::erase::<landfall::api::MCPServer>(&());
    let api: kube::Api<kube::core::DynamicObject> =
        kube::Api::namespaced_with(world.admin.clone(), &space.name, &dynamic);
    let bad = kube::core::DynamicObject::new("bad", &dynamic).data(json!({"spec": spec}));
    let created = api.create(&PostParams::default(), &bad).await;
    let minor: u32 = world.admin.apiserver_version().await?.minor.parse()?;
    if minor >= 36 {
        ensure!(created.is_err_and(|error| error.to_string().contains("int32")), "it became possible again");
        return Ok(());
    }
    created?;
    space.server("good", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("good", "True", "Ready").await?;
    let ready = async || {
        let status = api.get("bad").await.ok()?.data.get("status")?.clone();
        status["conditions"].as_array()?.iter().find(|it| it["type"] == "Ready").cloned()
    };
    let condition = space.until("a condition", &ready).await?;
    ensure!(condition["reason"] == "Undecodable" && condition["status"] == "False", "{condition}");
    let told = "spec.probes.liveness.periodSeconds: invalid value: integer `3000000000`";
    ensure!(condition["message"].as_str().is_some_and(|it| it.contains(told)), "{condition}");

    operator.restart().await?;
    operator.until_ready().await?;
    let writes_before = operator.requests()?.iter().filter(|it| it.is_write()).count();
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(operator.requests()?.iter().filter(|it| it.is_write()).count() == writes_before, "it is told once");

    edit(&api, "bad", &json!({"spec": {"probes": null}})).await?;
    space.until_ready_is("bad", "True", "Ready").await?;
    Ok(())
}

pub async fn a_missing_config_map_and_secret_are_named(world: Arc<World>) -> Result<()> {
    let space = world.space("missing").await?;
    let (operator, _kubelet) = (space.operator(&["--watch-secrets"]).await?, Kubelet::start(&space));
    let token = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}});
    let spec =
        json!({"image": "echo:1", "port": 3001, "env": [token], "envFrom": [{"configMapRef": {"name": "settings"}}]});
    space.server("echo", &spec).await?;
    let server = space.until_ready_is("echo", "False", "MissingReference").await?;
    for expected in [
        "spec.env[TOKEN]: Secret \"keys\" does not exist in this namespace: create it",
        "spec.envFrom[0]: ConfigMap \"settings\" does not exist in this namespace: create it",
    ] {
        ensure!(message(&server).contains(expected), "{}", message(&server));
    }

    apply(&space.api::<ConfigMap>(), from_yaml("metadata: {name: settings}\ndata: {a: b}\n")?).await?;
    apply(&space.api::<Secret>(), from_yaml("metadata: {name: keys}\nstringData: {tokn: hunter2}\n")?).await?;
    let wrong_key = |message: &str| message == "spec.env[TOKEN]: Secret \"keys\" has no key \"token\"; it has tokn";
    space.until_server("echo", "the key that is missing is named", |it| wrong_key(&message(it))).await?;
    apply(&space.api::<Secret>(), from_yaml("metadata: {name: keys}\nstringData: {token: hunter2}\n")?).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(condition(&server, "ReferencesResolved").is_some_and(|it| it.status == "True"));
    ensure!(!operator.log().contains("hunter2"), "a Secret's value reached the log");

    // One event when the trouble began, one when it was over.
    let list = async || -> Result<Vec<String>> {
        let events = space.api::<Event>().list(&ListParams::default()).await?;
        let ours = events.into_iter().filter(|it| it.reporting_controller.as_deref() == Some("landfall.dev/operator"));
        Ok(ours.map(|it| it.type_.unwrap_or_default()).collect())
    };
    let mut events = space.until("two events", async || list().await.ok().filter(|it| it.len() >= 2)).await?;
    events.sort();
    ensure!(events == ["Normal", "Warning"], "{events:?}");
    Ok(())
}

pub async fn a_quota_that_refuses_a_child_is_told(world: Arc<World>) -> Result<()> {
    let space = world.space("quota").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let quotas = space.api::<ResourceQuota>();
    apply(&quotas, from_yaml("metadata: {name: none}\nspec: {hard: {count/services: 0}}\n")?).await?;
    space.until("the quota is in force", async || quotas.get("none").await.ok()?.status?.hard).await?;
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    let server = space.until_ready_is("echo", "False", "RejectedByCluster").await?;
    ensure!(message(&server).contains("the cluster refuses Service \"echo\""), "{}", message(&server));
    ensure!(message(&server).contains("exceeded quota: none"), "{}", message(&server));
    quotas.delete("none", &DeleteParams::default()).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

pub async fn pod_security_that_refuses_the_pods_is_told(world: Arc<World>) -> Result<()> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let space = world.space_with("restricted", &labels).await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("plain", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("plain", "True", "Ready").await?;
    space.server("root", &json!({"image": "echo:1", "port": 3001, "podSecurityContext": {"runAsUser": 0}})).await?;
    let server = space.until_ready_is("root", "False", "PodsRefused").await?;
    ensure!(message(&server).contains("violates PodSecurity \"restricted:latest\""), "{}", message(&server));
    Ok(())
}

pub async fn a_missing_right_is_told_and_its_return_noticed(world: Arc<World>) -> Result<()> {
    let space = world.space("rights").await?;
    let (operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("first", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("first", "True", "Ready").await?;
    // A right that is enough to report, but not to make anything.
    space.unbind(&operator.user).await?;
    let role = from_yaml(
        "metadata: {name: reporter}\nrules:\n- {apiGroups: [landfall.dev], resources: [mcpservers, mcpservers/status], verbs: [get, list, watch, patch]}\n",
    )?;
    apply(&space.api::<k8s_openapi::api::rbac::v1::Role>(), role).await?;
    space.bind(&operator.user, "Role", "reporter").await?;
    space.server("second", &json!({"image": "echo:1", "port": 3001})).await?;
    let server = space.until_ready_is("second", "False", "Forbidden").await?;
    ensure!(
        message(&server).starts_with("the operator may not apply ServiceAccount \"second\""),
        "{}",
        message(&server)
    );
    space.bind(&operator.user, "ClusterRole", "landfall-operator").await?;
    space.until_ready_is("second", "True", "Ready").await?;
    ensure!(space.api::<landfall::api::MCPServer>().get("first").await?.uid().is_some());
    Ok(())
}

pub async fn a_service_without_endpoints_is_told_through_the_api_server(world: Arc<World>) -> Result<()> {
    let space = world.space("endpoints").await?;
    // Pods that are on no node are in no Service's endpoints.
    let (_operator, _kubelet) =
        (space.operator(&["--verification-route", "api-server"]).await?, Kubelet::start(&space));
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    let server = space.until_ready_is("echo", "False", "Unreachable").await?;
    ensure!(message(&server).contains("no endpoints available"), "{}", message(&server));
    Ok(())
}

//! Databases and other services that come with a server.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use landfall::api::{MCPServer, PresetName};
use landfall::children::Child;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::audit::Request;
use crate::support::pods::{Kubelet, NEVER};
use crate::support::{Space, World, condition, edit, message, stays};

fn shop(dependencies: &Value) -> Value {
    json!({"image": "echo:1", "port": 3001, "dependencies": dependencies})
}

/// Names of all objects of a kind, but those that every namespace has.
async fn names<K: Child<Scope = NamespaceResourceScope>>(space: &Space) -> Result<Vec<String>> {
    let all = space.api::<K>().list(&ListParams::default()).await?;
    Ok(all.iter().map(ResourceExt::name_any).filter(|it| !it.starts_with("kube-")).collect())
}

/// Data of a Secret, by which one that was made anew is told from one that stayed.
async fn password(space: &Space, name: &str) -> Result<Vec<u8>> {
    let secret = space.api::<Secret>().get(name).await?;
    let data = secret.data.context("a Secret with data")?;
    Ok(data.get("password").context("a password")?.0.clone())
}

pub async fn the_database_comes_first_and_then_the_server(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies").await?;
    let operator = space.operator(&[]).await?;
    let dependencies = json!([
        {"name": "db", "preset": "postgres", "version": "17"},
        {"name": "plugin", "image": "plugin:1", "ports": [{"name": "http", "port": 8080}], "dependsOn": ["db"]},
    ]);
    space.server("shop", &shop(&dependencies)).await?;
    let server = space.until_ready_is("shop", "False", "WaitingForDependencies").await?;
    let available = condition(&server, "Available").context("Available")?;
    ensure!(available.message == "The first pods start when these are ready: db, plugin.", "{}", available.message);
    ensure!(names::<StatefulSet>(&space).await? == ["shop-db"] && names::<Deployment>(&space).await?.is_empty());
    ensure!(names::<Service>(&space).await? == ["shop", "shop-db", "shop-db-headless", "shop-plugin"]);
    ensure!(names::<PersistentVolumeClaim>(&space).await? == ["shop-db-storage"]);
    ensure!(names::<Secret>(&space).await? == ["shop-db-credentials"]);
    ensure!(names::<NetworkPolicy>(&space).await? == ["shop-db", "shop-plugin"]);

    let _kubelet = Kubelet::start(&space);
    let server = space.until_ready_is("shop", "True", "Ready").await?;
    let dependencies = server.status.context("a status")?.dependencies;
    let told: Vec<_> = dependencies.iter().map(|it| (it.name.as_str(), it.ready, it.url.as_deref())).collect();
    ensure!(
        told == [("db", true, Some("postgresql://shop-db:5432")), ("plugin", true, Some("http://shop-plugin:8080"))],
        "{told:?}"
    );
    let deployment = space.api::<Deployment>().get("shop").await?;
    let began = deployment.metadata.creation_timestamp.context("a time")?;
    let plugin = space.api::<Deployment>().get("shop-plugin").await?.metadata.creation_timestamp.context("a time")?;
    ensure!(plugin <= began, "the plugin starts before the server");
    ensure!(!operator.log().contains(&String::from_utf8(password(&space, "shop-db-credentials").await?)?));
    Ok(())
}

pub async fn a_restart_with_dependencies_is_silent(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-quiet").await?;
    let (mut operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let dependencies = json!([
        {"name": "db", "preset": "postgres"},
        {"name": "cache", "preset": "redis", "storage": {"disabled": true}},
        {"name": "es", "preset": "elasticsearch", "dependsOn": ["db"]},
        {"name": "far", "external": {"url": "https://far.example.com"}},
    ]);
    space.server("shop", &shop(&dependencies)).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    operator.until_ready().await?;
    let before = operator.requests()?.len();
    operator.restart().await?;
    operator.until_ready().await?;
    stays("silent", Duration::from_secs(4), async || {
        let new: Vec<Request> = operator.requests()?.into_iter().skip(before).collect();
        let noise: Vec<_> = new
            .iter()
            .filter(|it| it.is_write() || (it.verb == "get" && !it.is_lease() && !it.object_ref.resource.is_empty()))
            .collect();
        ensure!(noise.is_empty(), "{}", noise.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        Ok(true)
    })
    .await
}

pub async fn data_and_password_outlive_the_dependency_and_the_server(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-kept").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let db = |retain: bool| shop(&json!([{"name": "db", "preset": "postgres", "storage": {"retain": retain}}]));
    space.server("shop", &db(true)).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    let claim = space.api::<PersistentVolumeClaim>().get("shop-db-storage").await?.uid();
    let first = password(&space, "shop-db-credentials").await?;
    ensure!(first.len() == 32, "{} letters", first.len());

    let without = shop(&json!([]));
    space.server("shop", &without).await?;
    space
        .until("the workload is gone", async || names::<StatefulSet>(&space).await.ok()?.is_empty().then_some(()))
        .await?;
    let kept = async || {
        let now = space.api::<PersistentVolumeClaim>().get("shop-db-storage").await?.uid();
        ensure!(now == claim && password(&space, "shop-db-credentials").await? == first, "data or password is another");
        Ok(())
    };
    kept().await?;
    space.server("shop", &db(true)).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    kept().await?;

    space.api::<MCPServer>().delete("shop", &DeleteParams::default()).await?;
    space
        .until("the workload is gone", async || names::<StatefulSet>(&space).await.ok()?.is_empty().then_some(()))
        .await?;
    space.server("shop", &db(true)).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    kept().await?;

    space.server("shop", &db(false)).await?;
    space
        .until("the claim goes with its server", async || {
            space.api::<PersistentVolumeClaim>().get("shop-db-storage").await.ok()?.metadata.owner_references
        })
        .await?;
    space.server("shop", &without).await?;
    space
        .until("data and password are gone", async || {
            let (claims, secrets) =
                (names::<PersistentVolumeClaim>(&space).await.ok()?, names::<Secret>(&space).await.ok()?);
            (claims.is_empty() && secrets.is_empty()).then_some(())
        })
        .await
}

pub async fn a_change_that_the_data_does_not_survive_is_refused(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-refused").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let db = |more: Value| {
        let mut db = json!({"name": "db", "preset": "postgres", "version": "16"});
        for (key, value) in more.as_object().into_iter().flatten() {
            db[key] = value.clone();
        }
        shop(&json!([db]))
    };
    space.server("shop", &db(json!({"storage": {"size": "2Gi"}}))).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    let pod = space.api::<Pod>().get("shop-db-0").await?.uid();
    let cases = [
        (json!({"version": "17"}), "postgres 17 cannot read it: stay within 16"),
        (json!({"storage": {"size": "1Gi"}}), "storage cannot shrink: write 2Gi"),
        (json!({"storage": {"size": "2Gi", "storageClassName": "other"}}), "cannot become \"other\""),
        (
            json!({"storage": {"size": "2Gi"}, "credentials": {"username": "other"}}),
            "spec.dependencies[db].credentials.username: \"other\" is not what its Secret was made with: write \"app\"",
        ),
    ];
    for (change, expected) in cases {
        space.server("shop", &db(change)).await?;
        let server = space.until_ready_is("shop", "False", "ChangeRefused").await?;
        ensure!(message(&server).contains(expected), "{}", message(&server));
        ensure!(space.api::<Pod>().get("shop-db-0").await?.uid() == pod, "what runs keeps running");
    }
    // The same without a workload: the claim remembers what wrote to it.
    space.server("shop", &shop(&json!([]))).await?;
    space
        .until("the workload is gone", async || names::<StatefulSet>(&space).await.ok()?.is_empty().then_some(()))
        .await?;
    space.server("shop", &db(json!({"version": "17"}))).await?;
    space.until_ready_is("shop", "False", "ChangeRefused").await?;
    Ok(())
}

pub async fn a_dependency_that_does_not_start_has_its_reason(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-trouble").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let image = format!("redis:8-{NEVER}");
    let dependencies =
        json!([{"name": "cache", "preset": "redis", "image": image, "storage": {"storageClassName": "nowhere"}}]);
    space.server("shop", &shop(&dependencies)).await?;
    let pod = space.until("the pod", async || space.api::<Pod>().get_opt("shop-cache-0").await.ok().flatten()).await?;
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."});
    let status = kube::api::Patch::Merge(json!({"status": {"conditions": [condition]}}));
    space.api::<Pod>().patch_status(&pod.name_any(), &PatchParams::default(), &status).await?;
    let server = space.until_ready_is("shop", "False", "DependencyNotReady").await?;
    let found = server.status.context("a status")?.dependencies.remove(0);
    ensure!(found.reason.as_deref() == Some("StorageNotBound"), "{found:?}");
    let text = found.message.unwrap_or_default();
    ensure!(text.contains("\"shop-cache-storage\" has no volume yet, which class \"nowhere\" should make"), "{text}");
    Ok(())
}

pub async fn an_object_of_somebody_else_is_no_database_of_ours(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-conflict").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let service = json!({"metadata": {"name": "shop-cache"}, "spec": {"ports": [{"port": 1}]}});
    space.api::<Service>().create(&PostParams::default(), &serde_json::from_value(service)?).await?;
    space.server("shop", &shop(&json!([{"name": "cache", "preset": "redis"}]))).await?;
    let server = space.until_ready_is("shop", "False", "NameConflict").await?;
    ensure!(message(&server).contains("shop-cache"), "{}", message(&server));
    let service = space.api::<Service>().get("shop-cache").await?;
    ensure!(service.spec.and_then(|it| it.ports).is_some_and(|it| it[0].port == 1));
    Ok(())
}

pub async fn what_somebody_changes_of_a_database_comes_back(world: Arc<World>) -> Result<()> {
    let space = world.space("dependencies-drift").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("shop", &shop(&json!([{"name": "cache", "preset": "redis"}]))).await?;
    space.until_ready_is("shop", "True", "Ready").await?;
    edit(&space.api::<StatefulSet>(), "shop-cache", &json!({"spec": {"replicas": 0}})).await?;
    space
        .until("one pod is wanted again", async || {
            let stateful_set = space.api::<StatefulSet>().get("shop-cache").await.ok()?;
            (stateful_set.spec?.replicas == Some(1)).then_some(())
        })
        .await
}

pub async fn every_preset_is_taken_under_restricted_pod_security(world: Arc<World>) -> Result<()> {
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let space = world.space_with("presets", &restricted).await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    for name in PresetName::ALL {
        let server = format!("with-{}", &name.as_str()[..name.as_str().len().min(20)]);
        space.server(&server, &shop(&json!([{"name": "it", "preset": name}]))).await?;
    }
    for name in PresetName::ALL {
        let server = format!("with-{}", &name.as_str()[..name.as_str().len().min(20)]);
        space.until_ready_is(&server, "True", "Ready").await.with_context(|| name.to_string())?;
        ensure!(space.api::<Pod>().get_opt(&format!("{server}-it-0")).await?.is_some(), "{name} has its pod");
    }
    Ok(())
}

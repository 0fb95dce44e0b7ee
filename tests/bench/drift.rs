//! How soon what somebody did to a child is undone.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::field::Field;
use crate::load::name;
use crate::requests::is_child_write;
use crate::subject::Subject;
use crate::support::until;
use crate::wave::median;

/// Each thing is done to so many servers, one after the other.
const TIMES: usize = 5;

/// After this time nobody repairs it any more.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long somebody else's number of replicas has to stay.
const LEFT_ALONE: Duration = Duration::from_secs(3);

/// Who does it.
const SOMEBODY: &str = "bench-somebody";

/// Seconds until it was undone, by what was done.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Drift {
    pub median: BTreeMap<&'static str, f64>,
    pub worst: f64,
    /// Whether replicas that the spec does not name stayed as somebody else set them.
    pub replicas_left_alone: bool,
}

/// Does it all, to the first servers.
pub async fn repairs(field: &Field, subject: &Subject) -> Result<Drift> {
    let client = field.user(SOMEBODY).await?;
    let (deployments, services) = (namespaced::<Deployment>(&client), namespaced::<Service>(&client));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "other:1"}]}}}});
    let port = json!({"spec": {"ports": [{"name": "mcp", "port": 3001, "targetPort": 9}]}});
    let selector = json!({"spec": {"selector": {"app.kubernetes.io/instance": "other"}}});
    let mut drift = Drift::default();
    let mut note = |what, mut took: Vec<f64>| {
        drift.median.insert(what, median(&mut took));
        drift.worst = took.iter().copied().fold(drift.worst, f64::max);
    };
    note("Deployment deleted", deletions(field, subject, &deployments).await?);
    note("Service deleted", deletions(field, subject, &services).await?);
    note("image", edits(field, subject, &deployments, &image).await?);
    note("Service port", edits(field, subject, &services, &port).await?);
    note("Service selector", edits(field, subject, &services, &selector).await?);
    drift.replicas_left_alone = replicas_are_left_alone(subject, &deployments).await?;
    Ok(drift)
}

fn namespaced<K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>>(client: &Client) -> Api<K> {
    Api::namespaced(client.clone(), "bench")
}

async fn deletions<K>(field: &Field, subject: &Subject, api: &Api<K>) -> Result<Vec<f64>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut took = Vec::new();
    for number in 0..TIMES {
        let name = name(number);
        let delete = async {
            api.delete(&name, &DeleteParams::background()).await?;
            Ok(())
        };
        took.push(until_undone::<K>(field, subject, &name, delete).await?);
    }
    Ok(took)
}

async fn edits<K>(field: &Field, subject: &Subject, api: &Api<K>, change: &Value) -> Result<Vec<f64>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut took = Vec::new();
    for number in 0..TIMES {
        let name = name(number);
        let edit = async {
            api.patch(&name, &PatchParams::default(), &Patch::Strategic(change)).await?;
            Ok(())
        };
        took.push(until_undone::<K>(field, subject, &name, edit).await?);
    }
    Ok(took)
}

/// Seconds from when the API server has answered what somebody did until it has answered the repair,
/// which may even be before: watches show a change as soon as it is stored.
async fn until_undone<K: Resource<DynamicType = ()>>(
    field: &Field,
    subject: &Subject,
    name: &str,
    act: impl Future<Output = Result<()>>,
) -> Result<f64> {
    let somebody = crate::requests::Log::of(field.world.cluster.audit_log(), SOMEBODY);
    let (mark, plural) = (subject.log.mark()?, K::plural(&()));
    act.await?;
    let acted = somebody.since(mark)?.pop().context("the audit log lacks what was done")?;
    let repair = async || {
        let writes = subject.log.since(mark).ok()?;
        let mut writes = writes.into_iter().filter(is_child_write);
        writes.find(|it| it.object_ref.resource == *plural && it.object_ref.name == name && it.began() > acted.began())
    };
    let repaired = until(&format!("{plural} {name} is as before"), PATIENCE, repair).await?;
    // Not the next one while this is still under way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let took = (repaired.ended() - acted.ended()).total(k8s_openapi::jiff::Unit::Second)?;
    Ok(took.max(0.0))
}

async fn replicas_are_left_alone(subject: &Subject, deployments: &Api<Deployment>) -> Result<bool> {
    let (mark, name) = (subject.log.mark()?, name(0));
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments.patch_scale(&name, &PatchParams::default(), &scale).await?;
    tokio::time::sleep(LEFT_ALONE).await;
    let replicas = deployments.get(&name).await?.spec.and_then(|it| it.replicas);
    let writes = subject.log.since(mark)?.into_iter().filter(is_child_write).count();
    ensure!(replicas.is_some(), "a Deployment without replicas");
    Ok(replicas == Some(3) && writes == 0)
}

//! Objects go through states that the operator never sees.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use super::gate::View;
use super::lab::{Lab, lab};
use super::operator::Kind;
use super::plan::Plan;
use super::run::{Reference, Run};
use super::scenarios::{End, SERVER, Scenario, Step, plain, rich, scenario};
use crate::support::World;

/// How it comes that the operator does not see what happens.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The watches are held up, and then show each state late.
    Held,
    /// The watches are held up, and then say that the past is gone: only the last state is seen.
    Missed,
    /// It does not run.
    Down,
}

const WAYS: [Way; 3] = [Way::Held, Way::Missed, Way::Down];

/// A server that is up.
async fn begin(lab: &'static Lab, name: &str, way: Way, step: &Step) -> Result<Run> {
    let label = format!("missed-{name}-{}", format!("{way:?}").to_lowercase());
    let scenario = Scenario { volumes: &[], steps: Vec::new(), end: End::Same };
    let run = Run::begin(lab, &scenario, &label, Plan::default(), Kind::Thread).await?;
    run.take(step).await?;
    run.settle(step).await.map_err(|error| run.told(&error))?;
    Ok(run)
}

/// Makes a change that the operator does not see as it is made.
async fn unseen(
    run: &Run,
    way: Way,
    hidden: &'static [&'static str],
    change: impl Future<Output = Result<()>>,
) -> Result<()> {
    if let Way::Down = way {
        run.stop().await?;
        change.await?;
        return run.start().await;
    }
    run.gate.show(View::Without(hidden));
    change.await?;
    if let Way::Held = way {
        run.gate.show(View::Present);
    } else {
        run.gate.show_without_past();
    }
    Ok(())
}

/// A server is deleted and another of the same name made.
pub async fn a_server_is_made_again(world: &World) -> Result<()> {
    let lab = lab(world).await?;
    let reference = lab.reference("made-again").await?;
    let steps = scenario("made-again").steps;
    for way in WAYS {
        let run = begin(lab, "again", way, &steps[0]).await?;
        let judged = async {
            let change = async {
                run.take(&steps[1]).await?;
                run.take(&steps[2]).await
            };
            unseen(&run, way, &["mcpservers"], change).await?;
            run.judge(&reference).await
        };
        judged.await.map_err(|error| run.told(&error))?;
    }
    Ok(())
}

/// A spec is edited and edited back.
pub async fn a_spec_is_as_it_was(world: &World) -> Result<()> {
    let lab = lab(world).await?;
    let reference = lab.reference("create").await?;
    let steps = scenario("edit").steps;
    for way in WAYS {
        let run = begin(lab, "spec", way, &steps[0]).await?;
        let judged = async {
            let change = async {
                run.take(&steps[1]).await?;
                run.take(&steps[0]).await
            };
            unseen(&run, way, &["mcpservers"], change).await?;
            run.judge(&reference).await
        };
        judged.await.map_err(|error| run.told(&error))?;
    }
    Ok(())
}

/// A child is deleted and made again, as `kubectl replace --force` does.
pub async fn a_child_is_made_again(world: &World) -> Result<()> {
    let lab = lab(world).await?;
    let reference = lab.reference("create").await?;
    for way in WAYS {
        let run = begin(lab, "child", way, &Step::Spec(rich(), "Ready")).await?;
        let (services, maps) = (api::<Service>(&run), api::<ConfigMap>(&run));
        let judged = async {
            let change = async {
                let mut service = services.get(SERVER).await?;
                services.delete(SERVER, &DeleteParams::default()).await?;
                service.metadata.resource_version = None;
                service.metadata.uid = None;
                services.create(&PostParams::default(), &service).await?;
                let all = maps.list(&kube::api::ListParams::default()).await?;
                let ours =
                    all.into_iter().find(|it| !it.owner_references().is_empty()).context("a ConfigMap of ours")?;
                maps.delete(&ours.name_any(), &DeleteParams::default()).await?;
                Ok(())
            };
            unseen(&run, way, &[], change).await?;
            run.judge(&reference).await
        };
        judged.await.map_err(|error| run.told(&error))?;
    }
    Ok(())
}

/// A child is deleted, and somebody else makes something of the same name.
pub async fn a_child_becomes_somebody_elses(world: &World) -> Result<()> {
    let lab = lab(world).await?;
    let reference = lab.reference("smallest").await?;
    for way in WAYS {
        let run = begin(lab, "theirs", way, &Step::Spec(plain(&json!({})), "Ready")).await?;
        let judged = taken(&run, way, &reference);
        judged.await.map_err(|error| run.told(&error))?;
    }
    Ok(())
}

async fn taken(run: &Run, way: Way, reference: &Reference) -> Result<()> {
    let deployments = api::<Deployment>(run);
    let theirs = json!({"metadata": {"name": SERVER}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
    }});
    let change = async {
        deployments.delete(SERVER, &DeleteParams::default()).await?;
        deployments.create(&PostParams::default(), &serde_json::from_value(theirs)?).await?;
        Ok(())
    };
    unseen(run, way, &["deployments"], change).await?;
    let conflict = Step::Spec(Value::Null, "NameConflict");
    run.settle(&conflict).await?;
    let found = deployments.get(SERVER).await?;
    let managers = found.managed_fields().iter().filter_map(|it| it.manager.clone()).collect::<Vec<_>>();
    ensure!(found.labels().is_empty() && !managers.iter().any(|it| it.starts_with("landfall")), "{managers:?}");
    deployments.delete(SERVER, &DeleteParams::default()).await?;
    run.judge(reference).await
}

fn api<K>(run: &Run) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(run.lab.admin.clone(), &run.namespace)
}

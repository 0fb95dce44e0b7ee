//! The samples of real servers, as far as an API server can judge them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams, PostParams};
use landfall::api::MCPServer;
use landfall::build::build;
use landfall::children::{Child, Desired, Nothing, Step};
use landfall::reach::Reach;
use landfall::references::References;
use landfall::settings::Platform;
use landfall::validate::validate;
use serde_json::json;
use std::sync::Arc;

use crate::support::{Space, World, from_yaml};

pub async fn each_is_taken_with_all_its_children(world: Arc<World>) -> Result<()> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let space = world.space_with("samples", &labels).await?;
    let mut count = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config/samples/servers"))? {
        let file = file?.path();
        let text = std::fs::read_to_string(&file)?;
        Box::pin(is_taken(&space, &text)).await.with_context(|| format!("{}", file.display()))?;
        count += 1;
    }
    ensure!(count >= 19, "only {count} samples");
    // The level does hold here.
    let root = from_yaml("metadata: {name: pod}\nspec: {containers: [{name: server, image: echo}]}\n")?;
    let refused = create(&space, &root).await.err().context("anything is taken")?;
    ensure!(refused.to_string().contains("violates PodSecurity \"restricted"), "{refused}");
    Ok(())
}

async fn is_taken(space: &Space, text: &str) -> Result<()> {
    let sample: MCPServer = from_yaml(text)?;
    let mut server = space.api().create(&PostParams { dry_run: true, field_manager: None }, &sample).await?;
    server.metadata.uid = Some("00000000-0000-4000-8000-000000000000".into());
    let validated = validate(&server, &References::default(), &Platform::default())?;
    let children = build(&validated);
    let template = children.deployments.last().and_then(|it| it.spec.clone()).context("a spec")?.template;
    children.try_each(&mut DryRun(space)).await?;

    let mut pod = Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, status: None };
    pod.metadata.name = Some("pod".into());
    if let Some(spec) = &mut pod.spec {
        // The sample's own does not exist.
        spec.service_account_name = Some("default".into());
    }
    create(space, &pod).await.context("its pod")?;
    Ok(())
}

async fn create(space: &Space, pod: &Pod) -> Result<Pod, kube::Error> {
    space.api::<Pod>().create(&PostParams { dry_run: true, field_manager: None }, pod).await
}

struct DryRun<'a>(&'a Space);

impl Step<Desired, Nothing> for DryRun<'_> {
    type Error = anyhow::Error;

    async fn step<K: Child>(&mut self, children: Vec<K>) -> Result<()> {
        let params = PatchParams { dry_run: true, ..PatchParams::apply("tests") };
        let api = K::Scope::api::<K>(self.0.world.admin.clone(), Some(&self.0.name));
        for child in children {
            let name = child.meta().name.clone().unwrap_or_default();
            let taken = api.patch(&name, &params, &Patch::Apply(&child)).await;
            taken.with_context(|| format!("{} {name}", K::kind(&())))?;
        }
        Ok(())
    }
}

//! Servers that serve.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{World, condition, message};
use crate::{ECHO, ECHO_NEXT};

fn url(server: &MCPServer) -> Result<String> {
    server.status.as_ref().and_then(|it| it.url.clone()).context("the status has a URL")
}

pub async fn the_sample_answers_tool_calls_and_leaves_nothing_behind(world: Arc<World>) -> Result<()> {
    let space = world.space("sample").await?;
    let _operator = space.operator(&[]).await?;
    let sample: Value = serde_saphyr::from_str(include_str!("../../config/samples/echo.yaml"))?;
    space.server("echo", &sample["spec"]).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    let url = url(&server)?;
    ensure!(url == "http://echo.sample.svc.cluster.local:3001/mcp", "{url}");
    let answer = world.call(&url, "through the Service").await?;
    ensure!(answer.contains("through the Service") && answer.contains("add"), "{answer}");
    let pods = space.api::<Pod>().list(&ListParams::default()).await?;
    let containers: Vec<_> = pods.iter().flat_map(|pod| pod.spec.iter().flat_map(|it| &it.containers)).collect();
    ensure!(containers.len() == 1, "one pod with one container, and nothing in between: {containers:?}");

    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    space
        .until("nothing is left", async || {
            let all = ListParams::default();
            let pods = space.api::<Pod>().list(&all).await.ok()?.items.len();
            let deployments = space.api::<Deployment>().list(&all).await.ok()?.items.len();
            let services = space.api::<Service>().list(&all).await.ok()?.items.len();
            (pods + deployments + services == 0).then_some(())
        })
        .await
}

pub async fn a_new_image_takes_over_without_a_gap(world: Arc<World>) -> Result<()> {
    let space = world.space("rolling").await?;
    let _operator = space.operator(&[]).await?;
    let version = |image: &str, instance: &str| json!({"image": image, "port": 3001, "env": [{"name": "INSTANCE", "value": instance}]});
    space.server("echo", &version(ECHO, "the old one")).await?;
    let url = url(&space.until_ready_is("echo", "True", "Ready").await?)?;
    ensure!(world.call(&url, "x").await?.contains("the old one"));

    let done = AtomicBool::new(false);
    let calls = async {
        let mut count = 0;
        while !done.load(Ordering::Relaxed) {
            match world.call(&url, "x").await {
                Ok(_) => count += 1,
                // The session's pod was replaced between two requests: clients then begin a new one.
                Err(error) if error.to_string().contains("Session not found") => {}
                Err(error) => return Err(error.context(format!("call {count} while pods are replaced"))),
            }
        }
        Ok(count)
    };
    let replace = async {
        space.server("echo", &version(ECHO_NEXT, "the new one")).await?;
        let server = space.until_ready_is("echo", "True", "Ready").await;
        // As soon as it is Ready for this generation, no old pod may answer any more... but one that
        // is stopping still does, on purpose, for those who have not heard yet.
        done.store(true, Ordering::Relaxed);
        server
    };
    let (calls, server): (Result<i32>, _) = tokio::join!(calls, replace);
    ensure!(calls? > 0);
    ensure!(server?.metadata.generation == Some(2));
    space
        .until("the new one answers alone", async || {
            let pods = space.api::<Pod>().list(&ListParams::default()).await.ok()?;
            (pods.items.len() == 1).then_some(())
        })
        .await?;
    ensure!(world.call(&url, "x").await?.contains("the new one"));
    Ok(())
}

pub async fn an_image_that_cannot_be_pulled_leaves_the_old_pod_serving(world: Arc<World>) -> Result<()> {
    let space = world.space("unpullable").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    let url = url(&space.until_ready_is("echo", "True", "Ready").await?)?;
    world.call(&url, "x").await?;
    space.server("echo", &json!({"image": "localhost/landfall/no-such-image:1", "port": 3001})).await?;
    let server = space.until_ready_is("echo", "False", "ImagePullFailed").await?;
    ensure!(
        message(&server).contains("\"localhost/landfall/no-such-image:1\" cannot be pulled"),
        "{}",
        message(&server)
    );
    ensure!(condition(&server, "Available").is_some_and(|it| it.status == "True"), "{:?}", server.status);
    ensure!(world.call(&url, "still here").await?.contains("still here"));
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

pub async fn a_restricted_namespace_is_enough(world: Arc<World>) -> Result<()> {
    let space = world.space_with("pss", &json!({"pod-security.kubernetes.io/enforce": "restricted"})).await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    let url = url(&space.until_ready_is("echo", "True", "Ready").await?)?;
    ensure!(world.call(&url, "restricted").await?.contains("restricted"));
    Ok(())
}

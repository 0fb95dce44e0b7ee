//! Servers that do not serve, each for a reason of its own.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::ECHO;
use crate::support::{World, message};

/// Name, what differs from a good server, the reason, and words of the message.
fn faults() -> Vec<(&'static str, Value, &'static str, &'static [&'static str])> {
    let secret = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "token"}}});
    vec![
        (
            "no-image",
            json!({"image": "localhost/landfall/absent:1"}),
            "ImagePullFailed",
            &["\"localhost/landfall/absent:1\" cannot be pulled", "imagePullSecrets"],
        ),
        ("crash", json!({"args": ["--exit-after-start", "3"]}), "CrashLooping", &["exit code 3", "kubectl logs"]),
        ("stdio", json!({"args": ["--exit-after-start", "0"]}), "CrashLooping", &["streamable HTTP"]),
        ("loopback", json!({"args": ["--listen", "127.0.0.1"]}), "NotListening", &["0.0.0.0:3001", "127.0.0.1"]),
        ("wrong-port", json!({"args": ["--port", "4000"]}), "NotListening", &["0.0.0.0:3001", "spec.port"]),
        ("no-secret", json!({"env": [secret]}), "ContainerConfigError", &["secret \"absent\" not found"]),
        ("no-command", json!({"command": ["/no/such/file"]}), "ContainerConfigError", &["/no/such/file"]),
        ("no-node", json!({"nodeSelector": {"disk": "none"}}), "Unschedulable", &["nodeSelector"]),
        (
            "root",
            json!({"podSecurityContext": {"runAsUser": 0, "runAsNonRoot": true}}),
            "ContainerConfigError",
            &["root"],
        ),
    ]
}

pub async fn each_fault_of_a_server_has_its_reason_and_hint(world: Arc<World>) -> Result<()> {
    let space = world.space("faults").await?;
    let operator = space.operator(&[]).await?;
    for (name, change, _, _) in faults() {
        let mut spec = json!({"image": ECHO, "port": 3001});
        for (key, value) in change.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        space.server(name, &spec).await?;
    }
    space.server("good", &json!({"image": ECHO, "port": 3001})).await?;
    space.until_ready_is("good", "True", "Ready").await?;
    for (name, _, reason, words) in faults() {
        let server = space.until_ready_is(name, "False", reason).await?;
        let message = message(&server);
        ensure!(words.iter().all(|word| message.contains(word)), "{name}: {message}");
    }

    // While nothing changes, nothing is written, however often containers crash and pulls fail.
    let writes = || -> Result<Vec<String>> {
        Ok(operator.requests()?.iter().filter(|it| it.is_write()).map(ToString::to_string).collect())
    };
    let before = writes()?.len();
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let after = writes()?;
    ensure!(after.len() <= before + 1, "{:?}", &after[before..]);

    space.server("loopback", &json!({"image": ECHO, "port": 3001})).await?;
    space.until_ready_is("loopback", "True", "Ready").await?;
    Ok(())
}

pub async fn a_server_that_dies_is_not_ready_until_it_is_back(world: Arc<World>) -> Result<()> {
    let space = world.space("death").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    let before = space.until_ready_is("echo", "True", "Ready").await?;
    let pods = space.api::<Pod>().list(&ListParams::default()).await?;
    world.signal(&pods.items.first().map(ResourceExt::name_any).unwrap_or_default(), "KILL").await?;
    let since = |server: &landfall::api::MCPServer| {
        crate::support::condition(server, "Ready").map(|it| it.last_transition_time.clone())
    };
    space
        .until_server("echo", "Ready was lost and came back", |server| {
            crate::support::condition(server, "Ready").is_some_and(|it| it.status == "True")
                && since(server) != since(&before)
        })
        .await?;
    Ok(())
}

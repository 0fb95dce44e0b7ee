//! Steady state is silent.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::audit::Request;
use crate::support::pods::Kubelet;
use crate::support::{World, apply, from_yaml};

/// Servers in every state that lasts.
fn servers() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("plain", json!({"image": "echo:1", "port": 3001}), "Ready"),
        (
            "full",
            json!({
                "image": "echo:1", "imagePullPolicy": "Always", "imagePullSecrets": [{"name": "registry"}],
                "command": ["echo"], "args": ["--port", "3001"], "port": 3001, "path": "/mcp/",
                "env": [{"name": "A", "value": "1"}, {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
                "envFrom": [{"configMapRef": {"name": "settings"}}],
                "scratch": [{"path": "/dev/shm", "medium": "Memory", "sizeLimit": "0.5Gi"}],
                "replicas": 2,
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1}},
                "probes": {"readiness": {"httpGet": {"path": "/", "port": "mcp"}}, "liveness": {"disabled": true}},
                "securityContext": {"readOnlyRootFilesystem": true}, "podSecurityContext": {"runAsUser": 1000},
                "serviceAccount": {"name": "default"},
                "service": {"port": 80, "type": "NodePort", "extraPorts": [{"name": "metrics", "port": 9090}], "sessionAffinity": "ClientIP"},
                "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}},
                ]}},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
                "terminationGracePeriodSeconds": 60,
                "podLabels": {"team": "a"}, "podAnnotations": {"note": "x"},
                "podTemplate": {"spec": {
                    "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db"]}],
                    "volumes": [{"name": "own", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
                    "containers": [
                        {"name": "server", "volumeMounts": [{"name": "own", "mountPath": "/var/own"}]},
                        {"name": "sidecar", "image": "sidecar:1", "resources": {"limits": {"memory": "1000Ki"}}, "env": []},
                    ],
                }},
            }),
            "Ready",
        ),
        (
            "parts",
            json!({
                "image": "echo:1", "port": 3001, "sessions": "Stateless",
                "env": [{"name": "HOSTS", "value": "$(MCP_ALLOWED_HOSTS)"}],
                "files": [{"path": "/etc/a", "content": "$(MCP_PUBLIC_URL)"}, {"path": "/etc/b", "configMapKeyRef": {"name": "settings", "key": "a"}}],
                "storage": {"mountPath": "/data", "size": "1024Mi"},
                "volumes": [{"name": "work", "emptyDir": {"sizeLimit": "0.5Gi"}}],
                "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                "initContainers": [{"name": "first", "image": "first:1", "command": ["true"]}],
                "resources": {"requests": {"cpu": "100m"}},
                "autoscaling": {"maxReplicas": 1, "cpuPercent": 50, "metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "calls"}, "target": {"type": "AverageValue", "averageValue": "1000m"}}},
                ]},
                "disruptionBudget": {"maxUnavailable": "50%"},
                "networkPolicy": {
                    "ingress": [{"namespaceSelector": {}}],
                    "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}, {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
                },
                "serviceAccount": {
                    "annotations": {"cloud/role": "a"},
                    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
                },
            }),
            "Ready",
        ),
        ("zero", json!({"image": "echo:1", "port": 3001, "replicas": 0}), "ScaledToZero"),
        ("starting", json!({"image": "never:1", "port": 3001}), "Starting"),
        ("invalid", json!({"image": "echo:1", "port": 3001, "affinity": {"nonsense": 1}}), "InvalidSpec"),
        (
            "missing",
            json!({"image": "never:1", "port": 3001, "envFrom": [{"configMapRef": {"name": "absent"}}]}),
            "MissingReference",
        ),
    ]
}

pub async fn a_quiet_minute_and_a_silent_restart(world: Arc<World>) -> Result<()> {
    let space = world.space("quiet").await?;
    let (mut operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    apply(
        &space.api::<k8s_openapi::api::core::v1::ConfigMap>(),
        from_yaml("metadata: {name: settings}\ndata: {a: b}\n")?,
    )
    .await?;
    for (name, spec, _) in servers() {
        space.server(name, &spec).await?;
    }
    for (name, _, reason) in servers() {
        space.until_ready_is(name, if reason == "Ready" { "True" } else { "False" }, reason).await?;
    }
    // What the Deployments' own controllers do last, and what the operator says of it a little later.
    tokio::time::sleep(Duration::from_secs(8)).await;

    let before = operator.requests()?.len();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let in_quiet = operator.requests()?.split_off(before);
    ensure!(in_quiet.iter().any(Request::is_lease), "the operator was alive");
    let noise: Vec<_> =
        in_quiet.iter().filter(|it| it.verb != "watch" && !it.is_lease()).map(ToString::to_string).collect();
    ensure!(noise.is_empty(), "in a quiet minute: {noise:?}");

    let before = operator.requests()?.len();
    operator.restart().await?;
    // The Lease of the one that was killed has to run out first.
    let lists = async || operator.requests().ok()?.split_off(before).iter().any(|it| it.verb == "list").then_some(());
    space.until("the new process leads", lists).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after_restart = operator.requests()?.split_off(before);
    let writes: Vec<_> = after_restart.iter().filter(|it| it.is_write()).map(ToString::to_string).collect();
    ensure!(writes.is_empty(), "after a restart: {writes:?}");
    let mut lists = BTreeMap::<_, usize>::new();
    for it in after_restart.iter().filter(|it| it.verb == "list") {
        *lists.entry(it.object_ref.resource.clone()).or_default() += 1;
    }
    ensure!(lists.len() >= 6 && lists.values().all(|count| *count == 1), "one list for each kind: {lists:?}");
    let reads: Vec<_> = after_restart.iter().filter(|it| it.verb == "get" && !it.is_lease()).collect();
    ensure!(reads.len() <= 2, "only the API groups and our own schema are read, once each: {reads:?}");
    Ok(())
}

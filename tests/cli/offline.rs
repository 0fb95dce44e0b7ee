//! `landfall validate` and `landfall render`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write;

use crate::{call, rules};

const SMALLEST: &str = "\
apiVersion: landfall.dev/v1alpha1
kind: MCPServer
metadata: {name: echo, namespace: team}
spec:
  image: mcp/everything:1
  port: 3001
";

/// A server that refers to a Secret, and the Secret.
const WITH_SECRET: &str = "\
apiVersion: landfall.dev/v1alpha1
kind: MCPServer
metadata: {name: echo}
spec:
  image: mcp/everything:1
  port: 3001
  env:
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {tokn: hunter2}
";

#[test]
fn each_rule_that_the_api_server_tells_is_told_offline() -> Result<()> {
    let mut text = String::new();
    for (change, _) in rules::cases() {
        let metadata = json!({"name": "echo"});
        let server = json!({"apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "metadata": metadata, "spec": rules::spec(&change)});
        writeln!(text, "---\n{server}")?;
    }
    let called = call(&["validate", "-f", "-"], &text)?;
    ensure!(called.status == 1, "{}", called.messages);
    for (at, (change, expected)) in rules::cases().into_iter().enumerate() {
        let place = format!("standard input: document {} (MCPServer echo): ", at + 1);
        let told: Vec<_> = called.output.lines().filter_map(|it| it.strip_prefix(&place)).collect();
        ensure!(told.iter().any(|it| it.contains(expected)), "{change} is told with {told:?}, not with {expected:?}");
    }
    Ok(())
}

#[test]
fn a_name_that_no_service_can_have_is_told() -> Result<()> {
    for name in ["with.dot", "1st", &"a".repeat(64)] {
        let called = call(&["validate", "-f", "-"], &SMALLEST.replace("echo", name))?;
        ensure!(called.status == 1 && called.output.contains("becomes the name of a Service"), "{}", called.output);
    }
    Ok(())
}

#[test]
fn every_sample_is_valid() -> Result<()> {
    let mut arguments = vec!["validate".to_owned(), "--allow-cluster-rules".into()];
    for folder in ["config/samples", "config/samples/servers"] {
        for file in std::fs::read_dir(folder)? {
            let file = file?.path();
            if file.is_file() {
                arguments.extend(["-f".into(), file.display().to_string()]);
            }
        }
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let called = call(&arguments, "")?;
    ensure!(called.status == 0, "{}", called.output);
    ensure!(called.output.lines().filter(|it| it.ends_with(": valid")).count() >= 22, "{}", called.output);
    Ok(())
}

#[test]
fn what_only_the_operator_refuses_is_told_with_its_settings() -> Result<()> {
    let rights = "  serviceAccount: {clusterRules: [{apiGroups: [''], resources: [nodes], verbs: [get]}]}\n";
    let text = format!("{SMALLEST}{rights}");
    let refused = call(&["validate", "-f", "-"], &text)?;
    ensure!(refused.status == 1 && refused.output.contains("spec.serviceAccount.clusterRules"), "{}", refused.output);
    let allowed = call(&["validate", "-f", "-", "--allow-cluster-rules"], &text)?;
    ensure!(allowed.status == 0, "{}", allowed.output);
    Ok(())
}

#[test]
fn other_kinds_are_skipped_and_their_keys_known() -> Result<()> {
    let called = call(&["validate", "-f", "-"], WITH_SECRET)?;
    ensure!(called.status == 1);
    ensure!(called.output.contains("document 2 (Secret keys): skipped"), "{}", called.output);
    ensure!(
        called.output.contains("spec.env[TOKEN]: Secret \"keys\" has no key \"token\"; it has tokn"),
        "{}",
        called.output
    );
    let called = call(&["validate", "-q", "-f", "-"], &WITH_SECRET.replace("tokn", "token"))?;
    ensure!(called.status == 0 && called.output.is_empty(), "{}", called.output);
    ensure!(!called.messages.contains("hunter2"));
    Ok(())
}

#[test]
fn what_cannot_be_read_has_a_status_of_its_own() -> Result<()> {
    for (text, expected) in
        [("{", "standard input: "), ("", "there is no MCPServer"), ("kind: Pod\n", "there is no MCPServer")]
    {
        let called = call(&["validate", "-f", "-"], text)?;
        ensure!(called.status == 2 && called.messages.contains(expected), "{text:?}: {}", called.messages);
    }
    let called = call(&["validate", "-f", "/nowhere.yaml"], "")?;
    ensure!(called.status == 2 && called.messages.contains("cannot read /nowhere.yaml"), "{}", called.messages);
    Ok(())
}

#[test]
fn a_server_is_rendered_with_all_its_children() -> Result<()> {
    let called = call(&["render", "-f", "config/samples/dot-ai.yaml", "-n", "dot-ai", "--allow-cluster-rules"], "")?;
    ensure!(called.status == 0, "{}", called.messages);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&called.output)?;
    let names: Vec<_> =
        objects.iter().map(|it| format!("{} {}", it["kind"], it["metadata"]["name"]).replace('"', "")).collect();
    ensure!(
        names
            == [
                "ServiceAccount dot-ai-mcp",
                "ClusterRole landfall:dot-ai:dot-ai-mcp",
                "ClusterRoleBinding landfall:dot-ai:dot-ai-mcp",
                "PersistentVolumeClaim dot-ai-mcp-qdrant-storage",
                "NetworkPolicy dot-ai-mcp-qdrant",
                "Service dot-ai-mcp",
                "Service dot-ai-mcp-qdrant",
                "Service dot-ai-mcp-qdrant-headless",
                "StatefulSet dot-ai-mcp-qdrant",
                "Deployment dot-ai-mcp",
                "Ingress dot-ai-mcp",
            ],
        "{names:?}"
    );
    // They would be collected at once by a cluster that does not know their owner.
    ensure!(objects.iter().all(|it| it["metadata"]["ownerReferences"].is_null()));
    ensure!(
        call(&["render", "-f", "config/samples/dot-ai.yaml", "-n", "dot-ai", "--allow-cluster-rules"], "")?.output
            == called.output
    );
    let gateway = call(&["render", "-f", "config/samples/dot-ai-2.yaml", "--allow-cluster-rules"], "")?;
    ensure!(
        gateway.output.contains("kind: HTTPRoute"),
        "a cluster is taken to have the Gateway API: {}",
        gateway.output
    );
    Ok(())
}

#[test]
fn the_settings_of_the_operator_count() -> Result<()> {
    let defaults = "{priorityClassName: team}";
    let arguments = ["render", "-f", "-", "--registry-mirror", "mirror.example", "--server-defaults", defaults];
    let called = call(&arguments, SMALLEST)?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&called.output)?;
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").context("a Deployment")?;
    let pod = &deployment["spec"]["template"]["spec"];
    ensure!(pod["containers"][0]["image"] == "mirror.example/mcp/everything:1", "{pod}");
    ensure!(pod["priorityClassName"] == "team" && deployment["metadata"]["namespace"] == "team", "{pod}");
    Ok(())
}

#[test]
fn nothing_is_rendered_of_what_is_invalid() -> Result<()> {
    let text = format!("{SMALLEST}---\n{}", SMALLEST.replace("3001", "0"));
    let called = call(&["render", "-f", "-"], &text)?;
    ensure!(called.status == 1 && called.output.is_empty());
    ensure!(
        called.messages.contains("document 2 (MCPServer echo): spec.port: should be greater"),
        "{}",
        called.messages
    );
    Ok(())
}

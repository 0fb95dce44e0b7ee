//! The samples say what real servers need: each can be read, is valid, and is built.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::json;
use std::fs;
use std::path::Path;

use super::build;
use crate::api::MCPServer;
use crate::references::{Front, GatewayApi, References, Running};
use crate::settings::Platform;
use crate::validate::validate;

#[test]
fn every_sample_is_valid_and_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/samples");
    let files = [folder.join("servers"), folder].map(|it| fs::read_dir(it).expect("the samples"));
    let files = files.into_iter().flatten().map(|it| it.expect("a file").path());
    let files: Vec<_> = files.filter(|it| it.is_file()).collect();
    assert!(files.len() >= 23, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let mut server: MCPServer = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let (name, stem) = (server.metadata.name.as_deref(), file.file_stem().and_then(|it| it.to_str()));
        assert!(name.zip(stem).is_some_and(|(name, stem)| name.starts_with(stem)), "{file:?} is called {name:?}");
        server.metadata.namespace = Some("team".into());
        server.metadata.uid = Some("6c1b".into());
        let validated = validate(&server, &References::default(), &platform())
            .unwrap_or_else(|problems| panic!("{file:?}: {problems}"));
        let children = build(&validated);
        // A server with a database starts after it.
        assert_eq!(children.deployments.len() + children.stateful_sets.len(), 1, "{file:?}");
        let template = server.spec.pod_template;
        assert_eq!(template, None, "{file:?}: the spec has a field for all that a real server needs");
    }
}

/// Of a cluster whose administrator allows what the samples ask for.
fn platform() -> Platform {
    Platform { allow_cluster_rules: true, ..Platform::default() }
}

/// What the Helm chart of dot-ai 0.85 makes.
#[test]
fn dot_ai_is_what_its_chart_makes() {
    let text = include_str!("../../config/samples/dot-ai.yaml");
    let mut server: MCPServer = serde_saphyr::from_str(text).expect("readable");
    server.metadata.namespace = Some("dot-ai".into());
    server.metadata.uid = Some("6c1b".into());
    let running = Running { hash: None, is_ready: true };
    let references = References::default().with_workloads([("dot-ai-mcp-qdrant".to_owned(), running)].into());
    let children = build(&validate(&server, &references, &platform()).expect("valid"));

    let ports = |service: &Service| {
        let ports = service.spec.iter().flat_map(|it| it.ports.iter().flatten()).map(|it| it.port);
        (service.name_any(), ports.collect::<Vec<_>>())
    };
    assert_eq!(
        children.services.iter().map(ports).collect::<Vec<_>>(),
        [
            ("dot-ai-mcp".to_owned(), vec![3456]),
            ("dot-ai-mcp-qdrant".to_owned(), vec![6333, 6334, 6335]),
            ("dot-ai-mcp-qdrant-headless".to_owned(), vec![6333, 6334, 6335]),
        ]
    );
    assert_eq!((children.cluster_roles.len(), children.cluster_role_bindings.len()), (1, 1));
    assert_eq!(children.service_accounts[0].name_any(), "dot-ai-mcp");

    let ingress = serde_json::to_value(&children.ingresses[0]).expect("JSON");
    assert_eq!(
        (&ingress["metadata"]["name"], &ingress["spec"]["ingressClassName"]),
        (&json!("dot-ai-mcp"), &json!("nginx"))
    );
    assert_eq!(ingress["spec"]["rules"][0]["host"], "dot-ai.127.0.0.1.nip.io");
    assert_eq!(ingress["spec"]["rules"][0]["http"]["paths"][0]["path"], "/");

    let deployment = serde_json::to_value(children.deployments.last()).expect("JSON");
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
    assert_eq!((deployment["metadata"]["name"].as_str(), containers.len()), (Some("dot-ai-mcp"), 1));
    let variable = |name: &str| {
        let found = containers[0]["env"].as_array().into_iter().flatten().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!(variable("QDRANT_URL")["value"], "http://dot-ai-mcp-qdrant:6333");
    let key = |name: &str| variable(name)["valueFrom"]["secretKeyRef"].clone();
    assert_eq!(key("ANTHROPIC_API_KEY"), json!({"name": "dot-ai-secrets", "key": "anthropic-api-key"}));
    assert_eq!(key("OPENAI_API_KEY"), json!({"name": "dot-ai-secrets", "key": "openai-api-key", "optional": true}));

    let qdrant = serde_json::to_value(&children.stateful_sets[0]).expect("JSON");
    assert_eq!(qdrant["metadata"]["name"], "dot-ai-mcp-qdrant");
    assert_eq!(qdrant["spec"]["serviceName"], "dot-ai-mcp-qdrant-headless");
    let pod = &qdrant["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "qdrant/qdrant:v1.15.4");
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts").iter();
    let mounts: Vec<_> = mounts.filter_map(|it| it["mountPath"].as_str()).collect();
    assert_eq!(mounts, ["/tmp", "/qdrant/snapshots", "/qdrant/init", "/qdrant/storage"]);
    let ids = ["runAsUser", "runAsGroup", "fsGroup"].map(|id| pod["securityContext"][id].as_i64());
    assert_eq!(ids, [Some(1000), Some(2000), Some(3000)]);
    let claim = serde_json::to_value(&children.persistent_volume_claims[0]).expect("JSON");
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "10Gi");
}

/// What the chart of dot-ai 2 makes with a plugin and a Gateway.
#[test]
fn dot_ai_2_has_its_plugin_and_a_route() {
    let text = include_str!("../../config/samples/dot-ai-2.yaml");
    let mut server: MCPServer = serde_saphyr::from_str(text).expect("readable");
    server.metadata.namespace = Some("dot-ai".into());
    server.metadata.uid = Some("6c1b".into());
    let ready = |name: &str| (name.to_owned(), Running { hash: None, is_ready: true });
    let front = Front { gateway_api: GatewayApi::Served, ..Front::default() };
    let references = References::default()
        .with_workloads([ready("dot-ai-2-qdrant"), ready("dot-ai-2-agentic-tools")].into())
        .with_front(front);
    let children = build(&validate(&server, &references, &platform()).expect("valid"));

    let deployments: Vec<_> = children.deployments.iter().map(|it| serde_json::to_value(it).expect("JSON")).collect();
    let named = |name: &str| deployments.iter().find(|it| it["metadata"]["name"] == name).expect("a Deployment");
    let pod = |name: &str| &named(name)["spec"]["template"]["spec"];
    assert_eq!(pod("dot-ai-2-agentic-tools")["serviceAccountName"], pod("dot-ai-2")["serviceAccountName"]);
    let variables = pod("dot-ai-2-agentic-tools")["containers"][0]["env"].as_array().expect("variables");
    assert!(
        variables.contains(&json!({"name": "QDRANT_URL", "value": "http://dot-ai-2-qdrant:6333"})),
        "{variables:?}"
    );
    let server = &pod("dot-ai-2")["containers"][0];
    assert_eq!(server["readinessProbe"]["httpGet"]["path"], "/healthz");
    let variables = server["env"].as_array().expect("variables");
    let external = json!({"name": "DOT_AI_EXTERNAL_URL", "value": "https://$(MCP_PUBLIC_HOST)"});
    assert!(variables.contains(&external), "{variables:?}");
    let mounts = server["volumeMounts"].as_array().expect("mounts");
    assert!(mounts.iter().any(|it| it["mountPath"] == "/etc/dot-ai/plugins.json"), "{mounts:?}");
    let files = children.config_maps[0].data.clone().unwrap_or_default();
    let plugins = r#"[{"name": "agentic-tools", "url": "http://dot-ai-2-agentic-tools:8080"}]"#;
    assert!(files.values().any(|it| it == plugins), "{files:?}");

    let route = serde_json::to_value(&children.http_routes[0].spec).expect("JSON");
    assert_eq!(route["hostnames"], json!(["dot-ai.example.com"]));
    assert_eq!(route["rules"][0]["timeouts"], json!({"request": "3600s", "backendRequest": "3600s"}));
    assert_eq!(route["rules"][0]["backendRefs"][0]["name"], "dot-ai-2");
}

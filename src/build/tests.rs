use super::build;
use crate::children::{Child, Children, Desired, Live, Settled};
use crate::gateway_api::HTTPRoute;
use crate::references::{Front, GatewayApi, References, Running};
use crate::settings::Platform;
use crate::testing::{nothing_live, server, smallest, smallest_with, validated};
use crate::validate::validate;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::sync::Arc;

fn children(spec: &Value) -> Children<Desired> {
    build(&validated(spec).expect("the fixture is valid"))
}

fn yaml<K: Child>(children: &Children<Desired>) -> String {
    serde_saphyr::to_string(K::of(children)).expect("children can be written")
}

/// Every field that the spec has.
fn full() -> Value {
    json!({
        "image": "ghcr.io/org/server:1.2.3",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "command": ["node", "dist/index.js"],
        "args": ["--transport", "streamable-http"],
        "port": 8080,
        "path": "/mcp/",
        "env": [
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
            {"name": "URL", "value": "http://db:1/$(TOKEN)"},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "files": [
            {"path": "/etc/server/config.toml", "content": "url = \"$(MCP_PUBLIC_URL)\"\n"},
            {"path": "/etc/server/ca.crt", "configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
            {"path": "/etc/server/tools.yaml", "secretKeyRef": {"name": "tools", "key": "tools.yaml", "optional": true}},
        ],
        "storage": {"mountPath": "/data", "size": "1Gi", "storageClassName": "fast", "accessModes": ["ReadWriteMany"]},
        "disruptionBudget": {"minAvailable": "50%"},
        "networkPolicy": {
            "ingress": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}],
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
        },
        "expose": {
            "host": "full.example.com",
            "ingress": {
                "className": "public",
                "annotations": {"example.com/own": "x"},
                "tls": {"secretName": "cert", "issuer": "corp"},
            },
            "paths": ["/mcp", "/.well-known"],
        },
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
        "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": true}],
        "initContainers": [{"name": "migrate", "image": "migrate:1", "volumeMounts": [{"name": "storage", "mountPath": "/data"}]}],
        "scratch": [{"path": "/tmp", "sizeLimit": "64Mi"}, {"path": "/dev/shm", "medium": "Memory"}],
        "replicas": 2,
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "128Mi"}},
        "probes": {
            "readiness": {"httpGet": {"path": "/healthz", "port": "mcp"}},
            "liveness": {"disabled": true},
        },
        "securityContext": {"readOnlyRootFilesystem": true},
        "podSecurityContext": {"runAsUser": 1000},
        "serviceAccount": {"name": "existing", "automountToken": true,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            "bind": [{"kind": "ClusterRole", "name": "view"}]},
        "service": {
            "port": 80,
            "type": "LoadBalancer",
            "annotations": {"cloud/kind": "internal"},
            "extraPorts": [{"name": "metrics", "port": 9090}, {"name": "again", "port": 81, "targetPort": 8080}],
            "sessionAffinity": "ClientIP",
        },
        "runtimeClassName": "gvisor",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}},
        ]}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
        "priorityClassName": "high",
        "terminationGracePeriodSeconds": 5,
        "podLabels": {"team": "a"},
        "podAnnotations": {"note": "x"},
    })
}

#[test]
fn the_smallest_server() {
    let children = children(&smallest());
    insta::assert_snapshot!("smallest_deployment", yaml::<Deployment>(&children));
    insta::assert_snapshot!("smallest_service", yaml::<Service>(&children));
    insta::assert_snapshot!("smallest_service_account", yaml::<ServiceAccount>(&children));
}

#[test]
fn a_server_with_every_field() {
    let children = children(&full());
    insta::assert_snapshot!("full_deployment", yaml::<Deployment>(&children));
    insta::assert_snapshot!("full_service", yaml::<Service>(&children));
    insta::assert_snapshot!("full_role", yaml::<Role>(&children));
    insta::assert_snapshot!("full_role_bindings", yaml::<RoleBinding>(&children));
    insta::assert_snapshot!("full_network_policy", yaml::<NetworkPolicy>(&children));
    insta::assert_snapshot!("full_ingress", yaml::<Ingress>(&children));
    insta::assert_snapshot!("full_pod_disruption_budget", yaml::<PodDisruptionBudget>(&children));
    insta::assert_snapshot!("full_config_map", yaml::<ConfigMap>(&children));
    insta::assert_snapshot!("full_persistent_volume_claim", yaml::<PersistentVolumeClaim>(&children));
    assert!(children.service_accounts.is_empty(), "an existing ServiceAccount is not ours to make");
}

#[test]
fn a_pod_template_adds_and_replaces_but_cannot_break_the_selector() {
    let children = children(&smallest_with(&json!({"podTemplate": {
        "metadata": {"labels": {"app.kubernetes.io/instance": "hijacked", "own": "kept"}, "annotations": {"a": "b"}},
        "spec": {
            "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["db"]}],
            "containers": [
                {"name": "server", "env": [{"name": "EXTRA", "value": "1"}], "imagePullPolicy": "Never"},
                {"name": "sidecar", "image": "sidecar:1"},
            ],
        },
    }})));
    let deployment = children.deployments[0].spec.as_ref().expect("a spec");
    let metadata = deployment.template.metadata.as_ref().expect("metadata");
    let labels = metadata.labels.as_ref().expect("labels");
    let selector = deployment.selector.match_labels.as_ref().expect("a selector");
    assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{labels:?}");
    assert_eq!(labels["own"], "kept");
    let pod = deployment.template.spec.as_ref().expect("a pod");
    let names: Vec<_> = pod.containers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["server", "sidecar"]);
    assert_eq!(pod.containers[0].image.as_deref(), Some("mcp/everything:1"));
    assert_eq!(pod.containers[0].image_pull_policy.as_deref(), Some("Never"));
    assert!(pod.host_aliases.is_some());
}

#[test]
fn the_service_leads_to_the_pods_and_every_child_is_owned() {
    for spec in [smallest(), full()] {
        let children = children(&spec);
        let deployment = children.deployments[0].spec.as_ref().expect("a spec");
        let labels = deployment.template.metadata.as_ref().and_then(|it| it.labels.clone()).expect("labels");
        let service = children.services[0].spec.as_ref().expect("a spec");
        let selector = service.selector.as_ref().expect("a selector");
        assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)));
        let metadata = [&children.deployments[0].metadata, &children.services[0].metadata];
        for it in metadata.into_iter().chain(children.service_accounts.iter().map(|it| &it.metadata)) {
            let owner = &it.owner_references.as_ref().expect("owned")[0];
            assert_eq!((owner.kind.as_str(), owner.uid.as_str(), owner.controller), ("MCPServer", "6c1b", Some(true)));
            assert_eq!(it.labels.as_ref().expect("labels")["app.kubernetes.io/managed-by"], "landfall");
        }
    }
}

fn claim(storage: &Value) -> PersistentVolumeClaim {
    let mut spec = json!({"mountPath": "/data", "size": "1Gi"});
    for (key, value) in storage.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    children(&smallest_with(&json!({"storage": spec}))).persistent_volume_claims.remove(0)
}

#[test]
fn storage_has_an_owner_only_where_it_shall_go_with_it() {
    assert_eq!(claim(&json!({})).metadata.owner_references, None);
    assert_eq!(claim(&json!({"retain": true})).metadata.owner_references, None);
    assert!(claim(&json!({"retain": false})).metadata.owner_references.is_some());
}

#[test]
fn storage_grows_and_changes_in_no_other_way() {
    let mut live = claim(&json!({"size": "2Gi", "storageClassName": "fast"}));
    let unbound = claim(&json!({"size": "3Gi", "storageClassName": "fast"})).settle(&live).expect_err("refused");
    assert!(unbound.starts_with("spec.storage.size: it has no volume yet, and cannot grow before: "), "{unbound}");
    live.status.get_or_insert_default().phase = Some("Bound".into());
    let settle = |storage: &Value| {
        let mut claim = claim(storage);
        claim.settle(&live).map(|settled| (settled, claim.spec.and_then(|it| it.storage_class_name)))
    };
    let fast = Some("fast".to_owned());
    for size in ["2Gi", "2048Mi", "3Gi"] {
        let same = json!({"size": size, "storageClassName": "fast"});
        assert_eq!(settle(&same), Ok((Settled::AsItWas, fast.clone())));
    }
    assert_eq!(settle(&json!({"size": "2Gi"})), Ok((Settled::TakenOver, fast)), "the class that it has is the default");
    let refused = [
        (
            json!({"size": "1Gi"}),
            "spec.storage.size: 1Gi is less than the 2Gi that it has, and storage cannot shrink: ",
        ),
        (
            json!({"size": "2Gi", "storageClassName": "slow"}),
            "spec.storage.storageClassName: it was made with \"fast\" and cannot become \"slow\": ",
        ),
        (
            json!({"size": "2Gi", "accessModes": ["ReadWriteMany"]}),
            "spec.storage.accessModes: it was made with \"ReadWriteOnce\" and cannot become \"ReadWriteMany\": ",
        ),
    ];
    for (storage, expected) in refused {
        let found = settle(&storage).expect_err("refused");
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn ceasing_to_name_the_replicas_leaves_their_number() {
    let deployment = |spec: &Value| children(spec).deployments.remove(0);
    let settle = |replicas: i32| {
        let mut wanted = deployment(&smallest());
        let live = deployment(&smallest_with(&json!({"replicas": replicas})));
        let settled = wanted.settle(&live).expect("fine");
        (settled, wanted.spec.and_then(|it| it.replicas))
    };
    assert_eq!(settle(3), (Settled::TakenOver, Some(3)));
    assert_eq!(settle(0), (Settled::TakenOver, Some(0)));
    assert_eq!(settle(1), (Settled::AsItWas, None));
}

#[test]
fn an_autoscaler_sets_the_replicas_alone() {
    let spec = smallest_with(&json!({
        "replicas": 2,
        "autoscaling": {"maxReplicas": 5, "memoryPercent": 70, "metrics": [
            {"type": "Pods", "pods": {"metric": {"name": "calls"}, "target": {"type": "AverageValue", "averageValue": "100"}}},
        ]},
        "resources": {"requests": {"memory": "64Mi"}},
    }));
    let children = children(&spec);
    insta::assert_snapshot!("autoscaler", yaml::<HorizontalPodAutoscaler>(&children));
    assert_eq!(children.deployments[0].spec.as_ref().and_then(|it| it.replicas), None);
}

#[test]
fn a_gateway_gets_a_route_and_no_ingress() {
    let spec = smallest_with(&json!({"expose": {
        "host": "echo.example.com",
        "gateway": {
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
            "filters": [{"type": "ExtensionRef", "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "auth"}}],
        },
    }}));
    let front = Front { gateway_api: GatewayApi::Served, ..Front::default() };
    let references = References::default().with_front(front);
    let children = build(&validate(&server(&spec), &references, &Platform::default()).expect("valid"));
    insta::assert_snapshot!("http_route", yaml::<HTTPRoute>(&children));
    assert!(children.ingresses.is_empty());
}

#[test]
fn nothing_is_made_where_it_may_not_be() {
    let spec = smallest_with(
        &json!({"expose": {"host": "echo.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}}),
    );
    assert!(children(&spec).http_routes.is_empty(), "the cluster has no such kind");
}

#[test]
fn a_closed_direction_has_no_rule_and_an_open_one_no_policy() {
    let policy = |rules: Value| {
        let children = children(&smallest_with(&json!({"networkPolicy": rules})));
        children.network_policies.first().and_then(|it| it.spec.clone())
    };
    assert_eq!(policy(json!({})), None);
    let closed = policy(json!({"ingress": []})).expect("a policy");
    assert_eq!((closed.policy_types, closed.ingress), (Some(vec!["Ingress".to_owned()]), None));
    let silent = policy(json!({"egress": []})).expect("a policy");
    assert_eq!((silent.policy_types, silent.egress), (Some(vec!["Egress".to_owned()]), None));
}

/// A server with a database that has a password, and a plugin that uses it and the server's identity.
fn with_dependencies() -> Value {
    smallest_with(&json!({
        "serviceAccount": {"automountToken": true},
        "dependencies": [
            {"name": "db", "preset": "postgres", "version": "17.2", "storage": {"size": "5Gi", "storageClassName": "fast"}},
            {"name": "plugin", "image": "plugin:1", "ports": [{"name": "http", "port": 8080}], "dependsOn": ["db"],
             "serviceAccount": "server", "env": [{"name": "URL", "value": "$(DB_URL)"}]},
        ],
    }))
}

/// What is built when everything that is waited for runs.
fn children_of_running(spec: &Value) -> Children<Desired> {
    let server = crate::testing::server(spec);
    let running = Running { hash: None, is_ready: true };
    let names = ["echo", "echo-db", "echo-plugin"].map(|name| (name.to_owned(), running.clone()));
    let references = References::default().with_workloads(names.into());
    build(&validate(&server, &references, &Platform::default()).expect("valid"))
}

#[test]
fn a_server_with_dependencies() {
    let children = children_of_running(&with_dependencies());
    insta::assert_snapshot!("dependencies_stateful_set", yaml::<StatefulSet>(&children));
    insta::assert_snapshot!("dependencies_deployments", yaml::<Deployment>(&children));
    insta::assert_snapshot!("dependencies_services", yaml::<Service>(&children));
    insta::assert_snapshot!("dependencies_secret", yaml::<Secret>(&children));
    insta::assert_snapshot!("dependencies_network_policies", yaml::<NetworkPolicy>(&children));
    insta::assert_snapshot!("dependencies_claim", yaml::<PersistentVolumeClaim>(&children));
}

#[test]
fn nothing_starts_before_what_it_depends_on() {
    let children = children(&with_dependencies());
    assert_eq!((children.stateful_sets.len(), children.deployments.len(), children.services.len()), (1, 0, 4));
}

#[test]
fn a_password_is_made_once_for_each_claim() {
    let mut desired = children_of_running(&with_dependencies());
    let claim = |uid: &str, made: &str| {
        let mut claim = children_of_running(&with_dependencies()).persistent_volume_claims.remove(0);
        claim.metadata.uid = Some(uid.into());
        claim.metadata.creation_timestamp = Some(Time(made.parse().expect("a time")));
        Arc::new(claim)
    };
    let begin = |live: &Children<Live>| children_of_running(&with_dependencies()).secrets.remove(0).begin(live);
    let mut live = nothing_live();
    assert_eq!(begin(&live), None, "the claim is not there yet");
    live.persistent_volume_claims = vec![claim("c1", "2026-01-01T00:00:00Z")];
    let secret = begin(&live).expect("made");
    let owner = &secret.metadata.owner_references.as_ref().expect("owned")[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
        ("PersistentVolumeClaim", "echo-db-storage", "c1")
    );
    assert_eq!(secret.data.expect("data").keys().collect::<Vec<_>>(), ["database", "password", "username"]);
    let mut stateful_set = desired.stateful_sets.remove(0);
    stateful_set.metadata.creation_timestamp = Some(Time("2026-01-01T00:00:00Z".parse().expect("a time")));
    live.stateful_sets = vec![Arc::new(stateful_set)];
    assert_eq!(begin(&live), None, "what runs has read it");
    live.persistent_volume_claims = vec![claim("c2", "2026-01-02T00:00:00Z")];
    assert!(begin(&live).is_some(), "the claim was made anew, and its Secret went with the one before");
}

#[test]
fn data_is_not_given_to_a_version_that_cannot_read_it() {
    let claim = |dependency: &Value| {
        children(&smallest_with(&json!({"dependencies": [dependency]}))).persistent_volume_claims.remove(0)
    };
    let mut after = claim(&json!({"name": "db", "preset": "postgres", "version": "17"}));
    let before = claim(&json!({"name": "db", "preset": "postgres", "version": "16"}));
    let refused = after.settle(&before).expect_err("refused");
    assert!(
        refused.starts_with("spec.dependencies[db].storage: the claim \"echo-db-storage\" was written by postgres 16"),
        "{refused}"
    );
    let mut smaller = claim(&json!({"name": "db", "preset": "postgres", "version": "16", "storage": {"size": "1Gi"}}));
    let refused = smaller.settle(&before).expect_err("refused");
    assert!(refused.starts_with("spec.dependencies[db].storage.size: 1Gi is less than the 10Gi"), "{refused}");
}

#[test]
fn rights_in_the_whole_cluster_are_known_by_their_names() {
    let spec = smallest_with(&json!({"serviceAccount": {
        "clusterRules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}],
        "bind": [
            {"kind": "ClusterRole", "name": "view", "clusterWide": true},
            {"kind": "ClusterRole", "name": "edit"},
        ],
    }}));
    let platform = Platform { allow_cluster_rules: true, ..Platform::default() };
    let children = build(&validate(&server(&spec), &References::default(), &platform).expect("valid"));
    insta::assert_snapshot!("cluster_roles", yaml::<ClusterRole>(&children));
    insta::assert_snapshot!("cluster_role_bindings", yaml::<ClusterRoleBinding>(&children));
    assert_eq!(children.role_bindings.len(), 1, "bound in one namespace, and not in all");
}

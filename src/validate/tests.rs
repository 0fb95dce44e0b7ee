use super::*;
use crate::references::Found;
use crate::testing::{server, smallest, smallest_with, validated};
use serde_json::{Value, json};

fn problems(more: &Value) -> String {
    validated(&smallest_with(more)).expect_err("the spec is invalid").to_string()
}

#[test]
fn the_smallest_spec_is_valid_and_has_every_default() {
    let server = validated(&smallest()).expect("valid");
    assert_eq!(server.cluster_url, "http://echo.team.svc.cluster.local:3001/mcp");
    assert_eq!(server.service.port, 3001);
    assert_eq!(server.identity, Identity::Own);
    assert_eq!(server.replicas, None, "whoever scales the Deployment owns the number");
    assert_eq!(server.pod_security_context.run_as_user, Some(65532));
    assert_eq!(server.scratch.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["/tmp"]);
    assert!(!server.automount_token);
}

#[test]
fn each_broken_rule_names_its_field_and_what_would_work() {
    let cases = [
        (
            json!({"env": [{"name": "A=B"}]}),
            "spec.env[0].name: \"A=B\" is no variable name: use printable ASCII without '='",
        ),
        (json!({"env": [{"name": "A"}, {"name": "A"}]}), "spec.env[1].name: \"A\" is set twice: keep one"),
        (
            json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}),
            "spec.env[0]: has both value and valueFrom: keep one",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {}}]}),
            "spec.env[0].valueFrom: has 0 sources: give one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef",
        ),
        (json!({"envFrom": [{}]}), "spec.envFrom[0]: has 0 sources: give one of secretRef and configMapRef"),
        (
            json!({"resources": {"requests": {"memory": "1 Gi"}}}),
            "spec.resources.requests.memory: \"1 Gi\" is no quantity: write 500m, 0.5, 128Mi or 1Gi",
        ),
        (
            json!({"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}),
            "spec.resources.requests.cpu: 2 is more than the limit 1500m: lower it or raise the limit",
        ),
        (
            json!({"podLabels": {"app.kubernetes.io/instance": "other"}}),
            "spec.podLabels[app.kubernetes.io/instance]: is set by Landfall, which selects the pods by it: remove it, or use a key of your own",
        ),
        (
            json!({"podLabels": {"team": "no spaces"}}),
            "spec.podLabels[team]: \"no spaces\" is no label value: use at most 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit",
        ),
        (
            json!({"podAnnotations": {"a//b": "x"}}),
            "spec.podAnnotations: \"a//b\" is no valid key: use a name of at most 63 letters, digits, '-', '_' and '.', optionally after a DNS name and '/'",
        ),
        (
            json!({"service": {"extraPorts": [{"name": "metrics", "port": 3001}]}}),
            "spec.service.extraPorts[metrics].port: 3001 is taken by the server's own port: give each port of the Service a number of its own",
        ),
        (
            json!({"probes": {"readiness": {"httpGet": {"path": "/", "port": "http"}}}}),
            "spec.probes.readiness.port: there is no port named \"http\": use a number, or one of mcp",
        ),
        (
            json!({"affinity": {"nodeAfinity": {"a": 1}}}),
            "spec.affinity.nodeAfinity: no such field: check its spelling and place",
        ),
        (
            json!({"podTemplate": {"spec": {"containers": [{"name": "server", "imagee": "x"}]}}}),
            "spec.podTemplate.spec.containers[0].imagee: no such field: check its spelling and place",
        ),
        (
            json!({"podTemplate": {"spec": {"containers": [{"image": "x"}]}}}),
            "spec.podTemplate.spec.containers[0].name: is missing: lists are merged by name; the server's own container is named \"server\"",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&more), expected);
    }
}

#[test]
fn a_raw_field_of_the_wrong_type_is_named() {
    let found = problems(&json!({"podTemplate": {"spec": {"hostNetwork": "yes"}}}));
    assert!(found.starts_with("spec.podTemplate: cannot be read: "), "{found}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let found = problems(&json!({"env": [{"name": ""}], "affinity": {"x": 1}, "podLabels": {"": "x"}}));
    assert_eq!(found.split("; ").count(), 3, "{found}");
}

#[test]
fn a_name_that_no_service_can_have_is_refused() {
    for name in ["", "1st", "with.dot", "Upper", "end-", &"a".repeat(64)] {
        let mut server = server(&smallest());
        server.metadata.name = Some(name.to_owned());
        let found = validate(&server, &References::default(), &Platform::default()).expect_err("refused").to_string();
        assert!(found.starts_with("metadata.name: "), "{found}");
    }
}

#[test]
fn an_image_is_pulled_by_the_rule_of_kubernetes() {
    let policy = |image: &str| {
        let server = validated(&smallest_with(&json!({"image": image}))).expect("valid");
        server.image_pull_policy
    };
    for image in ["x", "x:latest", "registry:5000/x", "registry:5000/a/x:latest"] {
        assert_eq!(policy(image), PullPolicy::Always, "{image}");
    }
    for image in ["x:1", "registry:5000/x:1", "x@sha256:abc", "x:latest@sha256:abc"] {
        assert_eq!(policy(image), PullPolicy::IfNotPresent, "{image}");
    }
}

#[test]
fn the_path_is_published_as_written_and_port_80_left_out() {
    let url = |more| validated(&smallest_with(&more)).expect("valid").cluster_url;
    assert_eq!(url(json!({"path": "/mcp/"})), "http://echo.team.svc.cluster.local:3001/mcp/");
    assert_eq!(url(json!({"path": "/"})), "http://echo.team.svc.cluster.local:3001/");
    assert_eq!(url(json!({"service": {"port": 80}})), "http://echo.team.svc.cluster.local/mcp");
}

#[test]
fn openshift_assigns_users_itself() {
    let platform = Platform { openshift: true, ..Platform::default() };
    let server = validate(&server(&smallest()), &References::default(), &platform).expect("valid");
    let context = server.pod_security_context;
    assert_eq!((context.run_as_user, context.fs_group, context.run_as_non_root), (None, None, Some(true)));
}

#[test]
fn a_field_of_a_security_context_replaces_that_field_alone() {
    let server = validated(&smallest_with(&json!({
        "podSecurityContext": {"runAsUser": 0},
        "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
    })))
    .expect("valid");
    assert_eq!(server.pod_security_context.run_as_user, Some(0));
    assert_eq!(server.pod_security_context.run_as_non_root, None, "kubelet refuses root with runAsNonRoot");
    assert_eq!(server.pod_security_context.fs_group, Some(65532));
    let capabilities = server.security_context.capabilities.expect("given");
    assert_eq!((capabilities.add, capabilities.drop), (Some(vec!["NET_BIND_SERVICE".to_owned()]), None));
    assert_eq!(server.security_context.allow_privilege_escalation, Some(false));
}

#[test]
fn probes_are_tcp_unless_said_otherwise() {
    let server = validated(&smallest_with(&json!({"probes": {
        "startup": {"failureThreshold": 900},
        "readiness": {"httpGet": {"path": "/healthz", "port": 8080}},
        "liveness": {"disabled": true},
    }})))
    .expect("valid");
    let startup = server.probes.startup.expect("on");
    assert!(startup.tcp_socket.is_some());
    assert_eq!((startup.failure_threshold, startup.period_seconds), (Some(900), Some(1)));
    let readiness = server.probes.readiness.expect("on");
    assert!(readiness.http_get.is_some() && readiness.tcp_socket.is_none());
    assert_eq!(server.probes.liveness, None);
}

#[test]
fn missing_references_do_not_make_a_spec_invalid() {
    let server = server(&smallest_with(&json!({"envFrom": [{"secretRef": {"name": "keys"}}]})));
    let references = References::gather(&server.spec, |_, _| Found::Absent);
    let validated = validate(&server, &references, &Platform::default()).expect("valid");
    assert_eq!(validated.missing.len(), 1);
}

use super::*;
use crate::api::PullPolicy;
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
    assert_eq!(server.pod.identity, Identity::Own);
    assert_eq!(server.replicas, None, "whoever scales the Deployment owns the number");
    assert_eq!(server.pod.pod_security_context.run_as_user, Some(65532));
    assert_eq!(server.pod.scratch.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["/tmp"]);
    assert!(!server.pod.automount_token);
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
        (
            json!({"verification": {"interval": "5s"}}),
            "spec.verification.interval: \"5s\" is no duration from 10s to 24h: write 15s or 1m30s",
        ),
        (
            json!({"verification": {"headers": [{"name": "Host", "value": "a"}]}}),
            "spec.verification.headers[0].name: header host belongs to the conversation itself: choose another",
        ),
        (
            json!({"verification": {"headers": [{"name": "X-Key", "value": "a\nb"}]}}),
            "spec.verification.headers[0].value: has characters that no header may have: write one line of plain text",
        ),
        (
            json!({"verification": {"headers": [{"name": "X-Key", "secretKeyRef": {"key": "a"}}]}}),
            "spec.verification.headers[0].secretKeyRef.name: is empty: give the name of a Secret in the same namespace",
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
        server.pod.image_pull_policy
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
    let context = server.pod.pod_security_context;
    assert_eq!((context.run_as_user, context.fs_group, context.run_as_non_root), (None, None, Some(true)));
}

#[test]
fn a_field_of_a_security_context_replaces_that_field_alone() {
    let server = validated(&smallest_with(&json!({
        "podSecurityContext": {"runAsUser": 0},
        "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
    })))
    .expect("valid");
    assert_eq!(server.pod.pod_security_context.run_as_user, Some(0));
    assert_eq!(server.pod.pod_security_context.run_as_non_root, None, "kubelet refuses root with runAsNonRoot");
    assert_eq!(server.pod.pod_security_context.fs_group, Some(65532));
    let capabilities = server.pod.security_context.capabilities.expect("given");
    assert_eq!((capabilities.add, capabilities.drop), (Some(vec!["NET_BIND_SERVICE".to_owned()]), None));
    assert_eq!(server.pod.security_context.allow_privilege_escalation, Some(false));
}

#[test]
fn probes_are_tcp_unless_said_otherwise() {
    let server = validated(&smallest_with(&json!({"probes": {
        "startup": {"failureThreshold": 900},
        "readiness": {"httpGet": {"path": "/healthz", "port": 8080}},
        "liveness": {"disabled": true},
    }})))
    .expect("valid");
    let startup = server.pod.probes.startup.expect("on");
    assert!(startup.tcp_socket.is_some());
    assert_eq!((startup.failure_threshold, startup.period_seconds), (Some(900), Some(1)));
    let readiness = server.pod.probes.readiness.expect("on");
    assert!(readiness.http_get.is_some() && readiness.tcp_socket.is_none());
    assert_eq!(server.pod.probes.liveness, None);
}

#[test]
fn missing_references_do_not_make_a_spec_invalid() {
    let server = server(&smallest_with(&json!({"envFrom": [{"secretRef": {"name": "keys"}}]})));
    let references = References::gather(&server.spec, |_, _| Found::Absent);
    let validated = validate(&server, &references, &Platform::default()).expect("valid");
    assert_eq!(validated.missing.len(), 1);
}

#[test]
fn the_operators_variables_stand_before_the_users_own() {
    let server = validated(&smallest_with(&json!({
        "service": {"port": 80},
        "path": "/$(A)",
        "env": [{"name": "MCP_PATH", "value": "mine"}, {"name": "URL", "value": "$(MCP_PUBLIC_URL)/x"}],
    })))
    .expect("valid");
    let env: Vec<_> =
        server.pod.env.iter().map(|it| (it.name.as_str(), it.value.as_deref().unwrap_or_default())).collect();
    let hosts = "echo,echo:80,echo.team,echo.team:80,echo.team.svc,echo.team.svc:80,\
                 echo.team.svc.cluster.local,echo.team.svc.cluster.local:80,\
                 localhost,localhost:80,localhost:3001,127.0.0.1,127.0.0.1:80,127.0.0.1:3001";
    assert_eq!(
        env,
        [
            // Kubernetes would take `$(A)` for a variable.
            ("MCP_PUBLIC_URL", "http://echo.team.svc.cluster.local/$$(A)"),
            ("MCP_PUBLIC_HOST", "echo.team.svc.cluster.local"),
            ("MCP_ALLOWED_HOSTS", hosts),
            ("MCP_SERVICE_HOST", "echo.team.svc.cluster.local"),
            ("MCP_PORT", "3001"),
            ("NAMESPACE", "team"),
            ("MCP_PATH", "mine"),
            ("URL", "$(MCP_PUBLIC_URL)/x"),
        ]
    );
}

#[test]
fn a_variable_of_the_user_may_add_to_the_operators() {
    let own = json!({"env": [{"name": "NAMESPACE", "value": "$(NAMESPACE)-$(MCP_PORT)-$$(NAMESPACE)"}]});
    let server = validated(&smallest_with(&own)).expect("valid");
    let last = server.pod.env.last().expect("given");
    assert_eq!(last.value.as_deref(), Some("team-$(MCP_PORT)-$$(NAMESPACE)"));
}

#[test]
fn a_variable_that_nothing_defines_is_named() {
    let cases = [
        (
            json!({"env": [{"name": "A", "value": "$(B)"}]}),
            "spec.env[0].value: \"$(B)\" names no variable: set it above this entry, or write \"$$(B)\" for the text itself",
        ),
        (
            json!({"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "1"}]}),
            "spec.env[0].value: \"$(B)\" is used before it is set in spec.env[1]: move that entry above this",
        ),
        (
            json!({"env": [{"name": "A", "value": "$(NAMESPACE)"}, {"name": "NAMESPACE", "value": "1"}]}),
            "spec.env[0].value: \"$(NAMESPACE)\" is used before it is set in spec.env[1]: move that entry above this",
        ),
        (
            json!({"env": [{"name": "A", "value": "$(A):x"}]}),
            "spec.env[0].value: \"$(A)\" names no variable: a variable cannot hold its own value, or write \"$$(A)\" for the text itself",
        ),
        (
            json!({"env": [{"name": "A", "value": "$(B)"}], "envFrom": [{"secretRef": {"name": "keys"}}], "args": ["$(B)"]}),
            "spec.env[0].value: \"$(B)\" names no variable: set it above this entry; variables of envFrom can be used in command and args only, or write \"$$(B)\" for the text itself",
        ),
        (
            json!({"args": ["--host", "$(HOST)"]}),
            "spec.args[1]: \"$(HOST)\" names no variable: set it in spec.env, or write \"$$(HOST)\" for the text itself",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&more), expected);
    }
    for fine in [
        json!({"env": [{"name": "A", "value": "$$(B) $(KUBERNETES_SERVICE_HOST) $(MCP_PORT)"}]}),
        json!({"command": ["sh", "-c", "echo $(date +%s) $$(date) $HOME $(MCP_PATH)"]}),
        json!({"args": ["$(B)"], "podTemplate": {"spec": {"containers": [{"name": "server", "env": [{"name": "B"}]}]}}}),
    ] {
        validated(&smallest_with(&fine)).expect("valid");
    }
}

#[test]
fn no_two_things_are_mounted_at_one_place() {
    let cases = [
        (
            json!({"files": [{"path": "etc/x", "content": ""}]}),
            "spec.files[0].path: \"etc/x\" is no mount path: write an absolute one other than '/', without ':' or '..'",
        ),
        (
            json!({"files": [{"path": "/a", "content": ""}, {"path": "//a/.", "content": ""}]}),
            "spec.files[1].path: \"/a\" is taken by spec.files[0].path: mount each at a path of its own",
        ),
        (
            json!({"files": [{"path": "/tmp/a", "content": ""}]}),
            "spec.files[0].path: \"/tmp/a\" and \"/tmp\" of the server's scratch directory are one within the other: a file needs a path outside of all mounts",
        ),
        (
            json!({"scratch": [{"path": "/a/b"}], "files": [{"path": "/a", "content": ""}]}),
            "spec.files[0].path: \"/a\" and \"/a/b\" of spec.scratch[0].path are one within the other: a file needs a path outside of all mounts",
        ),
        (
            json!({"scratch": [{"path": "/a"}, {"path": "/a"}]}),
            "spec.scratch[1].path: \"/a\" is taken by spec.scratch[0].path: mount each at a path of its own",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&more), expected);
    }
    validated(&smallest_with(&json!({"scratch": [{"path": "/a"}, {"path": "/a/b"}, {"path": "/ab"}]}))).expect("valid");
}

#[test]
fn a_file_has_one_source_and_knows_the_operators_variables() {
    let file = |more: Value| json!({"files": [more]});
    assert_eq!(
        problems(&file(json!({"path": "/a", "content": "", "secretKeyRef": {"name": "a", "key": "b"}}))),
        "spec.files[0]: a file has one source: give one of content, configMapKeyRef and secretKeyRef",
    );
    let found = problems(&file(json!({"path": "/a", "content": "$(TOKEN)"})));
    assert!(found.starts_with("spec.files[0].content: \"$(TOKEN)\" names no variable: a file can use MCP_"), "{found}");
    let text = "$(NAMESPACE) $$(NAMESPACE) $$ $(date +%s)";
    let server = validated(&smallest_with(&file(json!({"path": "/a", "content": text})))).expect("valid");
    assert_eq!(server.pod.files[0].content(), Some(("file-0", "team $(NAMESPACE) $$ $(date +%s)")));
    assert_eq!(
        problems(&json!({"files": [
            {"path": "/a", "content": "x".repeat(600_000)},
            {"path": "/b", "content": "x".repeat(600_000)},
        ]})),
        "spec.files: the contents have 1200012 bytes in all, and a ConfigMap holds 1000000: move some into ConfigMaps of your own and refer to them",
    );
}

#[test]
fn an_optional_file_that_does_not_exist_is_left_out() {
    let key = json!({"name": "keys", "key": "a", "optional": true});
    let server = server(&smallest_with(&json!({"files": [{"path": "/a", "secretKeyRef": key}]})));
    let files = |found: Found| {
        let references = References::gather(&server.spec, |_, _| found.clone());
        validate(&server, &references, &Platform::default()).expect("valid").pod.files.len()
    };
    assert_eq!(files(Found::Absent), 0);
    assert_eq!(files(Found::Present(std::collections::BTreeMap::new())), 0);
    assert_eq!(files(Found::Unknown), 1);
}

#[test]
fn what_pods_read_at_their_start_rolls_them() {
    let rollout = |more: Value| {
        let server = server(&smallest_with(&more));
        let references = References::gather(&server.spec, |_, _| Found::Absent);
        validate(&server, &references, &Platform::default()).expect("valid").pod.rollout
    };
    assert_eq!(rollout(json!({})), Rollout::default());
    let keys = json!([{"secretRef": {"name": "keys"}}]);
    assert!(rollout(json!({"envFrom": keys})).references.is_some());
    assert_eq!(rollout(json!({"envFrom": keys, "rolloutOnChange": false})), Rollout::default());
    let file = |text: &str| rollout(json!({"files": [{"path": "/a", "content": text}]})).files;
    assert!(file("a").is_some());
    assert_ne!(file("a"), file("b"));
}

#[test]
fn parts_of_a_pod_are_checked_as_far_as_names_go() {
    let volume = |more: Value| json!({"volumes": [more]});
    let init = |more: Value| json!({"initContainers": [more]});
    let cases = [
        (
            volume(json!({"name": "a"})),
            "spec.volumes[0]: has 0 sources: give one, such as configMap, secret or emptyDir",
        ),
        (
            volume(json!({"name": "tmp", "emptyDir": {}})),
            "spec.volumes[0].name: a volume \"tmp\" is made for the server's scratch directory: choose another name",
        ),
        (
            volume(json!({"name": "A", "emptyDir": {}})),
            "spec.volumes[0].name: \"A\" is no such name: use at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
        ),
        (
            volume(json!({"name": "a", "emptydir": {}})),
            "spec.volumes[0]: has 0 sources: give one, such as configMap, secret or emptyDir",
        ),
        (
            json!({"volumeMounts": [{"name": "a", "mountPath": "/a"}]}),
            "spec.volumeMounts[0].name: there is no volume \"a\": add it to spec.volumes, or use one of tmp",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "lots"}}}]}),
            "spec.env[0].valueFrom.resourceFieldRef.divisor: \"lots\" is no quantity: write 500m, 0.5, 128Mi or 1Gi",
        ),
        (
            json!({"volumeMounts": [{"name": "tmp", "mountPath": "/a"}], "storage": {"mountPath": "/a", "size": "1Gi"}}),
            "spec.volumeMounts[0].mountPath: \"/a\" is taken by spec.storage.mountPath: mount each at a path of its own",
        ),
        (
            init(json!({"name": "server", "image": "x"})),
            "spec.initContainers[0].name: \"server\" is the name of another container: choose another",
        ),
        (init(json!({"name": "a"})), "spec.initContainers[0].image: is missing: name the image that runs"),
        (
            json!({"storage": {"mountPath": "/a", "size": "big"}}),
            "spec.storage.size: \"big\" is no quantity: write 500m, 0.5, 128Mi or 1Gi",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&more), expected);
    }
}

#[test]
fn a_volume_at_tmp_takes_the_place_of_the_scratch_directory() {
    let server = validated(&smallest_with(&json!({"storage": {"mountPath": "/tmp", "size": "1Gi"}}))).expect("valid");
    assert!(server.pod.scratch.is_empty());
}

#[test]
fn init_containers_are_restricted_as_the_server_is() {
    let spec = json!({"initContainers": [{"name": "a", "image": "x", "securityContext": {"runAsUser": 5}}]});
    let server = validated(&smallest_with(&spec)).expect("valid");
    let context = server.pod.parts.init_containers[0].security_context.clone().expect("given");
    assert_eq!((context.run_as_user, context.allow_privilege_escalation), (Some(5), Some(false)));
}

#[test]
fn rules_of_scaling_network_and_rights_name_their_fields() {
    let rule = |more: Value| json!({"serviceAccount": {"rules": [more]}});
    let cases = [
        (
            json!({"autoscaling": {"maxReplicas": 2}}),
            "spec.autoscaling.cpuPercent: is a percentage of the request, and there is none: set spec.resources.requests.cpu",
        ),
        (
            json!({"autoscaling": {"maxReplicas": 2, "metrics": [{"type": "Pods", "pod": {"a": 1}}]}}),
            "spec.autoscaling.metrics[0].pod: no such field: check its spelling and place",
        ),
        (
            json!({"disruptionBudget": {"maxUnavailable": "half"}}),
            "spec.disruptionBudget.maxUnavailable: \"half\" is neither a number of pods nor a percentage: write 1 or 50%",
        ),
        (
            json!({"volumeMounts": [{"name": "tmp", "mountPath": "/a", "subPathExpr": "a/../b"}]}),
            "spec.volumeMounts[0].subPathExpr: \"a/../b\" must be a path within the volume: relative and without '..'",
        ),
        (
            json!({"networkPolicy": {"ingress": [{}]}}),
            "spec.networkPolicy.ingress[0]: give either ipBlock, or podSelector, namespaceSelector or both of these",
        ),
        (
            json!({"networkPolicy": {"egress": [{"too": [{}]}]}}),
            "spec.networkPolicy.egress[0].too: no such field: check its spelling and place",
        ),
        (
            rule(json!({"apiGroups": [""], "resources": ["pods"], "verbs": []})),
            "spec.serviceAccount.rules[0].verbs: is missing: a rule needs apiGroups ('' for the core), resources and verbs",
        ),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Role", "name": "a/b"}]}}),
            "spec.serviceAccount.bind[0].name: \"a/b\" is no name of a role",
        ),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Role", "name": "a?dryRun=All"}]}}),
            "spec.serviceAccount.bind[0].name: \"a?dryRun=All\" is no name of a role",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&more), expected);
    }
}

fn problems_on(platform: &Platform, own: &Value) -> String {
    let server = server(&smallest_with(&json!({"serviceAccount": own})));
    validate(&server, &References::default(), platform).map(drop).expect_err("a problem").to_string()
}

#[test]
fn rights_in_the_whole_cluster_need_a_setting() {
    let rule = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]});
    let view = json!({"kind": "ClusterRole", "name": "view", "clusterWide": true});
    let own = json!({"clusterRules": [rule], "bind": [view, {"kind": "ClusterRole", "name": "view"}]});
    assert_eq!(
        problems_on(&Platform::default(), &own),
        "spec.serviceAccount.clusterRules: the operator was started without allowClusterRules: use \
         spec.serviceAccount.rules for rights in this namespace, or ask an administrator for that setting; \
         spec.serviceAccount.bind[0].clusterWide: the operator was started without allowClusterRules: remove it to \
         bind the role in this namespace, or ask an administrator for that setting",
    );
    let allowed = Platform { allow_cluster_rules: true, ..Platform::default() };
    let spec = smallest_with(&json!({"serviceAccount": own}));
    validate(&server(&spec), &References::default(), &allowed).expect("valid");
    for (own, expected) in [
        (
            json!({"bind": [{"kind": "Role", "name": "a", "clusterWide": true}]}),
            "spec.serviceAccount.bind[0].clusterWide: is for a ClusterRole: a Role has no rights outside of its namespace",
        ),
        (json!({"bind": [view, view]}), "spec.serviceAccount.bind[1]: ClusterRole \"view\" is named twice: keep one"),
        (
            json!({"clusterRules": [{"nonResourceURLs": ["/metrics"], "resources": ["nodes"], "verbs": ["get"]}]}),
            "spec.serviceAccount.clusterRules[0]: is about both resources and nonResourceURLs: make two rules of it",
        ),
        (
            json!({"clusterRules": [{"nonResourceURLs": ["/metrics"], "verbs": []}]}),
            "spec.serviceAccount.clusterRules[0].verbs: is missing: a rule of nonResourceURLs needs verbs, such as get",
        ),
    ] {
        assert_eq!(problems_on(&allowed, &own), expected);
    }
    let mut long = server(&smallest_with(&json!({"serviceAccount": {"bind": [
        {"kind": "ClusterRole", "name": "r".repeat(160), "clusterWide": true},
    ]}})));
    validate(&long, &References::default(), &allowed).expect("short enough");
    long.metadata.name = Some("s".repeat(63));
    long.metadata.namespace = Some("n".repeat(63));
    let found = validate(&long, &References::default(), &allowed).expect_err("too long").to_string();
    assert!(found.contains("which makes 297 characters, and 253 are possible"), "{found}");
}

#[test]
fn the_right_to_read_secrets_is_not_handed_on() {
    let watching = Platform { watch_secrets: true, allow_cluster_rules: true, ..Platform::default() };
    let rule = |group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": ["list"]});
    for rule in [rule("", "secrets"), rule("*", "secrets"), rule("", "*")] {
        for list in ["rules", "clusterRules"] {
            let found = problems_on(&watching, &json!({list: [rule]}));
            let expected =
                format!("spec.serviceAccount.{list}[0].resources: Landfall reads Secrets for itself and does");
            assert!(found.starts_with(&expected), "{found}");
        }
    }
    let spec = |rule: Value| server(&smallest_with(&json!({"serviceAccount": {"rules": [rule]}})));
    let others = [rule("", "pods"), rule("example.com", "secrets")];
    for rule in others {
        validate(&spec(rule), &References::default(), &watching).expect("valid");
    }
    // Where the operator may not read them, Kubernetes itself sees to it, unless an administrator
    // has decided otherwise.
    validate(&spec(rule("", "secrets")), &References::default(), &Platform::default()).expect("valid");
}

#[test]
fn a_server_is_verified_unless_it_is_not_to_be() {
    let plan = |more: &Value| validated(&smallest_with(more)).expect("valid").verification;
    assert_eq!(plan(&json!({})), Some(VerificationPlan { interval: None, headers: Vec::new() }));
    assert_eq!(plan(&json!({"verification": {"disabled": true}})), None);
    let headers = json!([{"name": "X-Key", "secretKeyRef": {"name": "keys", "key": "mcp", "optional": true}}]);
    let plan = plan(&json!({"verification": {"interval": "1m30s", "headers": headers}})).expect("verified");
    assert_eq!(plan.interval.map(|it| it.as_secs()), Some(90));
    let value = HeaderSource::Secret { name: "keys".into(), key: "mcp".into(), optional: true };
    assert_eq!(plan.headers, [PlannedHeader { name: "X-Key".into(), value }]);
}

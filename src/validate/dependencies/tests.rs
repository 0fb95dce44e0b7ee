use crate::api::PresetName;
use crate::references::{Found, References, Running};
use crate::settings::Platform;
use crate::testing::{server, smallest_with, validated};
use crate::validate::{ValidatedServer, validate};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn with(dependencies: &Value) -> Value {
    smallest_with(&json!({ "dependencies": dependencies }))
}

fn problems(spec: &Value) -> String {
    validated(spec).expect_err("a bad spec").to_string()
}

/// The variables that Landfall gives to the server for its dependencies, as texts.
fn variables(server: &ValidatedServer) -> Vec<String> {
    let text = |it: &k8s_openapi::api::core::v1::EnvVar| {
        let key = it.value_from.as_ref().and_then(|it| it.secret_key_ref.as_ref());
        let key = key.map(|it| {
            let optional = if it.optional == Some(true) { "?" } else { "" };
            format!("<{}/{}{optional}>", it.name, it.key)
        });
        format!("{}={}", it.name, it.value.clone().or(key).unwrap_or_default())
    };
    let all = server.pod.env.iter();
    all.filter(|it| !it.name.starts_with("MCP_") && it.name != "NAMESPACE").map(text).collect()
}

#[test]
fn the_server_gets_the_address_and_the_login_of_each() {
    let server = validated(&with(&json!([
        {"name": "postgres", "preset": "postgres"},
        {"name": "vector-db", "preset": "qdrant"},
        {"name": "plugin", "image": "plugin:1", "ports": [{"name": "https", "port": 8443}]},
    ])))
    .expect("valid");
    assert_eq!(
        variables(&server),
        [
            "POSTGRES_HOST=echo-postgres",
            "POSTGRES_PORT=5432",
            "POSTGRES_USERNAME=<echo-postgres-credentials/username>",
            "POSTGRES_PASSWORD=<echo-postgres-credentials/password>",
            "POSTGRES_DATABASE=<echo-postgres-credentials/database>",
            "POSTGRES_URL=postgresql://$(POSTGRES_USERNAME):$(POSTGRES_PASSWORD)@echo-postgres:5432/$(POSTGRES_DATABASE)",
            "VECTOR_DB_HOST=echo-vector-db",
            "VECTOR_DB_PORT=6333",
            "VECTOR_DB_URL=http://echo-vector-db:6333",
            "PLUGIN_HOST=echo-plugin",
            "PLUGIN_PORT=8443",
            "PLUGIN_URL=https://echo-plugin:8443",
        ]
    );
    let urls: Vec<_> = server.dependencies.iter().map(|it| it.url.as_deref().unwrap_or_default()).collect();
    assert_eq!(urls, ["postgresql://echo-postgres:5432", "http://echo-vector-db:6333", "https://echo-plugin:8443"]);
}

#[test]
fn one_that_is_run_elsewhere_gives_the_same_variables() {
    let server = validated(&with(&json!([
        {"name": "db", "external": {"secretRef": {"name": "managed"}}},
        {"name": "api", "external": {"url": "https://api.example.com/v1"}, "credentials": {"secretRef": {"name": "keys"}}},
    ])))
    .expect("valid");
    assert_eq!(
        variables(&server),
        [
            "DB_HOST=<managed/host?>",
            "DB_PORT=<managed/port?>",
            "DB_USERNAME=<managed/username?>",
            "DB_PASSWORD=<managed/password?>",
            "DB_DATABASE=<managed/database?>",
            "DB_URL=<managed/url>",
            "API_HOST=api.example.com",
            "API_PORT=443",
            "API_USERNAME=<keys/username?>",
            "API_PASSWORD=<keys/password>",
            "API_DATABASE=<keys/database?>",
            "API_URL=https://api.example.com/v1",
        ]
    );
    assert!(server.dependencies.iter().all(|it| it.managed.is_none()));
}

#[test]
fn variables_of_dependencies_expand_in_env_args_and_files() {
    let spec = smallest_with(&json!({
        "dependencies": [{"name": "redis", "preset": "redis"}, {"name": "plugin", "image": "p:1", "ports": [{"name": "http", "port": 80}]}],
        "env": [{"name": "CACHE", "value": "$(REDIS_URL)?tls=no"}, {"name": "PLUGIN_URL", "value": "$(PLUGIN_URL)/v1"}],
        "args": ["--cache=$(REDIS_HOST)"],
        "files": [{"path": "/etc/plugins.json", "content": "[\"$(PLUGIN_HOST)\"]"}],
    }));
    let server = validated(&spec).expect("valid");
    assert!(variables(&server).contains(&"PLUGIN_URL=http://echo-plugin:80/v1".to_owned()), "{:?}", variables(&server));
    assert_eq!(server.pod.files[0].content().map(|it| it.1), Some("[\"echo-plugin\"]"));
}

#[test]
fn the_pods_of_a_preset_are_what_its_image_wants() {
    for name in PresetName::ALL {
        let server = validated(&with(&json!([{"name": "it", "preset": name}])))
            .unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let managed = server.dependencies[0].managed.as_ref().expect("run");
        let preset = name.preset();
        assert_eq!(managed.pod.image, preset.image_of(None));
        assert_eq!(
            managed.pod.storage.as_ref().map(|it| it.mount_path.as_str()),
            preset.data.as_ref().map(|it| it.path)
        );
        assert_eq!(managed.pod.pod_security_context.run_as_user, Some(preset.user));
        assert_eq!(
            managed.pod.pod_security_context.run_as_non_root,
            Some(true),
            "{name} under restricted Pod Security"
        );
        let password = preset.credentials.as_ref().is_some_and(|it| it.by_default);
        assert_eq!(managed.credentials.is_some(), password, "{name}");
    }
}

#[test]
fn everything_of_a_preset_can_be_replaced() {
    let server = validated(&with(&json!([{
        "name": "redis", "preset": "redis", "image": "registry.corp/redis:7", "args": ["redis-server", "/etc/redis.conf"],
        "ports": [{"name": "redis", "port": 7000}], "storage": {"disabled": true}, "credentials": {"generate": false},
        "podSecurityContext": {"runAsUser": 70}, "probes": {"readiness": {"tcpSocket": {"port": 7000}}},
        "env": [{"name": "LANG", "value": "C"}],
    }])))
    .expect("valid");
    let pod = &server.dependencies[0].managed.as_ref().expect("run").pod;
    assert_eq!((pod.image.as_str(), pod.args.len(), pod.storage.is_none()), ("registry.corp/redis:7", 2, true));
    assert_eq!(pod.pod_security_context.run_as_user, Some(70));
    assert_eq!(pod.pod_security_context.run_as_group, Some(999));
    assert!(pod.probes.readiness.as_ref().is_some_and(|it| it.exec.is_none()));
    assert_eq!(variables(&server), ["REDIS_HOST=echo-redis", "REDIS_PORT=7000", "REDIS_URL=redis://echo-redis:7000/0"]);
}

#[test]
fn without_storage_data_is_written_to_a_place_that_lasts_as_long_as_the_pod() {
    let paths = |storage: Value| {
        let server =
            validated(&with(&json!([{"name": "db", "preset": "postgres", "storage": storage}]))).expect("valid");
        let pod = &server.dependencies[0].managed.as_ref().expect("run").pod;
        (pod.storage.is_some(), pod.scratch.iter().map(|it| it.path.clone()).collect::<Vec<_>>())
    };
    let always = ["/tmp", "/var/run/postgresql"].map(str::to_owned);
    assert_eq!(paths(json!({"size": "1Gi"})), (true, always.to_vec()));
    assert_eq!(paths(json!({"disabled": true})), (false, [&always[..], &["/var/lib/postgresql/data".into()]].concat()));
}

#[test]
fn each_mistake_is_named_with_its_field() {
    let plugin = |name: &str, on: &Value| json!({"name": name, "image": "p:1", "ports": [{"name": "http", "port": 80}], "dependsOn": on});
    let long = "a".repeat(48);
    let cases = [
        (
            json!([{"name": "server", "preset": "redis"}]),
            "spec.dependencies[server].name: \"server\" is a name that Landfall uses itself",
        ),
        (json!([{"name": "a-headless", "preset": "redis"}]), "is a name that Landfall uses itself"),
        (
            json!([{"name": long, "preset": "redis"}]),
            "which is 53 letters long and may be 52: shorten it, or the server's name",
        ),
        (
            json!([{"name": "a", "preset": "redis"}, {"name": "a", "preset": "redis"}]),
            "spec.dependencies[a].name: is given twice",
        ),
        (
            json!([plugin("a", &json!(["b"]))]),
            "spec.dependencies[a].dependsOn[0]: there is no dependency \"b\": there is no other",
        ),
        (json!([plugin("a", &json!(["a"]))]), "a -> a wait for each other"),
        (
            json!([plugin("a", &json!(["b"])), plugin("b", &json!(["c"])), plugin("c", &json!(["b"]))]),
            "spec.dependencies[b].dependsOn: b -> c -> b wait for each other: break the circle",
        ),
        (json!([{"name": "a", "image": "p:1"}]), "spec.dependencies[a].ports: is missing"),
        (
            json!([{"name": "a", "image": "p:1", "ports": [{"name": "http", "port": 80}], "storage": {"size": "1Gi"}}]),
            "spec.dependencies[a].storage.mountPath: is missing",
        ),
        (
            json!([{"name": "a", "preset": "postgres", "version": "18"}]),
            "spec.dependencies[a].version: \"18\" is none that this preset is made for, which are 13, 14, 15, 16, 17",
        ),
        (
            json!([{"name": "a", "preset": "postgres", "credentials": {"generate": false}}]),
            "does not run without a password",
        ),
        (
            json!([{"name": "a", "preset": "neo4j", "credentials": {"username": "me"}}]),
            "spec.dependencies[a].credentials.username: is always \"neo4j\" here",
        ),
        (
            json!([{"name": "a", "preset": "redis", "credentials": {"database": "me"}}]),
            "spec.dependencies[a].credentials.database: is nothing that this database has",
        ),
        (
            json!([{"name": "mcp", "preset": "qdrant"}]),
            "spec.dependencies[mcp].name: its variable MCP_PORT is there already",
        ),
        (
            json!([{"name": "a", "preset": "redis", "env": [{"name": "X", "value": "$(NOBODY)"}]}]),
            "spec.dependencies[a].env[0].value: \"$(NOBODY)\" names no variable",
        ),
        (
            json!([{"name": "a", "preset": "postgres", "env": [{"name": "MYSQL_PASSWORD", "value": "x"}], "scratch": [{"path": "/var/lib/postgresql/data/x", "sizeLimit": "odd"}]}]),
            "spec.dependencies[a].scratch[0].sizeLimit: \"odd\" is no quantity",
        ),
        (
            json!([{"name": "a", "external": {"url": "nonsense"}}]),
            "spec.dependencies[a].external.url: \"nonsense\" is no URL",
        ),
    ];
    for (dependencies, expected) in cases {
        let found = problems(&with(&dependencies));
        assert!(found.contains(expected), "{found}\n{expected}");
    }
    assert!(!problems(&with(&json!([{"name": "a", "external": {"url": "http://u:hunter2@h"}}]))).is_empty());
}

#[test]
fn a_variable_that_a_dependency_does_not_have_is_named() {
    let qdrant = json!([{"name": "qdrant", "preset": "qdrant"}]);
    let of = |more: Value| {
        let mut spec = with(&qdrant);
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        problems(&spec)
    };
    let found = of(json!({"env": [{"name": "KEY", "value": "$(QDRANT_PASSWORD)"}]}));
    let expected = "spec.env[0].value: \"$(QDRANT_PASSWORD)\" names no variable: that dependency has no credentials; \
                    it gives QDRANT_HOST, QDRANT_PORT, QDRANT_URL";
    assert!(found.contains(expected), "{found}");
    let redis = smallest_with(&json!({
        "dependencies": [{"name": "redis", "preset": "redis"}],
        "files": [{"path": "/etc/a", "content": "$(REDIS_URL)"}],
    }));
    let found = problems(&redis);
    assert!(found.contains("spec.files[0].content: \"$(REDIS_URL)\" is made of a Secret"), "{found}");
    let replaced = smallest_with(&json!({
        "dependencies": [{"name": "redis", "preset": "redis"}],
        "env": [{"name": "REDIS_PASSWORD", "value": "x"}],
    }));
    let found = problems(&replaced);
    assert!(found.contains("spec.env[0].name: \"REDIS_PASSWORD\" is part of REDIS_URL"), "{found}");
}

#[test]
fn the_first_pods_wait_for_what_they_depend_on_and_later_ones_do_not() {
    let spec = with(&json!([
        {"name": "qdrant", "preset": "qdrant"},
        {"name": "plugin", "image": "p:1", "ports": [{"name": "http", "port": 80}], "dependsOn": ["qdrant"]},
        {"name": "far", "external": {"url": "https://far.example.com"}},
    ]));
    let running = |names: &[(&str, bool)]| -> BTreeMap<String, Running> {
        names.iter().map(|(name, ready)| ((*name).to_owned(), Running { hash: None, is_ready: *ready })).collect()
    };
    let waits = |workloads: BTreeMap<String, Running>| {
        let server = server(&spec);
        let references = References::gather(&server.spec, |_, _| Found::Unknown).with_workloads(workloads);
        let validated = validate(&server, &references, &Platform::default()).expect("valid");
        let plugin = validated.dependencies[1].managed.as_ref().expect("run");
        (validated.waits_for.clone(), plugin.waits_for.clone())
    };
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(waits(running(&[])), (names(&["qdrant", "plugin"]), names(&["qdrant"])));
    assert_eq!(waits(running(&[("echo-qdrant", true)])), (names(&["plugin"]), names(&[])));
    let all_down = [("echo-qdrant", false), ("echo-plugin", false), ("echo", true)];
    assert_eq!(waits(running(&all_down)), (names(&[]), names(&[])));
}

#[test]
fn who_needs_a_dependency_may_connect_to_it() {
    let server = validated(&with(&json!([
        {"name": "qdrant", "preset": "qdrant"},
        {"name": "plugin", "image": "p:1", "ports": [{"name": "http", "port": 80}], "dependsOn": ["qdrant"]},
    ])))
    .expect("valid");
    let callers = |at: usize| {
        let managed = server.dependencies[at].managed.as_ref().expect("run");
        managed.callers.iter().map(|it| it.component().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(callers(0), ["server", "plugin"]);
    assert_eq!(callers(1), ["server"]);
}

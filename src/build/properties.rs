//! Whatever a spec says: nothing panics, and what is accepted is built of names, labels, ports and
//! mounts that the API server takes.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::build;
use crate::api::MCPServer;
use crate::children::{Child, Children, Desired, Family, Make};
use crate::references::{Found, References};
use crate::settings::Platform;
use crate::testing::server_json;
use crate::validate::validate;

/// Texts that make trouble, next to some that do not.
fn text() -> impl Strategy<Value = Value> {
    let odd = [
        "",
        "a",
        "b",
        "server",
        "tmp",
        "files",
        "file-0",
        "storage",
        "A B",
        "-",
        "a-",
        "/",
        "/tmp",
        "/a",
        "/a/b",
        "/a/../b",
        "//a",
        "/a:b",
        "a.b/c",
        "a//b",
        "$(A)",
        "$$(A)",
        "$(MCP_PORT)",
        "$(",
        "$",
        "\0",
        "ä🦀",
        "50%",
        "-1",
        "1Gi",
        "9e999",
        "true",
        "null",
        "app.kubernetes.io/instance",
    ];
    prop_oneof![
        8 => prop::sample::select(odd.to_vec()).prop_map(|it| json!(it)),
        1 => odd_text().prop_map(|it| json!(it)),
        1 => Just(json!("x".repeat(300))),
    ]
}

fn odd_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..6).prop_map(|it| it.into_iter().collect())
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![Just(0), Just(1), Just(-1), Just(80), Just(3001), Just(65536), any::<i64>()].prop_map(|it| json!(it))
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text(), number(), any::<bool>().prop_map(|it| json!(it)), Just(Value::Null)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((field_name(), inner), 0..3).prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// Names of fields that raw parts have, so that some of what is generated can be decoded.
fn field_name() -> impl Strategy<Value = String> {
    let known =
        ["name", "image", "emptyDir", "configMap", "secret", "volumeMounts", "mountPath", "spec", "metadata", "env"];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => odd_text()]
}

/// An object with each of these fields or without it.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    object_with(0.5, fields)
}

fn object_with(probability: f64, fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| prop::option::weighted(probability, value).prop_map(move |it| Some((name, it?))))
        .collect();
    fields
        .prop_map(|fields| {
            let given = fields.into_iter().flatten();
            Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
        })
        .boxed()
}

/// An object that has all of these fields.
fn whole(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> =
        fields.into_iter().map(|(name, value)| value.prop_map(move |it| (name.to_owned(), it))).collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().collect())).boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..3).prop_map(Value::Array).boxed()
}

fn map() -> BoxedStrategy<Value> {
    let entry = (text(), text()).prop_map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), value));
    prop::collection::vec(entry, 0..3).prop_map(|it| Value::Object(it.into_iter().collect())).boxed()
}

fn port() -> BoxedStrategy<Value> {
    (1..=65535).prop_map(|it| json!(it)).boxed()
}

fn texts() -> BoxedStrategy<Value> {
    list(text().boxed())
}

fn key() -> BoxedStrategy<Value> {
    whole(vec![
        ("name", text().boxed()),
        ("key", text().boxed()),
        ("optional", any::<bool>().prop_map(|it| json!(it)).boxed()),
    ])
}

fn raw_list() -> BoxedStrategy<Value> {
    let raw = prop::collection::vec((field_name(), anything()), 0..3);
    list(
        prop_oneof![
            raw.prop_map(|it| Value::Object(it.into_iter().collect())),
            whole(vec![("name", text().boxed()), ("emptyDir", Just(json!({})).boxed())]),
            whole(vec![("name", text().boxed()), ("image", text().boxed()), ("volumeMounts", list(mount()))]),
        ]
        .boxed(),
    )
}

fn mount() -> BoxedStrategy<Value> {
    whole(vec![("name", text().boxed()), ("mountPath", text().boxed())])
}

fn dependency() -> BoxedStrategy<Value> {
    let names = prop::sample::select(vec!["db", "cache", "a", "server", "x-headless", "mcp"]);
    let presets = prop::sample::select(crate::api::PresetName::ALL);
    let variable = whole(vec![("name", text().boxed()), ("value", text().boxed())]);
    let flag = || any::<bool>().prop_map(|it| json!(it)).boxed();
    object_with(
        0.3,
        vec![
            ("preset", presets.prop_map(|it| json!(it)).boxed()),
            ("version", prop::sample::select(vec!["17", "8", "1.15", "0", "x"]).prop_map(|it| json!(it)).boxed()),
            ("image", Just(json!("db:1")).boxed()),
            ("args", texts()),
            ("env", list(variable)),
            ("ports", list(whole(vec![("name", text().boxed()), ("port", port())]))),
            ("storage", object(vec![("mountPath", text().boxed()), ("size", text().boxed()), ("retain", flag())])),
            ("scratch", list(whole(vec![("path", text().boxed())]))),
            ("files", list(whole(vec![("path", text().boxed()), ("content", text().boxed())]))),
            ("credentials", object(vec![("generate", flag()), ("username", text().boxed())])),
            ("dependsOn", list(prop::sample::select(vec!["db", "cache", "a"]).prop_map(|it| json!(it)).boxed())),
            ("external", object(vec![("url", text().boxed())])),
        ],
    )
    .prop_flat_map(move |fields| {
        names.clone().prop_map(move |name| {
            let mut fields = fields.clone();
            fields["name"] = json!(name);
            fields
        })
    })
    .boxed()
}

fn role() -> BoxedStrategy<Value> {
    let kind = prop::sample::select(vec!["Role", "ClusterRole"]).prop_map(|it| json!(it));
    let wide = any::<bool>().prop_map(|it| json!(it));
    whole(vec![("kind", kind.boxed()), ("name", text().boxed()), ("clusterWide", wide.boxed())])
}

fn rule() -> BoxedStrategy<Value> {
    whole(vec![("apiGroups", texts()), ("resources", texts()), ("verbs", texts())])
}

/// A spec that has each of its fields with this probability. With a low one, more are accepted.
fn spec(probability: f64) -> BoxedStrategy<Value> {
    let variable = prop_oneof![
        whole(vec![("name", text().boxed()), ("value", text().boxed())]),
        whole(vec![
            ("name", text().boxed()),
            ("valueFrom", object(vec![("secretKeyRef", key()), ("configMapKeyRef", key())]))
        ]),
    ];
    let file = prop_oneof![
        whole(vec![("path", text().boxed()), ("content", text().boxed())]),
        whole(vec![("path", text().boxed()), ("secretKeyRef", key())]),
    ];
    let extra_port = whole(vec![("name", text().boxed()), ("port", port()), ("targetPort", port())]);
    let small = || (1..4).prop_map(|it| json!(it)).boxed();
    let fields = object_with(
        probability,
        vec![
            ("path", text().boxed()),
            ("command", texts()),
            ("args", texts()),
            ("env", list(variable.boxed())),
            ("files", list(file.boxed())),
            ("scratch", list(whole(vec![("path", text().boxed()), ("sizeLimit", text().boxed())]))),
            ("storage", whole(vec![("mountPath", text().boxed()), ("size", text().boxed())])),
            ("volumes", raw_list()),
            ("volumeMounts", list(mount())),
            ("initContainers", raw_list()),
            ("service", object(vec![("port", port()), ("annotations", map()), ("extraPorts", list(extra_port))])),
            (
                "serviceAccount",
                object(vec![
                    ("annotations", map()),
                    ("bind", list(role())),
                    ("rules", list(rule())),
                    ("clusterRules", list(rule())),
                ]),
            ),
            ("dependencies", list(dependency())),
            ("autoscaling", whole(vec![("maxReplicas", small()), ("metrics", raw_list())])),
            ("disruptionBudget", object(vec![("minAvailable", text().boxed()), ("maxUnavailable", number().boxed())])),
            (
                "networkPolicy",
                object(vec![
                    ("ingress", list(object(vec![("podSelector", Just(json!({})).boxed())]))),
                    ("egress", raw_list()),
                ]),
            ),
            ("resources", object(vec![("requests", map()), ("limits", map())])),
            ("nodeSelector", map()),
            ("podLabels", map()),
            ("podAnnotations", map()),
            ("affinity", anything().boxed()),
            ("podTemplate", anything().boxed()),
        ],
    );
    (fields, 1..=65535)
        .prop_map(|(mut spec, port)| {
            spec["image"] = json!("echo:1");
            spec["port"] = json!(port);
            spec
        })
        .boxed()
}

/// No value per kind: what counts is collected on the way.
enum Written {}
impl Family for Written {
    type Of<K: Child> = ();
}

struct Write<'a>(&'a Children<Desired>, Vec<Value>);
impl Make<Written> for Write<'_> {
    fn make<K: Child>(&mut self) {
        self.1.extend(K::of(self.0).iter().map(|it| serde_json::to_value(it).expect("children can be written")));
    }
}

fn unique<'a>(list: &'a Value, key: &str) -> bool {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |item: &'a Value| item[key].to_string();
    items.iter().map(of).collect::<BTreeSet<_>>().len() == items.len()
}

fn is_label_value(value: &str) -> bool {
    let inner = value.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
    let end = |it: Option<char>| it.is_none_or(|it| it.is_ascii_alphanumeric());
    value.len() <= 63 && inner && end(value.chars().next()) && end(value.chars().last())
}

fn check(child: &Value) {
    let name = child["metadata"]["name"].as_str().unwrap_or_default();
    assert!(!name.is_empty() && name.len() <= 253 && !name.contains(['/', '%']), "{name:?}");
    for metadata in [&child["metadata"], &child["spec"]["template"]["metadata"]] {
        for (_, value) in metadata["labels"].as_object().into_iter().flatten() {
            assert!(value.as_str().is_some_and(is_label_value), "{value}");
        }
    }
    if child["kind"] == "Service" {
        let ports = &child["spec"]["ports"];
        assert!(unique(ports, "port") && unique(ports, "name"), "{ports}");
    }
    let pod = &child["spec"]["template"]["spec"];
    assert!(unique(&pod["volumes"], "name"), "{pod}");
    for container in pod["containers"].as_array().into_iter().flatten().take(1) {
        assert!(unique(&container["volumeMounts"], "mountPath"), "{container}");
        assert!(unique(&container["env"], "name"), "{container}");
        let ports = &container["ports"];
        assert!(unique(ports, "containerPort") && unique(ports, "name"), "{ports}");
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let volumes = pod["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(volumes.iter().any(|it| it["name"] == mount["name"]), "{mount}");
        }
    }
}

fn holds_for(spec: &Value) {
    let Ok(server) = serde_json::from_value::<MCPServer>(server_json(spec)) else { return };
    let references = References::gather(&server.spec, |_, _| Found::Absent);
    let platform =
        Platform { allow_cluster_rules: true, registry_mirror: Some("mirror.corp/hub".into()), ..Platform::default() };
    if let Ok(validated) = validate(&server, &references, &platform) {
        let children = build(&validated);
        let mut write = Write(&children, Vec::new());
        Children::<Written>::from_each(&mut write);
        write.1.iter().for_each(check);
    }
}

/// The fuzzer starts from it; one that is refused would lead nowhere.
#[test]
fn the_seed_of_the_fuzzer_is_accepted() {
    let seed = include_str!("../../fuzz/seeds/spec/every-field");
    let server =
        serde_json::from_value(server_json(&serde_json::from_str(&seed[1..]).expect("JSON"))).expect("a server");
    let platform = Platform { allow_cluster_rules: true, watch_secrets: true, ..Platform::default() };
    validate(&server, &References::default(), &platform).expect("valid");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_whatever_a_spec_says(spec in spec(0.5)) {
        holds_for(&spec);
    }

    #[test]
    fn what_is_accepted_can_be_built(spec in spec(0.1)) {
        holds_for(&spec);
    }
}

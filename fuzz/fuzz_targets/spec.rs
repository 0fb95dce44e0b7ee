//! The way from a resource as anybody may have stored it to what is made of it:
//! `make fuzz`.
//!
//! Of the input, the first byte chooses what administrators have decided, and the rest is JSON: an
//! `MCPServer`, or just its spec.

#![no_main]

use landfall::api::MCPServer;
use landfall::build::build;
use landfall::children::{Child, Children, Desired, Make, Nothing};
use landfall::references::{Found, References};
use landfall::settings::{Platform, ServerDefaults};
use landfall::validate::{server_defaults, validate};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Children can be written, and each has a name that the API server can take.
struct Check<'a>(&'a Children<Desired>);

impl Make<Nothing> for Check<'_> {
    fn make<K: Child>(&mut self) {
        for child in K::of(self.0) {
            let name = child.meta().name.clone().unwrap_or_default();
            assert!(!name.is_empty() && name.len() <= 253 && !name.contains(['/', '%']), "{name:?}");
            serde_json::to_value(child).expect("children can be written");
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let &[choice, ref text @ ..] = input else { return };
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let stored = json!({"name": "echo", "namespace": "team", "uid": "6c1b"});
    let mut object = if value.get("spec").is_some() { value } else { json!({"spec": value}) };
    if object.get("metadata").is_none() {
        object["metadata"] = stored;
    }
    object["apiVersion"] = json!("landfall.dev/v1alpha1");
    object["kind"] = json!("MCPServer");
    // A setting comes as text, too.
    let defaults = object.get("spec").map(Value::to_string).unwrap_or_default();
    let defaults = server_defaults(defaults.trim_start_matches('@')).unwrap_or_else(|_| ServerDefaults::default());
    let Ok(server) = serde_json::from_value::<MCPServer>(object) else { return };
    let is = |bit: u8| choice & (1 << bit) != 0;
    let platform = Platform {
        openshift: is(0),
        allow_cluster_rules: is(1),
        watch_secrets: is(2),
        registry_mirror: is(3).then(|| "mirror.corp/hub".into()),
        server_defaults: if is(4) { defaults } else { ServerDefaults::default() },
        ..Platform::default()
    };
    let found = || if is(5) { Found::Absent } else { Found::Unknown };
    let references = References::gather(&server.spec, |_, _| found());
    match validate(&server, &references, &platform) {
        Ok(validated) => drop(Children::<Nothing>::from_each(&mut Check(&build(&validated)))),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});

//! Fixtures of unit tests.

use serde_json::{Value, json};
use std::sync::Arc;

use crate::api::MCPServer;
use crate::children::{Child, Children, Live, Make};
use crate::observe::{Observation, Workload};
use crate::references::References;
use crate::settings::Platform;
use crate::validate::{Problems, ValidatedServer, validate};

/// What a server has before anything was made.
pub fn nothing_live() -> Children<Live> {
    struct Nothing;
    impl Make<Live> for Nothing {
        fn make<K: Child>(&mut self) -> Vec<Arc<K>> {
            Vec::new()
        }
    }
    Children::from_each(&mut Nothing)
}

/// One pod that answers, of a workload in this state.
pub fn observation(workload: Workload) -> Observation {
    Observation {
        replicas: 1,
        ready_replicas: 1,
        ready_pods: vec!["a/0".into()],
        workload,
        trouble: None,
        dependencies: Vec::new(),
        exposure: None,
        look_again: None,
    }
}

/// A stored `MCPServer` called `echo` with this spec.
pub fn server(spec: &Value) -> MCPServer {
    serde_json::from_value(server_json(spec)).expect("the fixture is a valid MCPServer")
}

/// The same, before anybody has looked whether it can be read.
pub fn server_json(spec: &Value) -> Value {
    json!({
        "apiVersion": "landfall.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "echo", "namespace": "team", "uid": "6c1b", "generation": 1},
        "spec": spec,
    })
}

/// The smallest spec.
pub fn smallest() -> Value {
    json!({"image": "mcp/everything:1", "port": 3001})
}

/// The smallest spec, with the fields of `more` added.
pub fn smallest_with(more: &Value) -> Value {
    let mut spec = smallest();
    let (Some(spec_map), Some(more)) = (spec.as_object_mut(), more.as_object()) else {
        panic!("a spec is an object");
    };
    spec_map.extend(more.clone());
    spec
}

/// The outcome of validation with nothing referred to and a plain cluster.
pub fn validated(spec: &Value) -> Result<ValidatedServer, Problems> {
    validate(&server(spec), &References::default(), &Platform::default())
}

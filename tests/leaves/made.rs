//! What becomes of a spec, without a cluster: it is refused, and by whom, or children are built.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use landfall::admission::Admission;
use landfall::api::{MCPServer, unreadable};
use landfall::build::build;
use landfall::children::{Child, Children, Desired, Make, Nothing};
use landfall::references::{Found, Front, GatewayApi, References, Running, Source};
use landfall::settings::Platform;
use landfall::validate::{Problem, ValidatedServer, validate};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::schema::{Leaf, Step};

/// Why there are no children.
#[derive(Debug)]
pub enum Refusal {
    /// The API server does not store the resource.
    Admission(Vec<Problem>),
    /// It cannot be read.
    Undecodable(String),
    /// The operator's own rules.
    Validation(Vec<Problem>),
}

/// What a spec amounts to.
pub struct Made {
    pub server: ValidatedServer,
    pub children: Children<Desired>,
}

/// The way from a spec to children, as the API server and the operator go it.
pub struct Maker {
    admission: Admission,
    platform: Platform,
}

impl Maker {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            admission: Admission::new()?,
            platform: Platform { allow_cluster_rules: true, ..Platform::default() },
        })
    }

    pub fn make(&self, spec: &Value) -> Result<Made, Refusal> {
        self.make_in("team", "echo", spec)
    }

    /// As [`Self::make`], of a server of this name.
    pub fn make_in(&self, namespace: &str, name: &str, spec: &Value) -> Result<Made, Refusal> {
        let resource = json!({
            "apiVersion": "landfall.dev/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": name, "namespace": namespace, "uid": "00000000-0000-4000-8000-000000000000"},
            "spec": spec,
        });
        let problems = self.admission.check(&resource);
        if !problems.is_empty() {
            return Err(Refusal::Admission(problems));
        }
        let server: MCPServer = serde_json::from_value(resource)
            .map_err(|error| Refusal::Undecodable(unreadable::explained(spec, &error.to_string())))?;
        let references = References::gather(&server.spec, look_up)
            .with_workloads(workloads(&server))
            .with_front(Front { gateway_api: GatewayApi::Served, ..Front::default() });
        let server = validate(&server, &references, &self.platform)
            .map_err(|problems| Refusal::Validation(problems.iter().cloned().collect()))?;
        Ok(Made { children: build(&server), server })
    }
}

/// All are up: what waits for a dependency has waited.
fn workloads(server: &MCPServer) -> BTreeMap<String, Running> {
    let name = server.name_any();
    let of_dependencies = server.spec.dependencies.iter().map(|it| format!("{name}-{}", it.name));
    let running = Running { hash: None, is_ready: true };
    of_dependencies.chain([name.clone()]).map(|it| (it, running.clone())).collect()
}

/// `ConfigMaps` are watched, Secrets are not; whatever is asked for is there.
fn look_up(source: Source, name: &str) -> Found {
    match source {
        Source::Secret => Found::Unknown,
        Source::ConfigMap => {
            let map: ConfigMap =
                serde_json::from_value(json!({"data": {"one": name, "two": name}})).unwrap_or_default();
            Found::Present(map.digests())
        }
    }
}

impl Made {
    /// The children as JSON, which can be compared.
    pub fn written(&self) -> Vec<Value> {
        struct Write<'a>(&'a Children<Desired>, Vec<Value>);
        impl Make<Nothing> for Write<'_> {
            fn make<K: Child>(&mut self) {
                self.1.extend(K::of(self.0).iter().map(|it| json!(it)));
            }
        }
        let mut write = Write(&self.children, Vec::new());
        Children::<Nothing>::from_each(&mut write);
        write.1
    }
}

impl Refusal {
    /// What a person reads.
    pub fn text(&self) -> String {
        match self {
            Self::Undecodable(error) => error.clone(),
            Self::Admission(problems) | Self::Validation(problems) => {
                let texts: Vec<_> = problems.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
                texts.join("; ")
            }
        }
    }
}

/// Whether a text says which field it is about: its path, or its name and a part of its path.
pub fn names(text: &str, leaf: &Leaf) -> bool {
    let text = without_places(text);
    let fields = leaf.steps.iter().filter_map(|it| if let Step::Field(name) = it { Some(name.as_str()) } else { None });
    let path: Vec<_> = std::iter::once("spec").chain(fields).collect();
    if text.contains(&path.join(".")) {
        return true;
    }
    let has = |name: &str| text.split(|it: char| !it.is_ascii_alphanumeric()).any(|it| it.eq_ignore_ascii_case(name));
    let is_within = || (2..path.len()).any(|end| text.contains(&path[..end].join(".")));
    // The cluster knows the same field by its place in a child, and may stop at what it stands in.
    let parent = path[path.len() - 2];
    let is_in_child = || text.contains(CLUSTER_REFUSES) && (has(leaf.name()) || (path.len() > 3 && has(parent)));
    (has(leaf.name()) && (path.len() == 2 || is_within())) || is_in_child()
}

/// How the operator begins to tell what the API server says of a child.
const CLUSTER_REFUSES: &str = "the cluster refuses ";

/// Items of lists are told apart by their number or their name; which one it is does not matter here.
fn without_places(text: &str) -> String {
    let mut outside = String::new();
    let mut is_within = false;
    for it in text.chars() {
        // Behind a space, it begins a list of errors.
        let follows_a_name = outside.ends_with(|it: char| it.is_ascii_alphanumeric());
        match it {
            '[' if follows_a_name && !is_within => is_within = true,
            ']' if is_within => is_within = false,
            it if !is_within => outside.push(it),
            _ => {}
        }
    }
    outside
}

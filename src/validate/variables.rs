//! Environment variables: those of the operator, which stand before the user's own, and whether
//! every `$(NAME)` that Kubernetes will expand has a value by then.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodTemplateSpec};
use std::collections::BTreeSet;

use super::expansion::{self, Piece};
use super::{Problems, ServerName, ServicePlan, service};
use crate::api::{DEFAULT_PATH, MCPServerSpec};
use crate::build::SERVER_CONTAINER;
use crate::settings::Platform;

/// Variables that Kubernetes puts into every container, also without service links.
const OF_KUBERNETES: [&str; 2] = ["KUBERNETES_SERVICE_", "KUBERNETES_PORT"];

/// The operator's variables, in their order in the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variables(Vec<(&'static str, String)>);

impl Variables {
    pub(super) fn new(
        name: &ServerName,
        namespace: &str,
        spec: &MCPServerSpec,
        service: &ServicePlan,
        platform: &Platform,
    ) -> Self {
        let host = service::host(name, namespace, platform);
        Self(vec![
            ("MCP_PUBLIC_URL", service.url(name, namespace, spec.path.as_deref(), platform)),
            ("MCP_PUBLIC_HOST", host.clone()),
            ("MCP_ALLOWED_HOSTS", allowed_hosts(name, namespace, &host, service.port, spec.port)),
            ("MCP_SERVICE_HOST", host),
            ("MCP_PORT", spec.port.to_string()),
            ("MCP_PATH", spec.path.clone().unwrap_or_else(|| DEFAULT_PATH.into())),
            ("NAMESPACE", namespace.to_owned()),
        ])
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The names, for a message.
    pub(super) fn names(&self) -> String {
        self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The environment of the server: a variable of the spec replaces the operator's of that name,
    /// and may use its value.
    pub(super) fn environment(&self, spec: &MCPServerSpec) -> Vec<EnvVar> {
        let is_replaced = |name: &str| spec.env.iter().any(|own| own.name == name);
        let operators = self.0.iter().filter(|(name, _)| !is_replaced(name)).map(|(name, value)| EnvVar {
            name: (*name).into(),
            value: Some(expansion::escaped(value)),
            value_from: None,
        });
        let own = spec.env.iter().cloned().map(|mut variable| {
            if let (Some(value), Some(operators)) = (&variable.value, self.get(&variable.name)) {
                let operators = expansion::escaped(operators);
                let replaced = |name: &str| (name == variable.name).then_some(operators.as_str());
                variable.value = Some(expansion::expanded(value, replaced));
            }
            variable
        });
        operators.chain(own).collect()
    }
}

/// Every name under which the server is called: the Service's, each without and with its port, and
/// those that `kubectl port-forward` leads to it, to the Service's port or to the pod's.
fn allowed_hosts(name: &ServerName, namespace: &str, host: &str, service_port: i32, pod_port: i32) -> String {
    let names = [name.to_string(), format!("{name}.{namespace}"), format!("{name}.{namespace}.svc"), host.to_owned()];
    let of_service = names.iter().flat_map(|name| [name.clone(), format!("{name}:{service_port}")]);
    let ports = BTreeSet::from([service_port, pod_port]);
    let forwarded = ["localhost", "127.0.0.1"].into_iter().flat_map(|name| {
        let with_port = ports.iter().map(move |port| format!("{name}:{port}"));
        std::iter::once(name.to_owned()).chain(with_port)
    });
    of_service.chain(forwarded).collect::<Vec<_>>().join(",")
}

/// Notes each `$(NAME)` that nothing defines, or that is defined too late.
pub(super) fn check_references(
    spec: &MCPServerSpec,
    variables: &Variables,
    template: Option<&PodTemplateSpec>,
    problems: &mut Problems,
) {
    check_values(spec, variables, problems);
    let template = server_container(template);
    let of_template = template.iter().flat_map(|it| it.env.iter().flatten()).map(|it| it.name.as_str());
    let set: BTreeSet<_> = spec.env.iter().map(|it| it.name.as_str()).chain(of_template).collect();
    // The names of an object's keys are known only when a pod starts.
    let is_open = !spec.env_from.is_empty() || template.is_some_and(|it| it.env_from.is_some());
    for (field, texts) in [("command", &spec.command), ("args", &spec.args)] {
        for (at, text) in texts.iter().enumerate() {
            for name in references(text) {
                if !is_open && !set.contains(name) && variables.get(name).is_none() {
                    problems.add(format!("spec.{field}[{at}]"), undefined(name, "set it in spec.env"));
                }
            }
        }
    }
}

/// Kubernetes expands a value from the entries above it alone.
fn check_values(spec: &MCPServerSpec, variables: &Variables, problems: &mut Problems) {
    for (at, variable) in spec.env.iter().enumerate() {
        for name in variable.value.iter().flat_map(|value| references(value)) {
            let field = format!("spec.env[{at}].value");
            let set_at = spec.env.iter().position(|it| it.name == name);
            match set_at {
                Some(place) if place < at => {}
                Some(place) if place > at => problems.add(
                    field,
                    format!("\"$({name})\" is used before it is set in spec.env[{place}]: move that entry above this"),
                ),
                // Itself, or nobody: the operator's value serves both.
                _ if variables.get(name).is_some() => {}
                Some(_) => problems.add(field, undefined(name, "a variable cannot hold its own value")),
                None if spec.env_from.is_empty() => problems.add(field, undefined(name, "set it above this entry")),
                None => problems.add(
                    field,
                    undefined(
                        name,
                        "set it above this entry; variables of envFrom can be used in command and args only",
                    ),
                ),
            }
        }
    }
}

fn undefined(name: &str, help: &str) -> String {
    format!("\"$({name})\" names no variable: {help}, or write \"$$({name})\" for the text itself")
}

/// Names of variables that `text` refers to, apart from those that every container has.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    expansion::pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Reference(name) if expansion::is_conventional(name) => {
            (!OF_KUBERNETES.iter().any(|prefix| name.starts_with(prefix))).then_some(name)
        }
        _ => None,
    })
}

fn server_container(template: Option<&PodTemplateSpec>) -> Option<&Container> {
    template?.spec.as_ref()?.containers.iter().find(|it| it.name == SERVER_CONTAINER)
}

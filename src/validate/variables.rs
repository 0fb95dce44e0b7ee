//! Environment variables: those of the operator, which stand before the user's own, and whether
//! every `$(NAME)` that Kubernetes will expand has a value by then.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, PodTemplateSpec, SecretKeySelector};
use std::collections::BTreeSet;

use super::expansion::{self, Piece};
use super::{ExposurePlan, Problems, ServerName, ServicePlan, service};
use crate::api::{DEFAULT_PATH, MCPServerSpec};
use crate::build::SERVER_CONTAINER;
use crate::settings::Platform;

/// Variables that Kubernetes puts into every container, also without service links.
const OF_KUBERNETES: [&str; 2] = ["KUBERNETES_SERVICE_", "KUBERNETES_PORT"];

/// A variable that Landfall gives to a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Known by now.
    Text(String),
    /// Known when the pod starts: `$(NAME)` in it stands for a variable above it.
    Composed(String),
    /// A key of a Secret.
    Key(SecretKeySelector),
}

impl Variable {
    pub(super) fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Text(value.into()) }
    }

    /// As Kubernetes takes it.
    fn to_env(&self) -> EnvVar {
        let (value, key) = match &self.value {
            Value::Text(_) | Value::Composed(_) => (self.value.expandable(), None),
            Value::Key(key) => (None, Some(key.clone())),
        };
        let value_from = key.map(|key| EnvVarSource { secret_key_ref: Some(key), ..EnvVarSource::default() });
        EnvVar { name: self.name.clone(), value, value_from }
    }
}

impl Value {
    /// As a text that Kubernetes expands to the value; `None` for what only a variable can hold.
    fn expandable(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(expansion::escaped(text)),
            Self::Composed(text) => Some(text.clone()),
            Self::Key(_) => None,
        }
    }

    fn uses(&self, name: &str) -> bool {
        matches!(self, Self::Composed(text) if references(text).any(|it| it == name))
    }
}

/// The variables that Landfall gives to a container, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Variables(Vec<Variable>);

/// How a server is called, and from where.
pub(super) struct Addressed<'a> {
    pub(super) name: &'a ServerName,
    pub(super) namespace: &'a str,
    pub(super) service: &'a ServicePlan,
    pub(super) exposure: Option<&'a ExposurePlan>,
}

impl Variables {
    /// Those of every server.
    pub(super) fn of_server(server: &Addressed<'_>, spec: &MCPServerSpec, platform: &Platform) -> Self {
        let Addressed { name, namespace, service, exposure } = server;
        let host = service::host(name, namespace, platform);
        let in_cluster = || service.url(name, namespace, spec.path.as_deref(), platform);
        let url = exposure.map_or_else(in_cluster, |it| it.expected_url(namespace));
        let (public_host, _) = host_and_port(&url);
        let hosts = allowed_hosts(server, &host, spec.port);
        Self(vec![
            Variable::text("MCP_PUBLIC_URL", url.as_str()),
            Variable::text("MCP_PUBLIC_HOST", public_host),
            Variable::text("MCP_ALLOWED_HOSTS", hosts),
            Variable::text("MCP_SERVICE_HOST", host),
            Variable::text("MCP_PORT", spec.port.to_string()),
            Variable::text("MCP_PATH", spec.path.clone().unwrap_or_else(|| DEFAULT_PATH.into())),
            Variable::text("NAMESPACE", *namespace),
        ])
    }

    pub(super) fn add(&mut self, variables: impl IntoIterator<Item = Variable>) {
        self.0.extend(variables);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|it| it.name == name).map(|it| &it.value)
    }

    /// The value of a variable that is known by now.
    pub(super) fn known(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            Value::Composed(_) | Value::Key(_) => None,
        }
    }

    /// The names of those that are known by now, for a message.
    pub(super) fn known_names(&self) -> String {
        let known = self.0.iter().filter(|it| matches!(it.value, Value::Text(_)));
        known.map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The environment of a container: a variable of the spec replaces Landfall's of that name, and
    /// may use its value.
    pub(super) fn environment(&self, spec: &MCPServerSpec) -> Vec<EnvVar> {
        let is_replaced = |name: &str| spec.env.iter().any(|own| own.name == name);
        let given = self.0.iter().filter(|it| !is_replaced(&it.name)).map(Variable::to_env);
        let own = spec.env.iter().cloned().map(|mut variable| {
            let replaced = self.get(&variable.name).and_then(Value::expandable);
            if let (Some(value), Some(replaced)) = (&variable.value, replaced) {
                let value_of = |name: &str| (name == variable.name).then_some(replaced.as_str());
                variable.value = Some(expansion::expanded(value, value_of));
            }
            variable
        });
        given.chain(own).collect()
    }
}

/// Every name under which the server is called: the Service's, each without and with its port, those
/// that `kubectl port-forward` leads to it, to the Service's port or to the pod's, and the public ones:
/// the route's, and that of what sits in front of it, which may hand on either.
fn allowed_hosts(server: &Addressed<'_>, host: &str, pod_port: i32) -> String {
    let Addressed { name, namespace, service, exposure } = server;
    let names = [name.to_string(), format!("{name}.{namespace}"), format!("{name}.{namespace}.svc"), host.to_owned()];
    let of_service = names.iter().flat_map(|name| [name.clone(), format!("{name}:{}", service.port)]);
    let ports = BTreeSet::from([service.port, pod_port]);
    let forwarded = ["localhost", "127.0.0.1"].into_iter().flat_map(|name| {
        let with_port = ports.iter().map(move |port| format!("{name}:{port}"));
        std::iter::once(name.to_owned()).chain(with_port)
    });
    let urls = exposure.iter().flat_map(|it| [it.expected_url(namespace), it.route_url(namespace)]);
    let public = urls.flat_map(|url| {
        let (host, port) = host_and_port(&url);
        let with_port = port.map(|port| format!("{host}:{port}"));
        [Some(host.to_owned()), with_port].into_iter().flatten()
    });
    let mut hosts: Vec<_> = of_service.chain(forwarded).chain(public).collect();
    let mut known = BTreeSet::new();
    hosts.retain(|it| known.insert(it.clone()));
    hosts.join(",")
}

/// Of a URL without user.
fn host_and_port(url: &str) -> (&str, Option<&str>) {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or(authority);
    authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
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
                    problems.add(format!("spec.{field}[{at}]"), undefined(name, variables, "set it in spec.env"));
                }
            }
        }
    }
}

/// Kubernetes expands a value from the entries above it alone.
fn check_values(spec: &MCPServerSpec, variables: &Variables, problems: &mut Problems) {
    for (at, variable) in spec.env.iter().enumerate() {
        check_replaced(at, variable, spec, variables, problems);
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
                None if variables.get(name).is_some() => {}
                Some(_) if variables.get(name).is_some_and(|it| it.expandable().is_some()) => {}
                Some(_) => problems.add(field, undefined(name, variables, "a variable cannot hold its own value")),
                None if spec.env_from.is_empty() => {
                    problems.add(field, undefined(name, variables, "set it above this entry"));
                }
                None => problems.add(
                    field,
                    undefined(
                        name,
                        variables,
                        "set it above this entry; variables of envFrom can be used in command and args only",
                    ),
                ),
            }
        }
    }
}

/// What others of Landfall's variables are made of stands before them, where one of the spec cannot.
fn check_replaced(at: usize, variable: &EnvVar, spec: &MCPServerSpec, variables: &Variables, problems: &mut Problems) {
    let is_kept = |it: &&Variable| spec.env.iter().all(|own| own.name != it.name);
    if let Some(user) = variables.0.iter().filter(is_kept).find(|it| it.value.uses(&variable.name)) {
        problems.add(
            format!("spec.env[{at}].name"),
            format!("\"{}\" is part of {}: set that one here, too, or choose another name", variable.name, user.name),
        );
    }
}

fn undefined(name: &str, variables: &Variables, help: &str) -> String {
    let of_login = ["_USERNAME", "_PASSWORD", "_DATABASE"];
    if let Some(prefix) = of_login.iter().find_map(|it| name.strip_suffix(it)) {
        let given: Vec<_> =
            variables.0.iter().map(|it| &it.name).filter(|it| it.starts_with(&format!("{prefix}_"))).collect();
        if let [first, others @ ..] = given.as_slice() {
            let given = others.iter().fold((*first).clone(), |all, it| format!("{all}, {it}"));
            return format!("\"$({name})\" names no variable: that dependency has no credentials; it gives {given}");
        }
    }
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

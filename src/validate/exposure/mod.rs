//! The way in for clients outside of the cluster: what to make for it, under which URL the server is to
//! be found, and what stands in the way, as far as that can be seen before anything is made.

mod classes;
mod way;

pub use way::{GatewayPlan, IngressPlan, ParentPlan, TlsPlan, Way};

use kube::ResourceExt;

use super::{Problems, names};
use crate::api::conditions::Reason;
use crate::api::{
    DEFAULT_PATH, Expose, ExposeGateway, ExposeIngress, MCPServer, MCPServerSpec, ParentReference, Sessions,
};
use crate::references::{Front, GatewayApi, Known, Route};
use crate::settings::{ExposeDefaults, Platform};

/// The way in, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ExposurePlan {
    pub host: String,
    /// Prefixes of the paths that lead to the server.
    pub paths: Vec<String>,
    /// Path of the MCP endpoint.
    pub mcp_path: String,
    /// What the spec says that clients use, path included.
    pub public_url: Option<String>,
    pub way: Way,
    /// What keeps it from leading anywhere.
    pub obstacle: Option<Obstacle>,
    /// Why sessions may get lost on this way.
    pub session_risk: Option<String>,
}

/// Something that has to change in the cluster first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub reason: Reason,
    pub message: String,
    /// Whether nothing can or may be made before.
    pub forbids: bool,
}

impl ExposurePlan {
    /// The URL under which the server is to be found, as far as can be told by now.
    pub(super) fn expected_url(&self, namespace: &str) -> String {
        self.public_url.clone().unwrap_or_else(|| self.route_url(namespace))
    }

    /// The same of the route itself, whatever sits in front of it.
    pub(super) fn route_url(&self, namespace: &str) -> String {
        let (is_tls, port) = self.way.expected(&self.host, namespace);
        self.url(is_tls, port)
    }

    /// URL of the MCP endpoint on this host. The path is used exactly as written; the port is left out
    /// where the scheme implies it.
    pub fn url(&self, is_tls: bool, port: i32) -> String {
        let (scheme, implied) = if is_tls { ("https", 443) } else { ("http", 80) };
        let port = if port == implied { String::new() } else { format!(":{port}") };
        format!("{scheme}://{}{port}{}", self.host, self.mcp_path)
    }

    /// Whether anything is to be made.
    pub fn is_made(&self) -> bool {
        !self.obstacle.as_ref().is_some_and(|it| it.forbids)
    }
}

pub(super) fn plan(
    server: &MCPServer,
    front: &Front,
    platform: &Platform,
    problems: &mut Problems,
) -> Option<ExposurePlan> {
    let (spec, expose) = (&server.spec, exposure_of(server, platform)?);
    let Some(host) = expose.host.clone() else {
        problems.add(
            "spec.expose.host",
            "is not set, and Landfall was started without a baseDomain to make one of: write one such as echo.example.com",
        );
        return None;
    };
    check_host(&host, problems);
    let mcp_path = spec.path.clone().unwrap_or_else(|| DEFAULT_PATH.into());
    check_paths(&expose.paths, &mcp_path, problems);
    let way = Way::of(&expose, front, problems)?;
    let wanted = Route { hosts: vec![host.clone()], paths: expose.paths.clone(), through: way.through() };
    let taken = front.taken_by(&server.namespace().unwrap_or_default(), &server.name_any(), &wanted).map(|(_, by)| Obstacle {
        reason: Reason::HostTaken,
        message: format!(
            "The host \"{host}\" is taken by {by}, which had it first: choose another in spec.expose.host, or remove it there."
        ),
        forbids: true,
    });
    Some(ExposurePlan {
        public_url: expose.public_url.as_ref().map(|url| with_path(url, &mcp_path)),
        session_risk: session_risk(spec, &way),
        obstacle: taken.or_else(|| way.obstacle(front)),
        paths: expose.paths.clone(),
        host,
        mcp_path,
        way,
    })
}

/// The schema cannot count the labels of a name.
fn check_host(host: &str, problems: &mut Problems) {
    if !names::is_dns_subdomain(host) || host.split('.').any(|label| label.len() > 63) {
        problems.add(
            "spec.expose.host",
            format!("\"{host}\" is no DNS name: use labels of at most 63 lower-case letters, digits and '-', such as echo.example.com"),
        );
    }
}

fn check_paths(paths: &[String], mcp_path: &str, problems: &mut Problems) {
    if !paths.iter().any(|prefix| covers(prefix, mcp_path)) {
        problems.add(
            "spec.expose.paths",
            format!("none of {} covers spec.path, \"{mcp_path}\": add it, or leave paths out", paths.join(", ")),
        );
    }
}

/// Prefixes are taken path element by path element.
fn covers(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn with_path(url: &str, path: &str) -> String {
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { url.to_owned() } else { format!("{url}{path}") }
}

/// A stateful server's clients have to come back to the same pod. Proxies call pods themselves, so
/// the Service's affinity does not hold, and MCP clients keep no cookies.
fn session_risk(spec: &MCPServerSpec, way: &Way) -> Option<String> {
    let most = spec.autoscaling.as_ref().map_or(spec.replicas.unwrap_or(1), |it| it.max_replicas);
    if most <= 1 || spec.sessions == Some(Sessions::Stateless) || way.is_sticky() {
        return None;
    }
    Some(format!(
        "sessions get lost: there may be {most} pods, and {} leads a client to another one with each call (one pod, or \
         sessions: Stateless where the server can, would mend that)",
        way.text()
    ))
}

/// What the spec says of the way in, filled in with what administrators have decided.
pub fn exposure_of(server: &MCPServer, platform: &Platform) -> Option<Expose> {
    let defaults = &platform.expose;
    let (name, namespace) = (server.name_any(), server.namespace().unwrap_or_default());
    let mut expose = server.spec.expose.clone()?;
    let default_host = || Some(format!("{name}.{namespace}.{}", defaults.base_domain.as_ref()?));
    expose.host = expose.host.or_else(default_host);
    if expose.paths.is_empty() {
        expose.paths = vec!["/".into()];
    }
    if expose.ingress.is_none() && (expose.gateway.is_some() || defaults.default_gateway.is_some()) {
        fill_gateway(expose.gateway.get_or_insert_default(), &namespace, defaults);
    } else {
        fill_ingress(expose.ingress.get_or_insert_default(), &name, defaults);
    }
    Some(expose)
}

fn fill_gateway(gateway: &mut ExposeGateway, namespace: &str, defaults: &ExposeDefaults) {
    if gateway.parent_refs.is_empty() {
        gateway.parent_refs.extend(defaults.default_gateway.clone());
    }
    for parent in &mut gateway.parent_refs {
        parent.namespace.get_or_insert_with(|| namespace.to_owned());
    }
}

fn fill_ingress(ingress: &mut ExposeIngress, name: &str, defaults: &ExposeDefaults) {
    ingress.class_name = ingress.class_name.take().or_else(|| defaults.default_ingress_class.clone());
    if defaults.default_issuer.is_some() {
        ingress.tls.get_or_insert_default();
    }
    if let Some(tls) = &mut ingress.tls {
        if tls.secret_name.is_none() && tls.issuer.is_none() && tls.cluster_issuer.is_none() {
            tls.cluster_issuer.clone_from(&defaults.default_issuer);
        }
        if tls.issuer.is_some() || tls.cluster_issuer.is_some() {
            tls.secret_name.get_or_insert_with(|| format!("{name}-tls"));
        }
    }
}

/// Checks the setting of that name.
pub fn base_domain(text: &str) -> Result<String, String> {
    let domain = text.trim_start_matches("*.").trim_end_matches('.');
    if names::is_dns_subdomain(domain) {
        return Ok(domain.to_owned());
    }
    Err("a base domain is a DNS name in lower case, such as mcp.example.com".into())
}

/// Reads the setting of that name: `NAMESPACE/NAME`, or `NAMESPACE/NAME/LISTENER`.
pub fn default_gateway(text: &str) -> Result<ParentReference, String> {
    let parts: Vec<_> = text.split('/').collect();
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(|it| names::is_dns_subdomain(it)) {
        return Err("a gateway is NAMESPACE/NAME, or NAMESPACE/NAME/LISTENER, such as gateways/public/https".into());
    }
    let text = |at: usize| parts.get(at).map(|it| (*it).to_owned());
    Ok(ParentReference { namespace: text(0), name: text(1).unwrap_or_default(), section_name: text(2), port: None })
}

impl Obstacle {
    /// One that may end while what is to be made is there.
    fn passing(reason: Reason, message: String) -> Self {
        Self { reason, message, forbids: false }
    }

    fn without_gateway_api(api: &GatewayApi) -> Option<Self> {
        let message = match api {
            GatewayApi::Served => return None,
            GatewayApi::Absent => "The cluster has no Gateway API: install it (its CustomResourceDefinitions and a \
                                   controller), or use spec.expose.ingress. It is noticed by itself."
                .to_owned(),
            GatewayApi::Old(versions) => format!(
                "The cluster has the Gateway API only in {}, and v1 is needed: upgrade its CustomResourceDefinitions, or \
                 use spec.expose.ingress. It is noticed by itself.",
                versions.join(", ")
            ),
        };
        Some(Self { reason: Reason::GatewayAPIMissing, message, forbids: true })
    }
}

/// Whether something is known not to be there.
fn is_absent<T>(known: &Known<T>) -> bool {
    matches!(known, Known::Absent)
}

#[cfg(test)]
mod tests;

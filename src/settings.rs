//! What an administrator may set for the whole operator: flags, each with an environment variable
//! of the same name. Read once, checked, and shown by `--print-settings`.

mod server_defaults;
mod shard;

pub use server_defaults::ServerDefaults;
pub use shard::Shard;

use clap::{Args, ValueEnum};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

use crate::api::{ParentReference, interval};
use crate::validate;

/// Settings of the operator.
#[derive(Args, Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Namespaces to serve, separated by commas. Default: all.
    #[arg(long, env = "LANDFALL_NAMESPACES", value_delimiter = ',', value_parser = namespace)]
    pub namespaces: Vec<String>,

    /// Serves one share of the namespaces and leaves the others to as many more operators: INDEX/COUNT,
    /// such as 0/3, 1/3 and 2/3. By the name of a namespace alone it is decided which share it is in.
    /// Default: all of them.
    #[arg(long, env = "LANDFALL_SHARD")]
    pub shard: Option<Shard>,

    /// DNS domain of the cluster's Services. Default: found in /etc/resolv.conf, else cluster.local.
    #[arg(long, env = "LANDFALL_CLUSTER_DOMAIN")]
    pub cluster_domain: Option<String>,

    /// Watches Secrets, so that a missing one is named at once. It needs the right to list and
    /// watch all Secrets of the namespaces served; their values are not kept.
    #[arg(long, env = "LANDFALL_WATCH_SECRETS")]
    pub watch_secrets: bool,

    /// Lets specs ask for rights in the whole cluster (`serviceAccount.clusterRules`, and `bind` with
    /// `clusterWide`). It needs the right to write `ClusterRoles` and their bindings. Whoever may write an
    /// `MCPServer` can then give its pods, in every namespace, whatever the operator may do or grant.
    #[arg(long, env = "LANDFALL_ALLOW_CLUSTER_RULES")]
    pub allow_cluster_rules: bool,

    /// Registry, with a path if it has one, from which images are pulled that name no registry of
    /// their own: `mcp/everything` becomes `MIRROR/mcp/everything`, `redis` becomes
    /// `MIRROR/library/redis`. An image that names its registry (`docker.io/mcp/everything`) is left
    /// alone. Default: none.
    #[arg(long, env = "LANDFALL_REGISTRY_MIRROR", value_parser = validate::registry_mirror)]
    pub registry_mirror: Option<String>,

    /// What holds for servers whose spec says nothing about it, as YAML or JSON, or `@` and a file:
    /// resources, nodeSelector, tolerations, runtimeClassName, priorityClassName, imagePullSecrets,
    /// podSecurityContext and securityContext, as in a spec. A field of the spec replaces the default;
    /// in a security context, it replaces that field alone. Default: none.
    #[arg(long, env = "LANDFALL_SERVER_DEFAULTS", default_value = "", hide_default_value = true, value_parser = validate::server_defaults)]
    pub server_defaults: ServerDefaults,

    /// How servers are exposed where their specs say nothing about it.
    #[command(flatten)]
    pub expose: ExposeDefaults,

    /// Watches the `IngressClasses`, `GatewayClasses` and Gateways of the whole cluster, which servers
    /// with `expose` refer to. Without it, their URLs at gateways are not known, and streams are set up
    /// for no class. Default: true where all namespaces are served.
    #[arg(long, env = "LANDFALL_WATCH_CLASSES", action = clap::ArgAction::Set)]
    pub watch_classes: Option<bool>,

    /// How many servers are reconciled at the same time.
    #[arg(long, env = "LANDFALL_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,

    /// Elects a leader by a Lease, so that of several replicas one works. Set to false for a single
    /// process on a laptop.
    #[arg(long, env = "LANDFALL_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,

    /// Namespace of the Lease. Default: that of the operator's own pod, else `default`.
    #[arg(long, env = "LANDFALL_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// How servers are verified.
    #[command(flatten)]
    pub verification: VerificationSettings,

    /// Address on which /livez, /readyz and /metrics are served.
    #[arg(long, env = "LANDFALL_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// The catalog of servers.
    #[command(flatten)]
    pub catalog: CatalogSettings,

    /// Form of the log on standard error.
    #[arg(long, env = "LANDFALL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a filter such as
    /// `info,landfall=debug`.
    #[arg(long, env = "LANDFALL_LOG", default_value = "info")]
    pub log: String,
}

impl Settings {
    /// Whether classes and gateways, which are the whole cluster's, may be watched.
    pub fn watches_classes(&self) -> bool {
        self.watch_classes.unwrap_or(self.namespaces.is_empty())
    }

    /// The namespaces to serve, each by itself, or `None` for all of them together.
    pub fn scopes(&self) -> Vec<Option<String>> {
        if self.namespaces.is_empty() { vec![None] } else { self.namespaces.iter().cloned().map(Some).collect() }
    }
}

/// The catalog of servers.
#[derive(Args, Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct CatalogSettings {
    /// Serves a catalog of the servers in the namespaces served: a page for people, and the MCP registry's
    /// API for clients. Whoever reaches its address can read it: names, URLs and states of servers, and what
    /// they say of themselves. See docs/catalog.md.
    #[arg(long = "catalog", id = "catalog", env = "LANDFALL_CATALOG")]
    pub enabled: bool,

    /// Address on which the catalog is served.
    #[arg(
        long = "catalog-listen",
        id = "catalog-listen",
        env = "LANDFALL_CATALOG_LISTEN",
        default_value = "0.0.0.0:8081"
    )]
    pub listen: SocketAddr,
}

/// How servers are verified.
#[derive(Args, Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSettings {
    /// Time between two conversations with a server that answers them, where its spec names none:
    /// from 10s to 24h, such as 15s or 1m30s.
    #[arg(long = "verification-interval", id = "verification-interval", env = "LANDFALL_VERIFICATION_INTERVAL", default_value = "1m", value_parser = Interval::parse)]
    pub interval: Interval,

    /// How many conversations are held at the same time. A quarter of the places is for servers that
    /// let one wait.
    #[arg(long = "verification-concurrency", id = "verification-concurrency", env = "LANDFALL_VERIFICATION_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub concurrency: u16,

    /// How servers are reached.
    #[arg(long = "verification-route", id = "verification-route", env = "LANDFALL_VERIFICATION_ROUTE", value_enum, default_value_t = VerificationRoute::Direct)]
    pub route: VerificationRoute,

    /// Calls servers that are exposed at their public URL, too, at the address that the ingress or
    /// gateway has; no public DNS is needed. Set to false where the operator cannot reach it:
    /// `Exposed` then says no more than that the way in was admitted.
    #[arg(long = "verification-front-door", id = "verification-front-door", env = "LANDFALL_VERIFICATION_FRONT_DOOR", default_value_t = true, action = clap::ArgAction::Set)]
    pub front_door: bool,
}

/// How servers are exposed where their specs say nothing about it.
#[derive(Args, Serialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExposeDefaults {
    /// Domain under which each server has a host name of its own, NAME.NAMESPACE.DOMAIN, unless its
    /// spec names another, such as mcp.example.com. Its DNS has to lead to the ingress or gateway.
    /// Default: none, so that specs have to name a host.
    #[arg(long, env = "LANDFALL_BASE_DOMAIN", value_parser = validate::base_domain)]
    pub base_domain: Option<String>,

    /// `IngressClass` of servers whose specs name none. Default: the cluster's default class.
    #[arg(long, env = "LANDFALL_DEFAULT_INGRESS_CLASS")]
    pub default_ingress_class: Option<String>,

    /// Gateway of servers whose specs name neither a gateway nor an ingress: NAMESPACE/NAME, or
    /// NAMESPACE/NAME/LISTENER. Default: none, so that they get an Ingress.
    #[arg(long, env = "LANDFALL_DEFAULT_GATEWAY", value_parser = validate::default_gateway)]
    #[serde(serialize_with = "as_written")]
    pub default_gateway: Option<ParentReference>,

    /// `ClusterIssuer` of cert-manager from which an Ingress gets its certificate where its spec names
    /// neither a Secret nor an issuer. Default: none, so that such an Ingress has no TLS.
    #[arg(long, env = "LANDFALL_DEFAULT_ISSUER")]
    pub default_issuer: Option<String>,
}

/// How servers are reached to be verified.
#[derive(ValueEnum, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationRoute {
    /// At the URL that clients within the cluster use.
    Direct,
    /// Through the API server, for an operator outside of the cluster. It needs the right to get,
    /// create and delete services/proxy.
    ApiServer,
    /// Not at all: Ready then says no more than that pods are ready.
    None,
}

/// A time, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    text: String,
    duration: Duration,
}

impl Interval {
    fn parse(text: &str) -> Result<Self, String> {
        let duration = interval(text).ok_or("an interval is from 10s to 24h, such as 15s or 1m30s")?;
        Ok(Self { text: text.to_owned(), duration })
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl Serialize for Interval {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Form of the log.
#[derive(ValueEnum, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is the same for all servers: what the cluster is like, and what its administrators decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// DNS domain of the cluster's Services.
    pub cluster_domain: String,
    /// Whether this is `OpenShift`, which assigns users and groups to pods itself.
    pub openshift: bool,
    /// Where images are pulled from that name no registry.
    pub registry_mirror: Option<String>,
    /// What holds where a spec says nothing.
    pub server_defaults: ServerDefaults,
    /// Whether specs may ask for rights in the whole cluster.
    pub allow_cluster_rules: bool,
    /// Whether the operator itself may read Secrets.
    pub watch_secrets: bool,
    /// How servers are exposed where a spec says nothing.
    pub expose: ExposeDefaults,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            cluster_domain: "cluster.local".into(),
            openshift: false,
            registry_mirror: None,
            server_defaults: ServerDefaults::default(),
            allow_cluster_rules: false,
            watch_secrets: false,
            expose: ExposeDefaults::default(),
        }
    }
}

/// A gateway as the flag takes it.
#[expect(clippy::ref_option, reason = "serde's signature")]
fn as_written<S: serde::Serializer>(gateway: &Option<ParentReference>, serializer: S) -> Result<S::Ok, S::Error> {
    let parts = |it: &ParentReference| {
        let parts = [it.namespace.as_deref(), Some(it.name.as_str()), it.section_name.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    };
    gateway.as_ref().map(parts).serialize(serializer)
}

/// The cluster's domain as a pod's resolver is told of it: `search NS.svc.DOMAIN svc.DOMAIN …`.
pub fn domain_of(resolv_conf: &str) -> Option<String> {
    let words =
        resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("search ")).flat_map(str::split_whitespace);
    words.filter_map(|word| word.strip_prefix("svc.")).map(|domain| domain.trim_end_matches('.').to_owned()).next()
}

fn namespace(text: &str) -> Result<String, String> {
    let fits = |it: &str| it.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !text.is_empty() && text.len() <= 63 && fits(text) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    Err("a namespace has at most 63 lower-case letters, digits and '-', such as team-a".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_read_from_a_pods_resolver() {
        let pod =
            "nameserver 10.96.0.10\nsearch team.svc.corp.example svc.corp.example corp.example\noptions ndots:5\n";
        assert_eq!(domain_of(pod).as_deref(), Some("corp.example"));
        assert_eq!(domain_of("nameserver 1.1.1.1\nsearch home\n"), None);
    }

    #[test]
    fn a_namespace_that_cannot_exist_is_refused() {
        assert!(namespace("team-a").is_ok());
        for text in ["", "-a", "a-", "Team", "a b", "a/b", &"a".repeat(64)] {
            assert!(namespace(text).is_err(), "{text:?}");
        }
    }
}

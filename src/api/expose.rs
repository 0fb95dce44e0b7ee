//! The way in for clients outside of the cluster.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::schema;

/// The way in for clients outside of the cluster: an `Ingress` or an `HTTPRoute`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.ingress) || !has(self.gateway)")
    .message("expose has one way in: give one of ingress and gateway"))]
pub struct Expose {
    /// Host name under which clients call the server, without scheme and port. Default:
    /// `NAME.NAMESPACE.BASE_DOMAIN`, where Landfall was started with a `baseDomain`.
    /// Example: `echo.mcp.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$') && !self.matches('^[0-9.]*$')")
        .message("expose.host must be a DNS name in lower case without scheme, port and wildcard, such as echo.example.com"))]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,

    /// An `Ingress`, in the server's own namespace. Default: that, where Landfall was started with no
    /// `defaultGateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<ExposeIngress>,

    /// An `HTTPRoute` of the Gateway API. Default: that, where Landfall was started with a
    /// `defaultGateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<ExposeGateway>,

    /// Prefixes of the paths that lead to the server, passed on as they are. One of them has to cover
    /// `spec.path`; with the default, also `/.well-known` is the server's. Default: `[/]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 16), schema_with = "schema::path_prefixes")]
    pub paths: Vec<String>,

    /// The URL that clients use, where it is not what the `Ingress` or the `Gateway` says, since TLS or a
    /// port mapping sits in front of them. Without a path, `spec.path` is added. Default: what was
    /// admitted. Example: `https://mcp.example.com:8443`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$') && !self.matches('[?#]')")
        .message("expose.publicUrl must be an http or https URL without user, query and fragment, such as https://mcp.example.com"))]
    #[schemars(length(max = 1024))]
    pub public_url: Option<String>,
}

/// An `Ingress`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExposeIngress {
    /// `IngressClass`. What streams need of its controller is set by annotations, unless those given
    /// here say otherwise. Default: Landfall's `defaultIngressClass`, else the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("expose.ingress.className must be the name of an IngressClass: lower-case letters, digits, '-' and '.'"))]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,

    /// Annotations of the `Ingress`, over those that Landfall sets for the class. Default: none.
    /// Example: `{traefik.ingress.kubernetes.io/router.middlewares: team-auth@kubernetescrd}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Where the certificate comes from. `{}` stands for the controller's own. Default: Landfall's
    /// `defaultIssuer`, else no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ExposeTls>,
}

/// Where the certificate comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.issuer) || !has(self.clusterIssuer)")
    .message("a certificate has one issuer: give one of issuer and clusterIssuer"))]
pub struct ExposeTls {
    /// Secret of type `kubernetes.io/tls` in the server's namespace. Default: with an issuer,
    /// `NAME-tls`, which cert-manager makes; else the controller's own certificate is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("expose.ingress.tls.secretName must be the name of a Secret: lower-case letters, digits, '-' and '.'"))]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,

    /// cert-manager's `Issuer` in the server's namespace. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub issuer: Option<String>,

    /// cert-manager's `ClusterIssuer`. Default: Landfall's `defaultIssuer`, where neither a Secret nor
    /// an issuer is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub cluster_issuer: Option<String>,
}

/// An `HTTPRoute`. Its TLS is that of the `Gateway`'s listener.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExposeGateway {
    /// Gateways that the route is attached to. Default: Landfall's `defaultGateway`.
    /// Example: `[{name: public, namespace: gateways, sectionName: https}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub parent_refs: Vec<ParentReference>,

    /// How long an answer may take. Default: `{request: 0s}`, without limit, so that streams stay
    /// open; left out where the `GatewayClass` says that it has no such limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<RouteTimeouts>,

    /// Filters of the route, as in an `HTTPRoute` (see `kubectl explain
    /// httproute.spec.rules.filters`), for authentication and the like. Default: none.
    /// Example: `[{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: auth}}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::raw_objects")]
    pub filters: Vec<Map<String, Value>>,
}

/// A `Gateway` that a route is attached to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Name of the `Gateway`.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("a parentRef's name must be the name of a Gateway: lower-case letters, digits, '-' and '.'"))]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its namespace. Default: the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("a parentRef's namespace must be the name of a namespace: lower-case letters, digits and '-'"))]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// Name of one of its listeners. Default: all that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,

    /// Port of its listeners. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// How long an answer may take; `0s` stands for without limit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteTimeouts {
    /// From the first byte of a request to the last of its answer, such as `1h`. Default: `0s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_GATEWAY_DURATION).message(schema::IS_GATEWAY_DURATION_MESSAGE))]
    #[schemars(length(max = 32))]
    pub request: Option<String>,

    /// The same for one attempt to reach a pod. Default: none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_GATEWAY_DURATION).message(schema::IS_GATEWAY_DURATION_MESSAGE))]
    #[schemars(length(max = 32))]
    pub backend_request: Option<String>,
}

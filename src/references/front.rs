//! What there is of the ways in that a spec asks for, and who has its host already.

use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gateway_api::{Gateway, GatewayClass};

/// What is known of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Known<T> {
    /// Objects of this kind are not watched.
    #[default]
    Unwatched,
    /// It does not exist.
    Absent,
    There(T),
}

/// Whether the cluster has the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GatewayApi {
    #[default]
    Absent,
    /// Only versions of it that are too old.
    Old(Vec<String>),
    Served,
}

/// A gateway, with its class if that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownGateway {
    pub gateway: Arc<Gateway>,
    pub class: Option<Arc<GatewayClass>>,
}

/// Namespace and name.
pub type ObjectName = (String, String);

/// What there is of the ways in that a spec asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Front {
    /// The class of its Ingress.
    pub ingress_class: Known<Arc<IngressClass>>,
    /// The certificate that its Ingress names.
    pub certificate: Known<()>,
    pub gateway_api: GatewayApi,
    pub gateways: BTreeMap<ObjectName, Known<KnownGateway>>,
    /// Routes that have the server's host, its own among them.
    pub claims: Vec<Claim>,
}

/// What a route says that it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub hosts: Vec<String>,
    /// Prefixes or whole paths.
    pub paths: Vec<String>,
    /// The class, or the gateways, that it goes by.
    pub through: Vec<String>,
}

/// A route, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// Name of the `MCPServer` that owns it, if one does.
    pub server: Option<String>,
    pub created: Option<Timestamp>,
    pub route: Route,
}

impl Claim {
    /// The order in which claims are honoured: the oldest first.
    fn age(&self) -> (Option<Timestamp>, &str, &str) {
        (self.created, &self.namespace, &self.name)
    }

    /// Kind, namespace and name, for a message.
    fn text(&self) -> String {
        let (kind, name) = match &self.server {
            Some(server) => ("MCPServer", server),
            None => (self.kind.as_str(), &self.name),
        };
        format!("{kind} \"{name}\" in namespace \"{}\"", self.namespace)
    }
}

impl Front {
    /// Who else has `wanted` of this host, and had it before the server did. Between two servers it is
    /// the host that counts; a route of somebody else is in the way only where it takes the same way.
    pub fn taken_by(&self, namespace: &str, server: &str, wanted: &Route) -> Option<(&Claim, String)> {
        let is_own = |it: &&Claim| it.namespace == namespace && it.server.as_deref() == Some(server);
        let wants = |it: &&Claim| {
            it.route.hosts.iter().any(|host| wanted.hosts.contains(host))
                && it.route.paths.iter().any(|path| wanted.paths.contains(path))
        };
        let own = self.claims.iter().filter(is_own).filter(wants).map(Claim::age).min();
        let is_in_the_way = |it: &&Claim| {
            it.server.is_some()
                || it.route.through.is_empty()
                || it.route.through.iter().any(|way| wanted.through.contains(way))
        };
        let others = self.claims.iter().filter(|it| !is_own(it)).filter(wants).filter(is_in_the_way);
        let first = others.min_by(|a, b| a.age().cmp(&b.age()))?;
        own.is_none_or(|own| first.age() < own).then(|| (first, first.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, server: Option<&str>, created: i64, path: &str, way: &str) -> Claim {
        Claim {
            kind: "Ingress".into(),
            namespace: "team".into(),
            name: name.into(),
            server: server.map(Into::into),
            created: Timestamp::from_second(created).ok(),
            route: Route {
                hosts: vec!["echo.example.com".into()],
                paths: vec![path.into()],
                through: vec![way.into()],
            },
        }
    }

    fn wanted() -> Route {
        Route { hosts: vec!["echo.example.com".into()], paths: vec!["/".into()], through: vec!["nginx".into()] }
    }

    fn taken(claims: &[Claim]) -> Option<String> {
        let front = Front { claims: claims.to_vec(), ..Front::default() };
        front.taken_by("team", "echo", &wanted()).map(|it| it.1)
    }

    #[test]
    fn the_older_claim_keeps_the_host() {
        let own = |created| claim("echo", Some("echo"), created, "/", "nginx");
        let other = |created| claim("other", Some("other"), created, "/", "traefik");
        assert_eq!(taken(&[own(1)]), None);
        let said = taken(&[other(2)]).expect("it came first, there being none of our own");
        assert_eq!(said, "MCPServer \"other\" in namespace \"team\"");
        assert_eq!(taken(&[own(1), other(2)]), None);
        assert!(taken(&[own(2), other(1)]).is_some());
        assert_eq!(taken(&[own(1), other(1)]), None, "of the same age: by name");
    }

    #[test]
    fn others_are_in_the_way_only_on_the_same_way_and_path() {
        assert!(taken(&[claim("hand-made", None, 1, "/", "nginx")]).is_some_and(|it| it.starts_with("Ingress")));
        assert_eq!(taken(&[claim("hand-made", None, 1, "/", "internal")]), None);
        assert_eq!(taken(&[claim("solver", None, 1, "/.well-known/acme-challenge/x", "nginx")]), None);
        assert_eq!(taken(&[claim("beside", Some("beside"), 1, "/beside", "nginx")]), None);
    }
}

//! Which object the way in is made of, and what of it is known before it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::classes::{self, IngressController};
use super::{Obstacle, is_absent};
use crate::api::conditions::Reason;
use crate::api::{Expose, ExposeGateway, ExposeIngress, ExposeTls, ParentReference};
use crate::gateway_api::{Gateway, Listener};
use crate::references::{Front, Known, KnownGateway};
use crate::validate::{Problems, names};

/// Which object the way in is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    Ingress(IngressPlan),
    Gateway(GatewayPlan),
}

/// An `Ingress`.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressPlan {
    pub class_name: Option<String>,
    pub annotations: BTreeMap<String, String>,
    pub tls: Option<TlsPlan>,
    is_sticky: bool,
}

/// Where its certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPlan {
    /// `None` for the controller's own certificate.
    pub secret_name: Option<String>,
    issuer: Option<String>,
}

/// An `HTTPRoute`.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayPlan {
    pub parents: Vec<ParentPlan>,
    /// Limits of the route: of a request, and of one attempt.
    pub request_timeout: Option<String>,
    pub backend_request_timeout: Option<String>,
    pub filters: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A gateway that a route is attached to.
#[derive(Clone, Debug, PartialEq)]
pub struct ParentPlan {
    pub namespace: String,
    pub name: String,
    pub section_name: Option<String>,
    pub port: Option<i32>,
    pub gateway: Known<KnownGateway>,
}

impl Way {
    pub(super) fn of(expose: &Expose, front: &Front, problems: &mut Problems) -> Option<Self> {
        match (&expose.ingress, &expose.gateway) {
            (None, Some(gateway)) => GatewayPlan::of(gateway, front, problems).map(Self::Gateway),
            (ingress, _) => {
                let ingress = ingress.clone().unwrap_or_default();
                Some(Self::Ingress(IngressPlan::of(&ingress, front, problems)))
            }
        }
    }

    /// The class, or the gateways, that it goes by.
    pub(super) fn through(&self) -> Vec<String> {
        match self {
            Self::Ingress(it) => it.class_name.iter().cloned().collect(),
            Self::Gateway(it) => it.parents.iter().map(|it| format!("{}/{}", it.namespace, it.name)).collect(),
        }
    }

    /// For a message.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Ingress(IngressPlan { class_name: Some(class), .. }) => format!("the IngressClass \"{class}\""),
            Self::Ingress(_) => "the Ingress".into(),
            Self::Gateway(_) => "the Gateway".into(),
        }
    }

    pub(super) fn is_sticky(&self) -> bool {
        matches!(self, Self::Ingress(IngressPlan { is_sticky: true, .. }))
    }

    /// Whether the server will be found with TLS, and at which port. A gateway that nobody has seen is
    /// taken for one with TLS.
    pub(super) fn expected(&self, host: &str, namespace: &str) -> (bool, i32) {
        match self {
            Self::Ingress(it) => it.scheme(),
            Self::Gateway(it) => {
                let listener = it.parents.iter().find_map(|parent| parent.listeners(host, namespace).first().copied());
                listener.map_or((true, 443), |it| (it.is_tls(), it.port))
            }
        }
    }

    pub(super) fn obstacle(&self, front: &Front) -> Option<Obstacle> {
        match self {
            Self::Ingress(it) => it.obstacle(front),
            Self::Gateway(it) => Obstacle::without_gateway_api(&front.gateway_api)
                .or_else(|| it.parents.iter().find_map(ParentPlan::obstacle)),
        }
    }
}

impl IngressPlan {
    fn of(ingress: &ExposeIngress, front: &Front, problems: &mut Problems) -> Self {
        names::check_annotations("spec.expose.ingress.annotations", &ingress.annotations, problems);
        let class = match &front.ingress_class {
            Known::There(class) => Some(class),
            Known::Absent | Known::Unwatched => None,
        };
        let id = class.and_then(|it| it.spec.as_ref()?.controller.as_deref());
        let controller = id.and_then(classes::controller);
        let mut annotations = BTreeMap::new();
        let mut add = |pairs: &[(&str, &str)]| {
            annotations.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        };
        add(controller.map_or(&[], |it: &IngressController| it.streaming));
        add(controller.map_or(&[], |it| it.sticky));
        let issuers = ingress.tls.iter().flat_map(issuer_annotations);
        annotations.extend(issuers);
        annotations.extend(ingress.annotations.clone());
        let default_class = || class.and_then(|it| it.metadata.name.clone());
        Self {
            class_name: ingress.class_name.clone().or_else(default_class),
            annotations,
            tls: ingress.tls.as_ref().map(TlsPlan::of),
            is_sticky: controller.is_some_and(|it| !it.sticky.is_empty()),
        }
    }

    /// Whether it has TLS, and the port that follows: an Ingress knows no other.
    pub fn scheme(&self) -> (bool, i32) {
        if self.tls.is_some() { (true, 443) } else { (false, 80) }
    }

    fn obstacle(&self, front: &Front) -> Option<Obstacle> {
        if is_absent(&front.ingress_class) {
            let message = match &self.class_name {
                Some(name) => format!(
                    "There is no IngressClass \"{name}\": name one of kubectl get ingressclass in \
                     spec.expose.ingress.className, or install its controller."
                ),
                None => "The cluster has no default IngressClass: name one of kubectl get ingressclass in \
                         spec.expose.ingress.className."
                    .into(),
            };
            return Some(Obstacle::passing(Reason::IngressClassMissing, message));
        }
        let tls = self.tls.as_ref().filter(|_| is_absent(&front.certificate))?;
        let secret = tls.secret_name.as_deref().unwrap_or_default();
        let message = match &tls.issuer {
            Some(issuer) => format!(
                "cert-manager has not made the Secret \"{secret}\" yet: look at kubectl describe certificate {secret}, and \
                 whether {issuer} is ready."
            ),
            None => format!(
                "There is no Secret \"{secret}\" with the key tls.crt, which spec.expose.ingress.tls names: create it."
            ),
        };
        Some(Obstacle::passing(Reason::CertificateNotReady, message))
    }
}

/// What cert-manager goes by.
fn issuer_annotations(tls: &ExposeTls) -> impl Iterator<Item = (String, String)> {
    let issuer = tls.issuer.clone().map(|it| ("cert-manager.io/issuer".to_owned(), it));
    let cluster_issuer = tls.cluster_issuer.clone().map(|it| ("cert-manager.io/cluster-issuer".to_owned(), it));
    issuer.into_iter().chain(cluster_issuer)
}

impl TlsPlan {
    fn of(tls: &ExposeTls) -> Self {
        let issuer = tls.issuer.as_ref().map(|it| format!("Issuer \"{it}\""));
        let cluster_issuer = tls.cluster_issuer.as_ref().map(|it| format!("ClusterIssuer \"{it}\""));
        Self { secret_name: tls.secret_name.clone(), issuer: issuer.or(cluster_issuer) }
    }
}

impl GatewayPlan {
    fn of(gateway: &ExposeGateway, front: &Front, problems: &mut Problems) -> Option<Self> {
        if gateway.parent_refs.is_empty() {
            problems.add(
                "spec.expose.gateway.parentRefs",
                "is not set, and Landfall was started without a defaultGateway: name a Gateway, such as \
                 [{name: public, namespace: gateways}]",
            );
            return None;
        }
        let parents: Vec<_> = gateway.parent_refs.iter().map(|it| ParentPlan::of(it, front)).collect();
        let has_limits = |it: &ParentPlan| it.supports("HTTPRouteRequestTimeout") != Some(false);
        let unlimited = || parents.iter().all(has_limits).then(|| "0s".to_owned());
        let timeouts = gateway.timeouts.clone().unwrap_or_default();
        Some(Self {
            request_timeout: timeouts.request.or_else(unlimited),
            backend_request_timeout: timeouts.backend_request,
            filters: gateway.filters.clone(),
            parents,
        })
    }
}

impl ParentPlan {
    fn of(reference: &ParentReference, front: &Front) -> Self {
        let ParentReference { name, namespace, section_name, port } = reference.clone();
        let namespace = namespace.unwrap_or_default();
        let gateway = front.gateways.get(&(namespace.clone(), name.clone())).cloned().unwrap_or_default();
        Self { namespace, name, section_name, port, gateway }
    }

    /// The gateway, if it is there to be seen.
    pub fn gateway(&self) -> Option<&Arc<Gateway>> {
        match &self.gateway {
            Known::There(it) => Some(&it.gateway),
            Known::Absent | Known::Unwatched => None,
        }
    }

    /// For a message, at the beginning of a sentence or within it.
    pub fn text(&self) -> String {
        format!("Gateway \"{}\" in namespace \"{}\"", self.name, self.namespace)
    }

    /// The listeners through which `host` leads to `namespace`, those with TLS first.
    pub fn listeners(&self, host: &str, namespace: &str) -> Vec<&Listener> {
        let listeners = self.gateway().into_iter().flat_map(|it| &it.spec.listeners);
        let is_same = namespace == self.namespace;
        let fits = |it: &&Listener| self.names(it) && it.serves(host) && (is_same || it.admits_others());
        let mut fitting: Vec<_> = listeners.filter(fits).collect();
        fitting.sort_by_key(|it| (!it.is_tls(), it.port));
        fitting
    }

    fn names(&self, listener: &Listener) -> bool {
        self.section_name.as_ref().is_none_or(|it| *it == listener.name)
            && self.port.is_none_or(|it| it == listener.port)
    }

    fn supports(&self, feature: &str) -> Option<bool> {
        match &self.gateway {
            Known::There(KnownGateway { class: Some(class), .. }) => class.supports(feature),
            _ => None,
        }
    }

    fn obstacle(&self) -> Option<Obstacle> {
        if is_absent(&self.gateway) {
            let message = format!(
                "There is no {}: name one of kubectl get gateways -A in \
                 spec.expose.gateway.parentRefs, or create it.",
                self.text()
            );
            return Some(Obstacle::passing(Reason::GatewayMissing, message));
        }
        let (section, gateway) = (self.section_name.as_ref()?, self.gateway()?);
        let listeners: Vec<_> = gateway.spec.listeners.iter().map(|it| it.name.as_str()).collect();
        (!listeners.contains(&section.as_str())).then(|| {
            let message = format!(
                "{} has no listener \"{section}\": name one of {} in sectionName of spec.expose.gateway.parentRefs.",
                self.text(),
                listeners.join(", ")
            );
            Obstacle::passing(Reason::GatewayMissing, message)
        })
    }
}

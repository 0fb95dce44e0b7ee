//! Caches of what ways in are made with: classes, gateways, and the routes that there are.

use k8s_openapi::api::networking::v1::IngressClass;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::gateway_api::Presence;
use super::references::Target;
use super::routes::Routes;
use crate::api::{Expose, ExposeIngress, MCPServer, ParentReference};
use crate::cache::{Cache, Whole};
use crate::gateway_api::{Gateway, GatewayClass};
use crate::references::{Front, Known, KnownGateway, ObjectName, Source};
use crate::settings::Platform;
use crate::validate::exposure_of;

/// Annotation of the class that an `Ingress` without one gets.
const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// What ways in are made with.
pub(super) struct FrontCache {
    /// `None` where the operator may not watch what is the whole cluster's.
    pub(super) classes: Option<Classes>,
    pub(super) routes: Routes,
    pub(super) presence: Presence,
    platform: Platform,
}

/// What there is of it in the whole cluster.
pub(super) struct Classes {
    pub(super) of_ingresses: Cache<IngressClass, Whole<IngressClass>>,
    pub(super) gateways: Cache<Gateway, Whole<Gateway>>,
    pub(super) of_gateways: Cache<GatewayClass, Whole<GatewayClass>>,
}

impl FrontCache {
    pub(super) fn new(platform: Platform, watches_classes: bool, presence: Presence) -> Self {
        let classes = watches_classes.then(|| Classes {
            of_ingresses: Cache::new(|_| Some(String::new())),
            gateways: Cache::new(ResourceExt::namespace),
            of_gateways: Cache::new(|_| Some(String::new())),
        });
        Self { classes, routes: Routes::default(), presence, platform }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.classes.as_ref().is_none_or(|it| {
            let has_gateways = it.gateways.is_synced() && it.of_gateways.is_synced();
            it.of_ingresses.is_synced() && (has_gateways || !self.presence.is_served())
        })
    }

    /// What there is of the ways in that `server` asks for, and whose changes concern it.
    /// `has_certificate` knows of Secrets by name.
    pub(super) fn gather(
        &self,
        server: &MCPServer,
        has_certificate: impl Fn(&str) -> Known<()>,
    ) -> (Front, Vec<Target>) {
        let exposure = exposure_of(server, &self.platform);
        let wants_gateway = exposure.as_ref().is_some_and(|it| it.gateway.is_some());
        self.presence.want(&server.uid().unwrap_or_default(), wants_gateway);
        let Some(Expose { host, ingress, gateway, .. }) = exposure else { return Default::default() };
        let namespace = server.namespace().unwrap_or_default();
        let mut front = Front { gateway_api: self.presence.state(), ..Front::default() };
        let mut targets: Vec<_> = host.iter().cloned().map(Target::Host).collect();
        if let Some(host) = host {
            front.claims = self.routes.of(&host);
            let others = front.claims.iter().map(|it| (it.kind.clone(), it.namespace.clone(), it.name.clone()));
            targets.extend(others.map(Target::Route));
        }
        if let Some(ingress) = ingress {
            front.ingress_class = self.ingress_class(&ingress);
            targets.push(Target::IngressClass);
            if let Some(secret) = ingress.tls.and_then(|it| it.secret_name) {
                front.certificate = has_certificate(&secret);
                targets.push(Target::Object(Source::Secret, (namespace, secret)));
            }
        }
        if let Some(gateway) = gateway {
            front.gateways = self.gateways(&gateway.parent_refs);
            targets.extend(front.gateways.keys().cloned().map(Target::Gateway));
            targets.extend([Target::GatewayApi, Target::GatewayClass]);
        }
        (front, targets)
    }

    /// The class that the Ingress names, or else the cluster's default.
    fn ingress_class(&self, ingress: &ExposeIngress) -> Known<Arc<IngressClass>> {
        let Some(classes) = &self.classes else { return Known::Unwatched };
        let is_default = |it: &Arc<IngressClass>| it.annotations().get(IS_DEFAULT).is_some_and(|it| it == "true");
        let found = match &ingress.class_name {
            Some(name) => classes.of_ingresses.get("", name),
            None => classes.of_ingresses.group("").into_iter().find(is_default),
        };
        found.map_or(Known::Absent, Known::There)
    }

    fn gateways(&self, parents: &[ParentReference]) -> BTreeMap<ObjectName, Known<KnownGateway>> {
        let name = |it: &ParentReference| (it.namespace.clone().unwrap_or_default(), it.name.clone());
        let find = |(namespace, name): &ObjectName| {
            let Some(classes) = &self.classes else { return Known::Unwatched };
            let Some(gateway) = classes.gateways.get(namespace, name) else { return Known::Absent };
            let class = classes.of_gateways.get("", &gateway.spec.gateway_class_name);
            Known::There(KnownGateway { gateway, class })
        };
        parents.iter().map(name).map(|name| (name.clone(), find(&name))).collect()
    }
}

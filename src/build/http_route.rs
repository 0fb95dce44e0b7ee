//! The way in through a gateway.

use super::metadata;
use crate::children::Child;
use crate::gateway_api::{
    BackendRef, GROUP, HTTPRoute, HTTPRouteMatch, HTTPRouteRule, HTTPRouteSpec, HTTPRouteTimeouts, ParentRef, PathMatch,
};
use crate::references::Route;
use crate::validate::{ExposurePlan, GatewayPlan, ParentPlan, ValidatedServer, Way};

impl Child for HTTPRoute {
    const IS_ROUTE: bool = true;
    const MAY_BE_UNKNOWN: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let Some(exposure) = server.exposure.as_ref().filter(|it| it.is_made()) else { return Vec::new() };
        match &exposure.way {
            Way::Gateway(plan) => vec![route(server, exposure, plan)],
            Way::Ingress(_) => Vec::new(),
        }
    }

    fn route(&self) -> Option<Route> {
        let namespace = self.metadata.namespace.clone().unwrap_or_default();
        let gateway = |it: &ParentRef| format!("{}/{}", it.namespace.as_ref().unwrap_or(&namespace), it.name);
        let matches = self.spec.rules.iter().flat_map(|it| &it.matches);
        Some(Route {
            hosts: self.spec.hostnames.clone(),
            paths: matches.filter_map(|it| it.path.as_ref()?.value.clone()).collect(),
            through: self.spec.parent_refs.iter().map(gateway).collect(),
        })
    }
}

/// With all that the API server would fill in.
fn route(server: &ValidatedServer, exposure: &ExposurePlan, plan: &GatewayPlan) -> HTTPRoute {
    let prefix = |path: &String| HTTPRouteMatch {
        path: Some(PathMatch { type_: Some("PathPrefix".into()), value: Some(path.clone()) }),
    };
    let backend = BackendRef {
        group: Some(String::new()),
        kind: Some("Service".into()),
        name: server.name.to_string(),
        port: Some(server.service.port),
        weight: Some(1),
    };
    let timeouts = HTTPRouteTimeouts {
        request: plan.request_timeout.clone(),
        backend_request: plan.backend_request_timeout.clone(),
    };
    HTTPRoute {
        metadata: metadata(server),
        spec: HTTPRouteSpec {
            parent_refs: plan.parents.iter().map(parent).collect(),
            hostnames: vec![exposure.host.clone()],
            rules: vec![HTTPRouteRule {
                matches: exposure.paths.iter().map(prefix).collect(),
                filters: plan.filters.clone(),
                backend_refs: vec![backend],
                timeouts: Some(timeouts).filter(|it| *it != HTTPRouteTimeouts::default()),
            }],
        },
        status: None,
    }
}

fn parent(parent: &ParentPlan) -> ParentRef {
    ParentRef {
        group: Some(GROUP.into()),
        kind: Some("Gateway".into()),
        namespace: Some(parent.namespace.clone()),
        name: parent.name.clone(),
        section_name: parent.section_name.clone(),
        port: parent.port,
    }
}

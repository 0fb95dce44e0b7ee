//! The way in through a controller of Ingresses.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use super::{MCP_PORT, filled, metadata};
use crate::children::Child;
use crate::references::Route;
use crate::validate::{ExposurePlan, IngressPlan, ValidatedServer, Way};

impl Child for Ingress {
    const IS_ROUTE: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let Some(exposure) = server.exposure.as_ref().filter(|it| it.is_made()) else { return Vec::new() };
        match &exposure.way {
            Way::Ingress(plan) => vec![ingress(server, exposure, plan)],
            Way::Gateway(_) => Vec::new(),
        }
    }

    fn route(&self) -> Option<Route> {
        let spec = self.spec.as_ref()?;
        let rules = || spec.rules.iter().flatten();
        let paths = rules().flat_map(|it| it.http.iter().flat_map(|it| &it.paths));
        Some(Route {
            hosts: rules().filter_map(|it| it.host.clone()).collect(),
            paths: paths.map(|it| it.path.clone().unwrap_or_else(|| "/".into())).collect(),
            through: spec.ingress_class_name.iter().cloned().collect(),
        })
    }
}

fn ingress(server: &ValidatedServer, exposure: &ExposurePlan, plan: &IngressPlan) -> Ingress {
    let backend = || IngressBackend {
        service: Some(IngressServiceBackend {
            name: server.name.to_string(),
            port: Some(ServiceBackendPort { name: Some(MCP_PORT.into()), number: None }),
        }),
        resource: None,
    };
    let path =
        |path: &String| HTTPIngressPath { path: Some(path.clone()), path_type: "Prefix".into(), backend: backend() };
    let mut metadata = metadata(server);
    metadata.annotations = filled(plan.annotations.clone());
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: plan.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(exposure.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: exposure.paths.iter().map(path).collect() }),
            }]),
            tls: plan.tls.as_ref().map(|tls| {
                vec![IngressTLS { hosts: Some(vec![exposure.host.clone()]), secret_name: tls.secret_name.clone() }]
            }),
            default_backend: None,
        }),
        status: None,
    }
}

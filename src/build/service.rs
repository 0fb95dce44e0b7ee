//! The Service in front of the server's pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{MCP_PORT, filled, metadata};
use crate::children::Child;
use crate::labels;
use crate::validate::ValidatedServer;

impl Child for Service {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let plan = &server.service;
        let main = ServicePort {
            name: Some(MCP_PORT.into()),
            port: plan.port,
            target_port: Some(IntOrString::String(MCP_PORT.into())),
            protocol: Some("TCP".into()),
            app_protocol: Some("http".into()),
            ..ServicePort::default()
        };
        let extra = plan.extra_ports.iter().map(|extra| ServicePort {
            name: Some(extra.name.clone()),
            port: extra.port,
            target_port: Some(IntOrString::Int(extra.target_port)),
            protocol: Some("TCP".into()),
            ..ServicePort::default()
        });
        let mut metadata = metadata(server);
        metadata.annotations = filled(plan.annotations.clone());
        vec![Self {
            metadata,
            spec: Some(ServiceSpec {
                type_: Some(plan.type_.as_str().into()),
                selector: Some(labels::selector(&server.pod.part)),
                ports: Some(std::iter::once(main).chain(extra).collect()),
                session_affinity: Some(plan.session_affinity.as_str().into()),
                ..ServiceSpec::default()
            }),
            ..Self::default()
        }]
    }
}

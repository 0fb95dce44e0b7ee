//! The Service in front of the pods, and how the server is called through it.

use std::collections::{BTreeMap, BTreeSet};

use super::{PodPort, Problems, ServerName, names};
use crate::api::{DEFAULT_PATH, ServiceSpec, ServiceType, SessionAffinity};
use crate::build::MCP_PORT;
use crate::settings::Platform;

/// The Service, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlan {
    pub port: i32,
    pub type_: ServiceType,
    pub annotations: BTreeMap<String, String>,
    pub extra_ports: Vec<PlannedPort>,
    pub session_affinity: SessionAffinity,
}

/// A further port of the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    pub name: String,
    pub port: i32,
    pub target_port: i32,
}

/// The Service's name, as it is known in the whole cluster.
pub(super) fn host(name: &ServerName, namespace: &str, platform: &Platform) -> String {
    format!("{name}.{namespace}.svc.{}", platform.cluster_domain)
}

impl ServicePlan {
    /// The container's ports that this leads to, MCP's first. One that two ports of the Service
    /// lead to is listed once, as Kubernetes wants it.
    pub(super) fn pod_ports(&self, port: i32) -> Vec<PodPort> {
        let mut ports = vec![PodPort { name: MCP_PORT.into(), number: port }];
        for extra in &self.extra_ports {
            if ports.iter().all(|port| port.number != extra.target_port) {
                ports.push(PodPort { name: extra.name.clone(), number: extra.target_port });
            }
        }
        ports
    }

    /// URL of the MCP endpoint. The path is used exactly as written; the port is left out where
    /// HTTP implies it.
    pub(super) fn url(&self, name: &ServerName, namespace: &str, path: Option<&str>, platform: &Platform) -> String {
        let host = host(name, namespace, platform);
        let port = if self.port == 80 { String::new() } else { format!(":{}", self.port) };
        format!("http://{host}{port}{}", path.unwrap_or(DEFAULT_PATH))
    }
}

pub(super) fn plan(spec: Option<&ServiceSpec>, port: i32, problems: &mut Problems) -> ServicePlan {
    let spec = spec.cloned().unwrap_or_default();
    let plan = ServicePlan {
        port: spec.port.unwrap_or(port),
        type_: spec.type_.unwrap_or(ServiceType::ClusterIP),
        annotations: spec.annotations,
        extra_ports: spec
            .extra_ports
            .into_iter()
            .map(|extra| PlannedPort {
                name: extra.name,
                port: extra.port,
                target_port: extra.target_port.unwrap_or(extra.port),
            })
            .collect(),
        session_affinity: spec.session_affinity.unwrap_or(SessionAffinity::None),
    };
    names::check_annotations("spec.service.annotations", &plan.annotations, problems);
    let mut taken = BTreeMap::from([(plan.port, "the server's own port")]);
    let mut names = BTreeSet::from([MCP_PORT]);
    for extra in &plan.extra_ports {
        if !names.insert(&extra.name) {
            problems.add(
                format!("spec.service.extraPorts[{}].name", extra.name),
                "is the name of another port of the Service: choose another",
            );
        }
        if let Some(by) = taken.insert(extra.port, "another extra port") {
            problems.add(
                format!("spec.service.extraPorts[{}].port", extra.name),
                format!("{} is taken by {by}: give each port of the Service a number of its own", extra.port),
            );
        }
    }
    plan
}

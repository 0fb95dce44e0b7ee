//! The Services in front of the server's pods and of its dependencies.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{MCP_PORT, filled, metadata, metadata_named, metadata_of, secret};
use crate::children::{Child, Settled};
use crate::labels;
use crate::validate::{ManagedDependency, PodPlan, PodPort, ValidatedServer};

impl Child for Service {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let of_dependency = |it: &ManagedDependency| {
            let mut service = in_front_of(server, &it.pod);
            let headless = it.pod.storage.as_ref().map(|_| headless(server, &it.pod));
            // It owns the Secret where there is no data to own it.
            if headless.is_none() {
                service.metadata.annotations = secret::login(it).map(|it| [it].into());
            }
            std::iter::once(service).chain(headless).collect::<Vec<_>>()
        };
        std::iter::once(own(server)).chain(server.managed().flat_map(of_dependency)).collect()
    }

    fn settle(&mut self, live: &Self) -> Result<Settled, String> {
        secret::check_login(self, live, "remove the dependency and add it again")?;
        Ok(Settled::AsItWas)
    }
}

fn own(server: &ValidatedServer) -> Service {
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
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(plan.type_.as_str().into()),
            selector: Some(labels::selector(&server.pod.part)),
            ports: Some(std::iter::once(main).chain(extra).collect()),
            session_affinity: Some(plan.session_affinity.as_str().into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn in_front_of(server: &ValidatedServer, pod: &PodPlan) -> Service {
    Service {
        metadata: metadata_of(server, &pod.part),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(labels::selector(&pod.part)),
            ports: Some(pod.ports.iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Gives the pod a name of its own, as every `StatefulSet` wants; also before it is ready, since
/// databases look for themselves by it.
fn headless(server: &ValidatedServer, pod: &PodPlan) -> Service {
    let mut service = in_front_of(server, pod);
    service.metadata = metadata_named(server, &pod.part, pod.part.headless());
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".into());
        spec.publish_not_ready_addresses = Some(true);
    }
    service
}

fn port(port: &PodPort) -> ServicePort {
    ServicePort {
        name: Some(port.name.clone()),
        port: port.number,
        target_port: Some(IntOrString::String(port.name.clone())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}

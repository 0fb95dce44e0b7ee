//! Health checks of the server's container.

use k8s_openapi::api::core::v1::Probe;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Health checks of the server's container.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// Holds the other two back until the server has started. Default: a TCP connection to `port`
    /// every second, for up to five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<ProbeSpec>,

    /// Decides whether the Service sends requests to the pod. Default: a TCP connection to `port`
    /// every two seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeSpec>,

    /// Restarts the container when it fails. Do not point it at a route that asks a database:
    /// an outage there would restart the server. Default: a TCP connection to `port` every ten
    /// seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeSpec>,
}

/// A probe as in a container, or none. Timings given without a handler apply to the default, a TCP
/// connection to `port`.
///
/// Beware of `httpGet` on servers that check the Host header: kubelet sends the pod's address.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.exec), has(self.grpc), has(self.httpGet), has(self.tcpSocket)].filter(h, h).size() <= 1")
        .message("a probe has one handler: keep one of exec, grpc, httpGet and tcpSocket"),
    validation = Rule::new("!has(self.disabled) || !self.disabled || ![has(self.exec), has(self.grpc), has(self.httpGet), has(self.tcpSocket)].exists(h, h)")
        .message("a disabled probe has no handler: remove 'disabled' or the handler")
)]
pub struct ProbeSpec {
    /// Turns this probe off. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,

    /// The probe itself, field by field as in a container.
    #[serde(flatten)]
    pub probe: Probe,
}

impl ProbeSpec {
    /// Whether it says what to look at, and not only how often.
    pub fn has_handler(&self) -> bool {
        let Probe { exec, grpc, http_get, tcp_socket, .. } = &self.probe;
        exec.is_some() || grpc.is_some() || http_get.is_some() || tcp_socket.is_some()
    }
}

//! As [`Kubelet`](super::pods::Kubelet), for pods that are reached: they are on a node, which a Service's
//! endpoints have to be, and have an address, at which the API server passes on what is for a Service.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Space;
use super::pods::readiness;

/// Between two signs of life: a node that gives none for most of a minute is taken for dead, with its pods.
const BEAT: Duration = Duration::from_secs(5);

const LOOK: Duration = Duration::from_millis(300);

/// A node that runs nothing, and says that every pod of a namespace is ready there, until dropped.
pub struct Host(JoinHandle<()>);

impl Host {
    pub fn start(space: &Space, address: Ipv4Addr) -> Self {
        let node = Pretence {
            name: format!("node-of-{}", space.name),
            address,
            pods: space.api(),
            nodes: Api::all(space.world.admin.clone()),
        };
        Self(tokio::spawn(async move {
            let (mut beat, mut look) = (interval(BEAT), interval(LOOK));
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = beat.tick() => node.beat().await,
                    _ = look.tick() => node.look().await,
                }
            }
        }))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Pretence {
    name: String,
    address: Ipv4Addr,
    pods: Api<Pod>,
    nodes: Api<Node>,
}

impl Pretence {
    async fn beat(&self) {
        let condition = json!({"type": "Ready", "status": "True", "reason": "Test", "message": "",
            "lastHeartbeatTime": Timestamp::now(), "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = Patch::Merge(json!({"status": {"conditions": [condition]}}));
        let node = serde_json::from_value(json!({"metadata": {"name": self.name}}));
        if self.nodes.patch_status(&self.name, &PatchParams::default(), &status).await.is_err()
            && let Ok(node) = node
        {
            let _ = self.nodes.create(&PostParams::default(), &node).await;
        }
    }

    /// Any pod may be gone by now.
    async fn look(&self) {
        let Ok(list) = self.pods.list(&ListParams::default()).await else { return };
        for pod in list {
            let name = pod.name_any();
            if pod.metadata.deletion_timestamp.is_some() {
                let _ = self.pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
            } else if let Some(mut status) = readiness(&pod) {
                status["status"]["podIP"] = json!(self.address);
                status["status"]["podIPs"] = json!([{"ip": self.address}]);
                self.take(&name).await;
                let _ = self.pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await;
            }
        }
    }

    async fn take(&self, pod: &str) {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.name}});
        let _ = self.pods.create_subresource::<_, Value>("binding", pod, &PostParams::default(), &binding).await;
    }
}

//! Nodes and pods that only seem to run, for more of them than a machine can hold: kwok says of each
//! that it is ready, and the real scheduler and controllers do the rest.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

use super::Cluster;
use super::start::takes_pods;
use crate::binaries::{Binaries, Package, Program, Source, Tool};
use crate::control_plane::Setup;
use crate::kubeconfig;

static KWOK: Tool = Tool {
    source: Source {
        name: "kwok-0.8",
        files: &[
            ("go.mod", include_str!("../../go/kwok-0.8/go.mod")),
            ("go.sum", include_str!("../../go/kwok-0.8/go.sum")),
        ],
        duration: "about a minute on two cores",
        version: None,
    },
    package: Package { name: "kwok", path: "sigs.k8s.io/kwok/cmd/kwok", built_name: "kwok" },
};

/// What becomes of a node and of a pod.
const STAGES: &str = include_str!("stages.yaml");

/// Takes the place of the pods' address in [`STAGES`].
const ADDRESS: &str = "POD_ADDRESS";

impl Cluster {
    /// Adds so many nodes to a control plane alone, and waits until they take pods. Each pod is ready as
    /// soon as it has a node, and all of them have this address, where nobody answers but whom you put there.
    pub async fn pretend_nodes(&self, count: usize, address: IpAddr) -> Result<()> {
        ensure!(self.node.is_none(), "a cluster with a node pretends none");
        let scheduler = Binaries::make_only(vec![Program::Scheduler]).await?;
        let kwok = KWOK.make().await?;
        let stages = self.directory.join("kwok.yaml");
        fs::write(&stages, STAGES.replace(ADDRESS, &address.to_string()))?;
        let mut command = Command::new(kwok);
        command
            .arg("--manage-all-nodes")
            .arg("--kubeconfig")
            .arg(self.kubeconfig_for("landfall-kwok", &["system:masters"])?)
            .arg("--config")
            .arg(stages);
        self.launch("kube-scheduler", &Setup { binaries: &scheduler, ..self.setup() }.scheduler()?)?;
        self.launch("kwok", &command)?;
        let nodes = Api::<Node>::all(self.client().await?);
        for number in 0..count {
            let node = json!({"metadata": {"name": format!("pretended-{number}")}});
            nodes.create(&PostParams::default(), &serde_json::from_value(node)?).await?;
        }
        self.until("the pretended nodes", || async {
            let list = nodes.list(&kube::api::ListParams::default()).await?;
            Ok(list.items.len() == count && list.iter().all(takes_pods))
        })
        .await
    }

    async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.kubeconfig).await
    }
}

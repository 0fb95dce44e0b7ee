//! The steps of a start, and what is waited for after each.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Node, ServiceAccount};
use kube::{Api, Client};

use super::{API_SERVER, Cluster, NAMESPACES};
use crate::binaries::Program;
use crate::control_plane::POD_RANGE;
use crate::namespaces::{self, Namespaces};
use crate::network::{self, Link};
use crate::node::{DNS_SERVICE, NODE_NAME};
use crate::process::{Process, ProcessId};
use crate::volumes::VolumeOpener;
use crate::{addons, containers, kubeconfig, wait};

/// Far more than any machine needs; a component that fails ends the wait much earlier.
const LIMIT: Duration = Duration::from_mins(2);
const DNS_ATTEMPT: Duration = Duration::from_secs(2);

impl Cluster {
    pub(super) async fn start_control_plane(&mut self) -> Result<()> {
        let listen = if self.addresses.api.is_loopback() { "127.0.0.1" } else { "0.0.0.0" };
        let setup = self.setup();
        let kubeconfig = setup.admin_kubeconfig()?;
        let etcd = setup.etcd()?;
        let api_server = setup.api_server(listen, &self.audit_log)?;
        let controller_manager = setup.controller_manager()?;
        self.kubeconfig = kubeconfig;
        self.launch("etcd", &etcd)?;
        self.launch(API_SERVER, &api_server)?;
        let client = kubeconfig::client(&self.kubeconfig).await?;
        self.until_ready(&client).await?;
        self.launch("kube-controller-manager", &controller_manager)?;
        if self.node.is_some() {
            return Ok(());
        }
        self.until_service_accounts(&client).await
    }

    /// Namespaces, their network, and containerd inside.
    pub(super) async fn make_namespaces(&mut self, link: &Link) -> Result<()> {
        let pause = self.binaries.path(Program::Pause)?.to_owned();
        let log = self.state().run.log(NAMESPACES);
        let holder = Namespaces::start(&self.directory, DNS_SERVICE, &pause, log)?;
        self.keep(holder)?;
        self.until("the node's namespaces", || async {
            Ok(ready_namespaces(&self.state().processes, &self.directory)?.is_some())
        })
        .await?;
        let node = ready_namespaces(&self.state().processes, &self.directory)?;
        let node = node.context("the node's namespaces are gone")?;
        self.node = Some(node);
        self.state().run.record_node(node.first())?;
        network::connect(link, &node)?;
        self.volumes = Some(VolumeOpener::start(namespaces::volumes(&self.directory)));
        self.launch("containerd", &containers::containerd(&self.directory, POD_RANGE)?)
    }

    pub(super) async fn start_node(&mut self) -> Result<()> {
        let cgroup = self.state().run.make_cgroup()?;
        let setup = self.setup();
        let components = [
            ("kube-proxy", setup.kube_proxy()?),
            ("coredns", setup.coredns()?),
            ("kube-scheduler", setup.scheduler()?),
            ("kubelet", setup.kubelet(&cgroup)?),
        ];
        self.until("containerd", || containers::answers(&self.directory)).await?;
        let pause = self.binaries.path(Program::Pause)?;
        containers::import_pause(&self.directory, pause).await?;
        for (name, command) in &components {
            self.launch(name, command)?;
        }
        let client = kubeconfig::client(&self.kubeconfig).await?;
        addons::install(&client, self.addresses.api).await?;
        self.until_service_accounts(&client).await?;
        self.until_node_ready(&client).await?;
        self.until_dns_answers().await
    }

    pub(super) async fn until_ready(&self, client: &Client) -> Result<()> {
        self.until("the API server", || async {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            Ok(client.request_text(request).await? == "ok")
        })
        .await
    }

    /// Without these two a pod of the namespace `default` is refused, or waits.
    async fn until_service_accounts(&self, client: &Client) -> Result<()> {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
        let certificates = Api::<ConfigMap>::namespaced(client.clone(), "default");
        self.until("the default service account", || async {
            let account = accounts.get_opt("default").await?;
            let certificate = certificates.get_opt("kube-root-ca.crt").await?;
            Ok(account.is_some() && certificate.is_some())
        })
        .await
    }

    async fn until_node_ready(&self, client: &Client) -> Result<()> {
        let nodes = Api::<Node>::all(client.clone());
        self.until("the node to be ready", || async {
            Ok(nodes.get_opt(NODE_NAME).await?.is_some_and(|node| takes_pods(&node)))
        })
        .await
    }

    /// Asks as a pod would: through the Service's address, so kube-proxy has done its part too.
    async fn until_dns_answers(&self) -> Result<()> {
        let mut question = Command::new("getent");
        question.args(["hosts", "kubernetes.default.svc.cluster.local"]);
        self.until("cluster DNS", || async {
            let mut command = tokio::process::Command::from(self.in_node(&question)?);
            let output = command.kill_on_drop(true).output();
            let output = tokio::time::timeout(DNS_ATTEMPT, output).await??;
            Ok(output.status.success())
        })
        .await
    }

    pub(super) async fn until<Ready: Future<Output = Result<bool>>>(
        &self,
        what: &str,
        ready: impl Fn() -> Ready,
    ) -> Result<()> {
        wait::until(what, LIMIT, || self.check(), ready).await
    }

    /// Starts a component: inside the node where there is one.
    pub(super) fn launch(&self, name: &'static str, command: &Command) -> Result<()> {
        let log = self.state().run.log(name);
        let process = match &self.node {
            Some(node) => Process::start(name, &node.enter(command), log)?,
            None => Process::start(name, command, log)?,
        };
        self.keep(process)
    }

    fn keep(&self, process: Process) -> Result<()> {
        let mut state = self.state();
        let id = ProcessId::of(process.pid());
        state.processes.push(process);
        state.run.record_process(id?)
    }
}

fn ready_namespaces(processes: &[Process], directory: &Path) -> Result<Option<Namespaces>> {
    match processes.iter().find(|process| process.name() == NAMESPACES) {
        Some(holder) => Namespaces::of(holder, directory),
        None => Ok(None),
    }
}

pub(super) fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|conditions| {
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    ready && taints.is_none_or(Vec::is_empty)
}

//! A cluster from its start to its end.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Node, ServiceAccount};
use kube::{Api, Client};

use crate::binaries::{Binaries, Program};
use crate::control_plane::{Addresses, POD_RANGE, Setup};
use crate::namespaces::{self, Namespaces};
use crate::network::{self, Link};
use crate::node::{DNS_SERVICE, NODE_NAME};
use crate::pki::Authority;
use crate::process::{Process, ProcessId};
use crate::run_dir::RunDir;
use crate::volumes::VolumeOpener;
use crate::{addons, containers, kubeconfig, missing_for, wait};

const API_SERVER: &str = "kube-apiserver";
const NAMESPACES: &str = "namespaces";

/// Far more than any machine needs; a component that fails ends the wait much earlier.
const LIMIT: Duration = Duration::from_mins(2);
const DNS_ATTEMPT: Duration = Duration::from_secs(2);

/// How much of a cluster to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// etcd, kube-apiserver and kube-controller-manager: objects, but no pods. For any user.
    ControlPlane,
    /// All of it, with one node that runs pods. For root.
    Node,
}

/// A running cluster. It ends with [`Cluster::stop`], when dropped, and at the latest with its process.
pub struct Cluster {
    directory: PathBuf,
    binaries: Binaries,
    authority: Authority,
    addresses: Addresses,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    node: Option<Namespaces>,
    volumes: Option<VolumeOpener>,
    users: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    processes: Vec<Process>,
    run: RunDir,
}

impl Cluster {
    /// Starts a cluster and waits until it can be used.
    ///
    /// Makes the programs first if they are not there, which takes minutes the first time, with
    /// progress on stderr; and removes what crashed runs left.
    pub async fn start(size: Size) -> Result<Self> {
        if let Some(missing) = missing_for(size) {
            bail!("cannot start a cluster: {missing}");
        }
        let binaries = Binaries::make(size).await?;
        let mut run = RunDir::create().await?;
        let directory = run.path().to_owned();
        let link = match size {
            Size::ControlPlane => None,
            Size::Node => Some(run.reserve_link().await?),
        };
        let addresses = match &link {
            Some(link) => node_addresses(link.node_address()),
            None => loopback_addresses(&run.reserve_ports(3).await?)?,
        };
        let authority = Authority::create(directory.join("pki"))?;
        let mut cluster = Self {
            binaries,
            authority,
            addresses,
            kubeconfig: PathBuf::new(),
            audit_log: directory.join("audit.log"),
            directory,
            node: None,
            volumes: None,
            users: AtomicUsize::new(0),
            state: Mutex::new(State { processes: Vec::new(), run }),
        };
        // On an error the cluster is dropped here, and with it whatever had been started.
        if let Some(link) = &link {
            cluster.make_namespaces(link).await?;
        }
        cluster.start_control_plane().await?;
        if size == Size::Node {
            cluster.start_node().await?;
        }
        Ok(cluster)
    }

    /// Kubeconfig of an administrator (`system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig for a user who has only the rights that RBAC gives to this name and these
    /// groups (at most two), and whose requests bear this name in the audit log.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        self.setup().kubeconfig(&format!("user-{number}"), user, groups)
    }

    /// The audit log: one JSON object per line, level Metadata, for every request: stage
    /// `ResponseComplete`, and for watches `ResponseStarted` before it.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The folder of this run: logs are in `logs/`. Gone after [`Cluster::stop`].
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A kubectl of the cluster's version.
    pub fn kubectl(&self) -> Result<&Path> {
        self.binaries.path(Program::Kubectl)
    }

    /// The node's address, at which the host reaches node ports.
    pub fn node_address(&self) -> Option<Ipv4Addr> {
        self.node.map(|_| self.addresses.api)
    }

    /// The same command, to be run inside the node's namespaces, where cluster IPs and the names of
    /// Services work. It starts in `/`. Killing it does not reach what it started inside.
    pub fn in_node(&self, command: &Command) -> Result<Command> {
        let node = self.node.context("a control plane alone has no node")?;
        Ok(node.enter(command))
    }

    /// Makes the images of an archive (such as [`crate::image::Image`] writes) known to the node.
    pub async fn load_image(&self, archive: &Path) -> Result<()> {
        if self.node.is_none() {
            bail!("a control plane alone runs no images");
        }
        containers::import(&self.directory, archive).await
    }

    /// Kills the API server, as a crash would.
    pub fn stop_api_server(&self) -> Result<()> {
        let mut state = self.state();
        find(&mut state.processes, API_SERVER)?.kill()
    }

    /// Starts the API server again after [`Cluster::stop_api_server`], and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        {
            let mut state = self.state();
            let process = find(&mut state.processes, API_SERVER)?;
            process.start_again()?;
            let id = ProcessId::of(process.pid())?;
            state.run.record_process(id)?;
        }
        let client = kubeconfig::client(&self.kubeconfig).await?;
        self.until_ready(&client).await
    }

    /// Ends everything and removes every trace. Dropping does the same, but can only print an error.
    pub async fn stop(mut self) -> Result<()> {
        tokio::task::spawn_blocking(move || self.end()).await?
    }

    fn end(&mut self) -> Result<()> {
        self.volumes = None;
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended = end_processes(&mut state.processes, self.node.take());
        state.processes.clear();
        // Kills what is still recorded, so it is worth a try after an error too.
        state.run.remove().and(ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setup(&self) -> Setup<'_> {
        Setup {
            directory: &self.directory,
            binaries: &self.binaries,
            authority: &self.authority,
            addresses: &self.addresses,
        }
    }

    async fn start_control_plane(&mut self) -> Result<()> {
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
    async fn make_namespaces(&mut self, link: &Link) -> Result<()> {
        let pause = self.binaries.path(Program::Pause)?.to_owned();
        let log = self.state().run.log(NAMESPACES);
        let holder = Namespaces::start(&self.directory, DNS_SERVICE, &pause, log)?;
        self.keep(holder)?;
        wait::until(
            "the node's namespaces",
            LIMIT,
            || self.check_alive(),
            async || Ok(ready_namespaces(&self.state().processes, &self.directory)?.is_some()),
        )
        .await?;
        let node = ready_namespaces(&self.state().processes, &self.directory)?;
        let node = node.context("the node's namespaces are gone")?;
        self.node = Some(node);
        self.state().run.record_node(node.first())?;
        network::connect(link, &node)?;
        self.volumes = Some(VolumeOpener::start(namespaces::volumes(&self.directory)));
        self.launch("containerd", &containers::containerd(&self.directory, POD_RANGE)?)
    }

    async fn start_node(&mut self) -> Result<()> {
        let cgroup = self.state().run.make_cgroup()?;
        let setup = self.setup();
        let components = [
            ("kube-proxy", setup.kube_proxy()?),
            ("coredns", setup.coredns()?),
            ("kube-scheduler", setup.scheduler()?),
            ("kubelet", setup.kubelet(&cgroup)?),
        ];
        wait::until("containerd", LIMIT, || self.check_alive(), async || containers::answers(&self.directory).await)
            .await?;
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

    async fn until_ready(&self, client: &Client) -> Result<()> {
        wait::until(
            "the API server",
            LIMIT,
            || self.check_alive(),
            async || {
                let request = http::Request::get("/readyz").body(Vec::new())?;
                Ok(client.request_text(request).await? == "ok")
            },
        )
        .await
    }

    /// Without these two a pod of the namespace `default` is refused, or waits.
    async fn until_service_accounts(&self, client: &Client) -> Result<()> {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
        let certificates = Api::<ConfigMap>::namespaced(client.clone(), "default");
        wait::until(
            "the default service account",
            LIMIT,
            || self.check_alive(),
            async || {
                let account = accounts.get_opt("default").await?;
                let certificate = certificates.get_opt("kube-root-ca.crt").await?;
                Ok(account.is_some() && certificate.is_some())
            },
        )
        .await
    }

    async fn until_node_ready(&self, client: &Client) -> Result<()> {
        let nodes = Api::<Node>::all(client.clone());
        wait::until(
            "the node to be ready",
            LIMIT,
            || self.check_alive(),
            async || Ok(nodes.get_opt(NODE_NAME).await?.is_some_and(|node| takes_pods(&node))),
        )
        .await
    }

    /// Asks as a pod would: through the Service's address, so kube-proxy has done its part too.
    async fn until_dns_answers(&self) -> Result<()> {
        let mut question = Command::new("getent");
        question.args(["hosts", "kubernetes.default.svc.cluster.local"]);
        wait::until(
            "cluster DNS",
            LIMIT,
            || self.check_alive(),
            async || {
                let mut command = tokio::process::Command::from(self.in_node(&question)?);
                let output = command.kill_on_drop(true).output();
                let output = tokio::time::timeout(DNS_ATTEMPT, output).await??;
                Ok(output.status.success())
            },
        )
        .await
    }

    /// Starts a component: inside the node where there is one.
    fn launch(&self, name: &'static str, command: &Command) -> Result<()> {
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

    fn check_alive(&self) -> Result<()> {
        self.state().processes.iter_mut().try_for_each(Process::check_alive)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("landfall-cluster: {error:#}; `landfall-cluster clean` tries again");
        }
    }
}

fn end_processes(processes: &mut [Process], node: Option<Namespaces>) -> Result<()> {
    if let Some(node) = node {
        node.first().kill()?;
    }
    for process in processes.iter_mut().rev() {
        if node.is_some() && process.name() == NAMESPACES {
            // It ends by itself, after the last process inside.
            process.wait()?;
        } else {
            process.kill()?;
        }
    }
    Ok(())
}

fn find<'a>(processes: &'a mut [Process], name: &str) -> Result<&'a mut Process> {
    let process = processes.iter_mut().find(|process| process.name() == name);
    process.with_context(|| format!("{name} was not started"))
}

fn ready_namespaces(processes: &[Process], directory: &Path) -> Result<Option<Namespaces>> {
    match processes.iter().find(|process| process.name() == NAMESPACES) {
        Some(holder) => Namespaces::of(holder, directory),
        None => Ok(None),
    }
}

fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|conditions| {
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    ready && taints.is_none_or(Vec::is_empty)
}

/// The node's network is its own, so the usual ports are free.
fn node_addresses(node: Ipv4Addr) -> Addresses {
    Addresses { api: node, api_port: 6443, etcd_port: 2379, etcd_peer_port: 2380 }
}

fn loopback_addresses(ports: &[u16]) -> Result<Addresses> {
    let &[api_port, etcd_port, etcd_peer_port] = ports else {
        bail!("three ports are needed, not {}", ports.len());
    };
    Ok(Addresses { api: Ipv4Addr::LOCALHOST, api_port, etcd_port, etcd_peer_port })
}

//! A cluster from its start to its end.

mod front_door;
mod pretence;
mod start;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use crate::binaries::{Binaries, Program};
use crate::control_plane::{Addresses, Setup};
use crate::namespaces::{self, Namespaces};
use crate::pki::Authority;
use crate::process::{Process, ProcessId};
use crate::run_dir::RunDir;
use crate::volumes::VolumeOpener;
use crate::{containers, etcd, kubeconfig, missing_for, network};

pub use front_door::missing_for_front_door;

const API_SERVER: &str = "kube-apiserver";
const NAMESPACES: &str = "namespaces";

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
            Size::Node => {
                run.make_directories(&namespaces::mount_points()).await?;
                Some(run.reserve_link().await?)
            }
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

    /// The host's address at which the node and its pods reach what listens here.
    pub fn host_address(&self) -> Option<Ipv4Addr> {
        self.node_address().map(network::host_of)
    }

    /// The same command, to be run inside the node's namespaces, where cluster IPs and the names of
    /// Services work. It starts in `/`. Killing it does not reach what it started inside.
    pub fn in_node(&self, command: &Command) -> Result<Command> {
        let node = self.node.context("a control plane alone has no node")?;
        Ok(node.enter(command))
    }

    /// As [`Self::in_node`], with the node's network and files but as a process of the host: killing it
    /// is its end.
    pub fn in_node_network(&self, command: &Command) -> Result<Command> {
        let node = self.node.context("a control plane alone has no node")?;
        Ok(node.enter_network(command))
    }

    /// Makes the images of an archive (such as [`crate::image::Image`] writes) known to the node.
    pub async fn load_image(&self, archive: &Path) -> Result<()> {
        if self.node.is_none() {
            bail!("a control plane alone runs no images");
        }
        containers::import(&self.directory, archive).await
    }

    /// An error, with the end of its log, if a component ended by itself.
    pub fn check(&self) -> Result<()> {
        let mut state = self.state();
        state.processes.iter_mut().try_for_each(Process::check_alive)
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

    /// Makes etcd forget all states before the present one: who then asks for what came since one of
    /// them is told that it is gone.
    pub async fn compact_etcd(&self) -> Result<()> {
        let port = self.addresses.etcd_port;
        tokio::task::spawn_blocking(move || etcd::compact(port)).await?
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

#[cfg(test)]
mod tests {
    use super::{Cluster, Size};

    fn may_cross_threads<T: Send>(_: T) {}

    #[test]
    fn a_cluster_may_be_shared_and_started_anywhere() {
        fn may_be_shared<T: Send + Sync>() {}
        may_be_shared::<Cluster>();
        may_cross_threads(Cluster::start(Size::ControlPlane));
    }
}

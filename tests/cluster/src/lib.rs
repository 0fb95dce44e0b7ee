//! A real Kubernetes on one machine, without a container engine, an image registry or prebuilt downloads.
//!
//! Two sizes exist. [`Size::ControlPlane`] is etcd, kube-apiserver and kube-controller-manager on
//! loopback, for any user. [`Size::Node`] adds scheduler, kubelet, containerd, kube-proxy, cluster DNS
//! and storage inside namespaces of their own, for root, so that nothing of the host's network,
//! mounts or kernel settings changes. A control plane alone can have nodes and pods that only seem to
//! run ([`Cluster::pretend_nodes`]).
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use landfall_cluster::{Cluster, Size, missing_for};
//!
//! if let Some(missing) = missing_for(Size::ControlPlane) {
//!     eprintln!("skipped: {missing}");
//!     return Ok(());
//! }
//! let cluster = Cluster::start(Size::ControlPlane).await?;
//! println!("KUBECONFIG={}", cluster.kubeconfig().display());
//! cluster.stop().await
//! # }
//! ```
//!
//! A cluster ends with its owner: also when the owner is killed, or exits without dropping a
//! [`Cluster`] that a `static` holds, the kernel ends every process of it. What then stays on disk is
//! removed by the next start, or by `landfall-cluster clean`.

pub mod binaries;
pub mod image;

mod addons;
mod cgroups;
mod cluster;
mod containers;
mod control_plane;
mod digest;
mod etcd;
mod file_lock;
mod kubeconfig;
mod namespaces;
mod network;
mod node;
mod pki;
mod process;
mod requirements;
mod run_dir;
mod running;
mod volumes;
mod wait;

pub use cluster::{Cluster, Size, missing_for_front_door};
pub use pki::Identity;
pub use requirements::missing_for;
pub use run_dir::clean_crashed_runs;
pub use running::command_in_running_node;

//! Where a measurement takes place: a control plane of its own, with pretended nodes.

use anyhow::{Context, Result};
use kube::Client;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;

use crate::support::{Space, World, client};

/// Nodes enough that no list of pods on one of them is long.
const NODES: usize = 10;

/// Where nobody answers: the addresses of documentation.
pub const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A fresh control plane with the namespace in which the servers are.
pub struct Field {
    pub world: Arc<World>,
    pub space: Space,
}

impl Field {
    /// Starts it; pods have the address of `host`, or one where nobody is.
    pub async fn open(host: Option<IpAddr>) -> Result<Self> {
        let world = Arc::new(World::of_its_own().await?);
        world.cluster.pretend_nodes(NODES, host.unwrap_or(NOBODY)).await?;
        let space = world.space("bench").await?;
        Ok(Self { world, space })
    }

    /// A client that bears this name in the audit log, and may do anything.
    pub async fn user(&self, name: &str) -> Result<Client> {
        client(&self.world.cluster.kubeconfig_for(name, &["system:masters"])?).await
    }

    /// Ends it, with everything in it.
    pub async fn close(self) -> Result<()> {
        drop(self.space);
        let world = Arc::into_inner(self.world).context("somebody still uses the cluster")?;
        world.cluster.stop().await
    }
}

/// An address of this machine that is no loopback, to which the API server does not connect.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Sends nothing: it only asks the kernel which way a packet would go.
    socket.connect((NOBODY, 9)).ok()?;
    socket.local_addr().ok().map(|it| it.ip()).filter(|it| !it.is_loopback())
}

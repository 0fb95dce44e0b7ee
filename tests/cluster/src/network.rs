//! The way between the host and the node: a pair of virtual interfaces.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::namespaces::Namespaces;
use crate::process::{output, run};

/// 198.18.0.0/15 is set aside for tests of networks, so nobody's real network is hidden by it.
const POOL: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const POOL_SUBNETS: u32 = 1 << 15;

/// A subnet of four addresses: the host has the second, the node the third.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    pub subnet: u32,
    pub host_interface: String,
}

impl Link {
    /// The first subnet that neither a run nor an interface of the host has.
    pub fn free(run_id: &str, taken: &[u32]) -> Result<Self> {
        let addresses = ip(&["-4", "-oneline", "address", "show"])?;
        let subnet = (0..POOL_SUBNETS)
            .filter(|subnet| !taken.contains(subnet))
            .find(|subnet| !addresses.contains(&format!(" {}/", address(*subnet, 1))))
            .context("every test subnet of 198.18.0.0/15 is taken")?;
        Ok(Self {
            subnet,
            // The kernel allows 15 characters; a process id has up to 7.
            host_interface: format!("lfc{run_id}"),
        })
    }

    pub fn host_address(&self) -> Ipv4Addr {
        address(self.subnet, 1)
    }

    pub fn node_address(&self) -> Ipv4Addr {
        address(self.subnet, 2)
    }
}

/// The host's address on the link to this node.
pub fn host_of(node: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(node) - 1)
}

fn address(subnet: u32, host: u32) -> Ipv4Addr {
    Ipv4Addr::from(POOL + subnet * 4 + host)
}

/// Joins the node's network namespace to the host.
pub fn connect(link: &Link, node: &Namespaces) -> Result<()> {
    let interface = link.host_interface.as_str();
    let node_pid = node.first().pid.to_string();
    let host = format!("{}/30", link.host_address());
    ip(&["link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", &node_pid])?;
    ip(&["address", "add", &host, "dev", interface])?;
    ip(&["link", "set", interface, "up"])?;

    let inside = |arguments: &[&str]| {
        let mut command = Command::new("ip");
        command.args(arguments);
        run(node.enter(&command)).map(drop)
    };
    inside(&["address", "add", &format!("{}/30", link.node_address()), "dev", "eth0"])?;
    inside(&["link", "set", "lo", "up"])?;
    inside(&["link", "set", "eth0", "up"])?;
    let gateway = link.host_address().to_string();
    inside(&["route", "add", "default", "via", &gateway])
}

/// Removes the pair. It may be gone already: it dies with the node's namespace.
pub fn remove(link: &Link) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["link", "delete", &link.host_interface]);
    let output = output(command)?;
    let exists = ip(&["-oneline", "link", "show"])?.contains(&format!(" {}@", link.host_interface));
    if !output.status.success() && exists {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("cannot remove {}: {error}", link.host_interface);
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("ip");
    command.args(arguments);
    run(command)
}

//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, ValueEnum};
use landfall_cluster::image::{Image, Layer};

/// A real Kubernetes on one machine, for tests, the demo and benchmarks.
///
/// Programs come from `KUBEBUILDER_ASSETS` where it has them; the others are built by Go once and
/// kept in `LANDFALL_CACHE` (default `~/.cache/landfall`). With `LANDFALL_CLUSTER_KEEP` set, logs stay.
#[derive(Debug, Parser)]
#[command(name = "landfall-cluster", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Starts a cluster, runs a command with KUBECONFIG set, ends the cluster, exits with the command's status.
    ///
    /// The command also finds `LANDFALL_CLUSTER_AUDIT_LOG` (the API server's audit log),
    /// `LANDFALL_CLUSTER_NODE_ADDRESS` (of node ports, if there is a node), and the cluster's kubectl
    /// first on PATH.
    Run {
        #[command(flatten)]
        cluster: ClusterArguments,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Starts a cluster, prints its kubeconfig's path, and ends it on Ctrl-C.
    Up {
        #[command(flatten)]
        cluster: ClusterArguments,
    },
    /// Runs a command inside the node of a running cluster, where cluster IPs and Services' names work.
    Exec {
        /// The run folder, where several clusters run.
        #[arg(long, env = "LANDFALL_CLUSTER_RUN")]
        run: Option<PathBuf>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Says what this machine lacks to run a cluster; status 0 if nothing.
    Check {
        #[arg(long, value_enum)]
        size: Size,
    },
    /// Makes the cluster's programs without starting them, and prints where they are.
    Binaries {
        #[arg(long, value_enum)]
        size: Size,
    },
    /// Makes a container image archive from files, without a container engine.
    Image(Box<ImageArguments>),
    /// Removes what crashed runs left.
    Clean,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Size {
    /// etcd, kube-apiserver and kube-controller-manager, for any user.
    ControlPlane,
    /// With a node that runs pods, for root.
    Node,
}

impl From<Size> for landfall_cluster::Size {
    fn from(size: Size) -> Self {
        match size {
            Size::ControlPlane => Self::ControlPlane,
            Size::Node => Self::Node,
        }
    }
}

#[derive(Debug, Args)]
pub struct ClusterArguments {
    #[arg(long, value_enum)]
    pub size: Size,
    /// An image archive to load into the node; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub load_image: Vec<PathBuf>,
    /// Starts Traefik on the node, as Ingress controller and as Gateway for hosts under this domain.
    #[arg(long, value_name = "DOMAIN")]
    pub front_door: Option<String>,
}

#[derive(Debug, Args)]
pub struct ImageArguments {
    /// Name with a tag other than latest.
    #[arg(long)]
    name: String,
    /// A file or folder of this machine and where it goes; may be given several times.
    #[arg(long = "file", value_name = "PATH_IN_IMAGE=SOURCE", value_parser = pair)]
    files: Vec<(String, String)>,
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    cmd: Vec<String>,
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    #[arg(long)]
    port: Vec<u16>,
    #[arg(long)]
    user: Option<String>,
    #[arg(long)]
    working_dir: Option<String>,
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl ImageArguments {
    pub fn write(&self) -> Result<()> {
        let mut layer = Layer::new();
        for (path, source) in &self.files {
            layer = layer.copy_from(path, source)?;
        }
        let mut image = Image::new(&self.name)?.layer(layer).entrypoint(&self.entrypoint).cmd(&self.cmd);
        for (name, value) in &self.env {
            image = image.env(name, value);
        }
        for (name, value) in &self.label {
            image = image.label(name, value);
        }
        for port in &self.port {
            image = image.port(*port);
        }
        if let Some(user) = &self.user {
            image = image.user(user);
        }
        if let Some(path) = &self.working_dir {
            image = image.working_dir(path);
        }
        if let Some(signal) = &self.stop_signal {
            image = image.stop_signal(signal);
        }
        image.write(&self.output)
    }
}

fn pair(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').context("has no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

//! Which programs come from which Go module, at which version.
//!
//! To raise a version: change it in `go.mod` (for Kubernetes in the `replace` lines too), run
//! `go mod tidy` in that folder, and change what is said about it here. Another minor version is
//! another folder.

use super::build::{Package, Source, Version};

/// A program of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    ApiServer,
    ControllerManager,
    CoreDns,
    Etcd,
    KubeProxy,
    Kubectl,
    Kubelet,
    Pause,
    Scheduler,
}

impl Program {
    /// The file's name, which is also its name in `KUBEBUILDER_ASSETS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::CoreDns => "coredns",
            Self::Etcd => "etcd",
            Self::KubeProxy => "kube-proxy",
            Self::Kubectl => "kubectl",
            Self::Kubelet => "kubelet",
            Self::Pause => "pause",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// How it is built.
    pub fn package(self) -> Package {
        let path = match self {
            Self::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::CoreDns => "github.com/coredns/coredns",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Self::Pause => ".",
            Self::Scheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
        };
        let built_name = if self == Self::Etcd { "server" } else { self.name() };
        Package { name: self.name(), path, built_name }
    }
}

/// A folder under `go/`, and what is built from it.
#[derive(Debug)]
pub struct Module {
    pub source: Source,
    pub programs: &'static [Program],
}

macro_rules! go_files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../go/", $folder, "/", $file)))),+]
    };
}

pub const MODULES: [Module; 4] = [
    Module {
        source: Source {
            name: "etcd-3.6",
            files: go_files!("etcd-3.6": "go.mod", "go.sum"),
            duration: "about 40 seconds",
            version: None,
        },
        programs: &[Program::Etcd],
    },
    Module {
        source: Source {
            name: "kubernetes-1.34",
            files: go_files!("kubernetes-1.34": "go.mod", "go.sum"),
            duration: "about 6 minutes on two cores",
            version: Some(Version { major: "1", minor: "34", full: "v1.34.4" }),
        },
        programs: &[
            Program::ApiServer,
            Program::ControllerManager,
            Program::Kubectl,
            Program::Kubelet,
            Program::KubeProxy,
            Program::Scheduler,
        ],
    },
    Module {
        source: Source {
            name: "coredns-1.12",
            files: go_files!("coredns-1.12": "go.mod", "go.sum"),
            duration: "about 90 seconds",
            version: None,
        },
        programs: &[Program::CoreDns],
    },
    Module {
        source: Source {
            name: "pause",
            files: go_files!("pause": "go.mod", "main.go"),
            duration: "a few seconds",
            version: None,
        },
        programs: &[Program::Pause],
    },
];

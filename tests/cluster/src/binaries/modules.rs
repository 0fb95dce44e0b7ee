//! Which programs come from which Go module, at which version.
//!
//! To raise a version: change it in `go.mod` (for Kubernetes in the `replace` lines too), run
//! `go mod tidy` in that folder, and change what is said about it here. Another minor version is
//! another folder.

use std::fmt::Write;

use crate::digest::sha256_hex;

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

    /// The Go package that it is built from.
    pub fn package(self) -> &'static str {
        match self {
            Self::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::CoreDns => "github.com/coredns/coredns",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Self::Pause => ".",
            Self::Scheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
        }
    }

    /// What `go build` calls the file: the last element of the package's path without its version.
    pub fn built_name(self) -> &'static str {
        match self {
            Self::Etcd => "server",
            other => other.name(),
        }
    }
}

/// A folder under `go/`: one `go.mod` and `go.sum`, built once and kept until either changes.
///
/// The files are part of this crate, so that it builds the programs from wherever it runs.
#[derive(Debug)]
pub struct Module {
    pub name: &'static str,
    pub files: &'static [(&'static str, &'static str)],
    pub programs: &'static [Program],
    /// Shown before a build, so that nobody takes it for a hang.
    pub duration: &'static str,
    version: Option<Version>,
}

/// Kubernetes learns its own version from the linker.
#[derive(Debug)]
struct Version {
    major: &'static str,
    minor: &'static str,
    full: &'static str,
}

/// Packages of Kubernetes that hold its version.
const VERSION_PACKAGES: [&str; 2] = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

macro_rules! go_files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../go/", $folder, "/", $file)))),+]
    };
}

pub const MODULES: [Module; 4] = [
    Module {
        name: "etcd-3.6",
        files: go_files!("etcd-3.6": "go.mod", "go.sum"),
        programs: &[Program::Etcd],
        duration: "about 40 seconds",
        version: None,
    },
    Module {
        name: "kubernetes-1.34",
        files: go_files!("kubernetes-1.34": "go.mod", "go.sum"),
        programs: &[
            Program::ApiServer,
            Program::ControllerManager,
            Program::Kubectl,
            Program::Kubelet,
            Program::KubeProxy,
            Program::Scheduler,
        ],
        duration: "about 6 minutes on two cores",
        version: Some(Version { major: "1", minor: "34", full: "v1.34.4" }),
    },
    Module {
        name: "coredns-1.12",
        files: go_files!("coredns-1.12": "go.mod", "go.sum"),
        programs: &[Program::CoreDns],
        duration: "about 90 seconds",
        version: None,
    },
    Module {
        name: "pause",
        files: go_files!("pause": "go.mod", "main.go"),
        programs: &[Program::Pause],
        duration: "a few seconds",
        version: None,
    },
];

impl Module {
    /// No symbol tables, and the version where a program asks for one.
    pub fn ldflags(&self) -> String {
        let mut flags = "-s -w".to_owned();
        let Some(version) = &self.version else {
            return flags;
        };
        let (major, minor, full) = (version.major, version.minor, version.full);
        for package in VERSION_PACKAGES {
            // Writing to a String cannot fail.
            let _ = write!(
                flags,
                " -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
                 -X {package}.gitVersion={full} -X {package}.gitTreeState=clean"
            );
        }
        flags
    }

    /// Names the cache folder: changes with everything that goes into the programs.
    pub fn fingerprint(&self) -> String {
        let ldflags = self.ldflags();
        let parts = self
            .files
            .iter()
            .flat_map(|(name, content)| [*name, *content])
            .chain([ldflags.as_str(), std::env::consts::ARCH]);
        let hash = sha256_hex(parts.map(str::as_bytes));
        format!("{}-{}", self.name, &hash[..16])
    }
}

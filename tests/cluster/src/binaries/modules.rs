//! Which programs come from which Go module, at which version.
//!
//! To raise a version: change it in `go.mod` (for Kubernetes in the `replace` lines too), run
//! `go mod tidy` in that folder, and change what is said about it here. Another minor version is
//! another folder.

use std::iter;

use anyhow::{Context, Result};

use super::build::{Package, Source, Version};

/// Variable that chooses another Kubernetes than the first one, such as `1.35`.
const CHOICE: &str = "LANDFALL_KUBERNETES";

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

macro_rules! kubernetes {
    ($folder:literal, $minor:literal, $full:literal) => {
        Module {
            source: Source {
                name: $folder,
                files: go_files!($folder: "go.mod", "go.sum"),
                duration: "about 6 minutes on two cores",
                version: Some(Version { major: "1", minor: $minor, full: $full }),
            },
            programs: &[
                Program::ApiServer,
                Program::ControllerManager,
                Program::Kubectl,
                Program::Kubelet,
                Program::KubeProxy,
                Program::Scheduler,
            ],
        }
    };
}

/// The first one is used where nothing else is asked for.
static KUBERNETES: [Module; 4] = [
    kubernetes!("kubernetes-1.34", "34", "v1.34.4"),
    kubernetes!("kubernetes-1.33", "33", "v1.33.13"),
    kubernetes!("kubernetes-1.35", "35", "v1.35.4"),
    kubernetes!("kubernetes-1.36", "36", "v1.36.3"),
];

static OTHERS: [Module; 3] = [
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

/// What a cluster is built from, with the Kubernetes that was chosen.
pub fn modules() -> Result<impl Iterator<Item = &'static Module>> {
    let kubernetes = match std::env::var(CHOICE) {
        Ok(version) => chosen(&version)?,
        Err(_) => &KUBERNETES[0],
    };
    Ok(iter::once(kubernetes).chain(&OTHERS))
}

fn chosen(version: &str) -> Result<&'static Module> {
    let name = format!("kubernetes-{version}");
    KUBERNETES.iter().find(|module| module.source.name == name).with_context(|| {
        let known = KUBERNETES.each_ref().map(|it| it.source.name.trim_start_matches("kubernetes-"));
        format!("{CHOICE}={version}: there are only {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kubernetes_can_be_chosen_and_what_is_not_there_is_named() -> Result<()> {
        for module in &KUBERNETES {
            let version = module.source.version.as_ref().context("no version")?;
            let name = format!("{}.{}", version.major, version.minor);
            assert!(version.full.starts_with(&format!("v{name}.")), "{version:?}");
            assert_eq!(chosen(&name)?.source.name, module.source.name);
            let pin = format!("k8s.io/kubernetes {} ", version.full);
            assert!(module.source.files[0].1.contains(&pin), "{name}: go.mod has another version");
        }
        let error = chosen("1.2").err().context("1.2 was found")?;
        assert!(error.to_string().contains("only 1.34, 1.33"), "{error}");
        Ok(())
    }
}

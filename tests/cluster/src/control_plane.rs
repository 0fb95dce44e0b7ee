//! etcd, kube-apiserver and kube-controller-manager: how each is started.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::binaries::{Binaries, Program};
use crate::kubeconfig;
use crate::pki::Authority;

pub const SERVICE_RANGE: &str = "10.96.0.0/16";
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The Service `kubernetes` has the first address of the range.
const KUBERNETES_SERVICE: &str = "10.96.0.1";

/// Where the components meet.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// By which clients reach the API server.
    pub api: Ipv4Addr,
    pub api_port: u16,
    pub etcd_port: u16,
    pub etcd_peer_port: u16,
}

impl Addresses {
    pub fn server(&self) -> String {
        format!("https://{}:{}", self.api, self.api_port)
    }
}

/// What every component needs to know to be started.
pub struct Setup<'a> {
    pub directory: &'a Path,
    pub binaries: &'a Binaries,
    pub authority: &'a Authority,
    pub addresses: &'a Addresses,
}

impl Setup<'_> {
    pub fn admin_kubeconfig(&self) -> Result<PathBuf> {
        self.kubeconfig("admin", "landfall-admin", &["system:masters"])
    }

    /// Writes a kubeconfig with a client certificate for `user`.
    pub fn kubeconfig(&self, file: &str, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let identity = self.authority.client(file, user, groups)?;
        let path = self.directory.join(format!("{file}.kubeconfig"));
        kubeconfig::write(&path, &self.addresses.server(), self.authority, &identity)?;
        Ok(path)
    }

    pub fn etcd(&self) -> Result<Command> {
        let client = format!("http://127.0.0.1:{}", self.addresses.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.addresses.etcd_peer_port);
        let mut command = Command::new(self.binaries.path(Program::Etcd)?);
        command
            .arg("--data-dir")
            .arg(self.directory.join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            // The data does not outlive the run.
            .arg("--unsafe-no-fsync");
        Ok(command)
    }

    /// `listen` is loopback, or every address of a node.
    pub fn api_server(&self, listen: &str, audit_log: &Path) -> Result<Command> {
        let addresses = self.addresses;
        let api = addresses.api.to_string();
        let serving = self.authority.server(
            "kube-apiserver",
            &[
                "localhost",
                "127.0.0.1",
                &api,
                KUBERNETES_SERVICE,
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ],
        )?;
        let kubelet = self.authority.client("kubelet-client", "landfall-apiserver", &["system:masters"])?;
        let token_public = self.authority.make_service_account_keys()?;
        let policy = self.audit_policy()?;
        let mut command = Command::new(self.binaries.path(Program::ApiServer)?);
        let mut file = |flag: &str, path: &Path| {
            command.arg(flag).arg(path);
        };
        file("--tls-cert-file", &serving.certificate);
        file("--tls-private-key-file", &serving.key);
        file("--client-ca-file", &self.authority.certificate());
        file("--kubelet-certificate-authority", &self.authority.certificate());
        file("--kubelet-client-certificate", &kubelet.certificate);
        file("--kubelet-client-key", &kubelet.key);
        file("--service-account-signing-key-file", &self.authority.service_account_key());
        file("--service-account-key-file", &token_public);
        file("--audit-policy-file", &policy);
        file("--audit-log-path", audit_log);
        command
            .args(["--bind-address", listen, "--advertise-address", &api])
            .args(["--secure-port", &addresses.api_port.to_string()])
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", addresses.etcd_port))
            .args(["--service-cluster-ip-range", SERVICE_RANGE])
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .args(["--authorization-mode", "Node,RBAC"])
            .args(["--kubelet-preferred-address-types", "InternalIP"])
            .arg("--allow-privileged")
            // One file, as long as the run: a reader never meets a rotation.
            .args(["--audit-log-maxsize", "1000000"]);
        if addresses.api.is_loopback() {
            // An Endpoints object may not hold a loopback address, and no pod looks for one.
            command.args(["--endpoint-reconciler-type", "none"]);
        }
        Ok(command)
    }

    /// Who asked for what, once per request and once at the start of a watch.
    fn audit_policy(&self) -> Result<PathBuf> {
        let path = self.directory.join("audit-policy.json");
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        });
        fs::write(&path, policy.to_string())?;
        Ok(path)
    }

    pub fn controller_manager(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("kube-controller-manager", "system:kube-controller-manager", &[])?;
        let mut command = Command::new(self.binaries.path(Program::ControllerManager)?);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--root-ca-file")
            .arg(self.authority.certificate())
            .arg("--service-account-private-key-file")
            .arg(self.authority.service_account_key())
            .arg("--use-service-account-credentials")
            .arg("--allocate-node-cidrs")
            .args(["--cluster-cidr", POD_RANGE])
            .arg("--enable-hostpath-provisioner")
            .arg("--leader-elect=false")
            // At its start it makes a service account per controller; its own limit draws that out.
            .args(["--kube-api-qps", "500", "--kube-api-burst", "500"])
            .args(["--secure-port", "0"]);
        if self.addresses.api.is_loopback() {
            // Nodes are only pretended here: one whose heartbeat is late on a busy machine has not failed.
            command.args(["--node-monitor-grace-period", "1h"]);
        }
        Ok(command)
    }
}

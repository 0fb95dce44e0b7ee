//! Scheduler, kubelet, kube-proxy and cluster DNS: how each is started.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::binaries::Program;
use crate::containers;
use crate::control_plane::{POD_RANGE, Setup};

pub const NODE_NAME: &str = "node";
pub const DNS_SERVICE: &str = "10.96.0.10";
pub const DNS_USER: &str = "landfall-coredns";
const CLUSTER_DOMAIN: &str = "cluster.local";

impl Setup<'_> {
    pub fn scheduler(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("kube-scheduler", "system:kube-scheduler", &[])?;
        let mut command = Command::new(self.binaries.path(Program::Scheduler)?);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--leader-elect=false")
            .args(["--secure-port", "0"])
            // Many pods at once wait for the API server, not for a limit of its clients.
            .args(["--kube-api-qps", "500", "--kube-api-burst", "500"]);
        Ok(command)
    }

    pub fn kubelet(&self, cgroup: &str) -> Result<Command> {
        let user = format!("system:node:{NODE_NAME}");
        let kubeconfig = self.kubeconfig("kubelet", &user, &["system:nodes"])?;
        let configuration = self.write_json("kubelet.json", &self.kubelet_configuration(cgroup)?)?;
        let mut command = Command::new(self.binaries.path(Program::Kubelet)?);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--config")
            .arg(configuration)
            .arg("--root-dir")
            .arg(self.directory.join("kubelet"))
            .args(["--hostname-override", NODE_NAME])
            .args(["--node-ip", &self.addresses.api.to_string()]);
        Ok(command)
    }

    fn kubelet_configuration(&self, cgroup: &str) -> Result<Value> {
        let address = self.addresses.api.to_string();
        let serving = self.authority.server("kubelet", &[NODE_NAME, &address])?;
        let socket = containers::socket(self.directory);
        let resolver = self.directory.join("pod-resolv.conf");
        fs::write(&resolver, "")?;
        Ok(json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": self.authority.certificate()},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": serving.certificate,
            "tlsPrivateKeyFile": serving.key,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{cgroup}"),
            "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": CLUSTER_DOMAIN,
            "resolvConf": resolver,
            "failSwapOn": false,
            // The disk is the machine's, and how full it is no business of a test.
            "evictionHard": {
                "imagefs.available": "0%",
                "imagefs.inodesFree": "0%",
                "memory.available": "0%",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": false,
            "volumePluginDir": self.directory.join("volume-plugins"),
        }))
    }

    pub fn kube_proxy(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("kube-proxy", "system:kube-proxy", &[])?;
        let configuration = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": kubeconfig},
            "clusterCIDR": POD_RANGE,
            "hostnameOverride": NODE_NAME,
            "iptables": {"minSyncPeriod": "100ms"},
            // Connection tracking has limits of the whole machine: they stay as they are.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpCloseWaitTimeout": "0s",
                "tcpEstablishedTimeout": "0s",
            },
        });
        let configuration = self.write_json("kube-proxy.json", &configuration)?;
        let mut command = Command::new(self.binaries.path(Program::KubeProxy)?);
        command.arg("--config").arg(configuration);
        Ok(command)
    }

    pub fn coredns(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("coredns", DNS_USER, &[])?;
        let corefile = self.directory.join("Corefile");
        let (address, kubeconfig) = (self.addresses.api, kubeconfig.display());
        // There is no world outside to forward to: other names do not exist.
        let content = format!(
            "{CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
    bind {address}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
. {{
    bind {address}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"
        );
        fs::write(&corefile, content)?;
        let mut command = Command::new(self.binaries.path(Program::CoreDns)?);
        command.arg("-conf").arg(corefile);
        Ok(command)
    }

    fn write_json(&self, name: &str, content: &Value) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, serde_json::to_vec_pretty(content)?)?;
        Ok(path)
    }
}

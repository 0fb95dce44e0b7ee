//! containerd, and the images it is given.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::image::{Image, Layer};
use crate::process::run;
use crate::requirements::{cni_directory, find_program};

const PAUSE_IMAGE: &str = "localhost/landfall-pause:1";
/// Where kubelet looks for images.
const NAMESPACE: &str = "k8s.io";

pub fn socket(directory: &Path) -> PathBuf {
    directory.join("containerd.sock")
}

/// Writes the configurations of containerd and its network, and returns the command that starts it.
pub fn containerd(directory: &Path, pod_range: &str) -> Result<Command> {
    let configuration = directory.join("containerd.toml");
    let network = directory.join("cni");
    fs::create_dir_all(&network)?;
    let addresses = directory.join("pod-addresses");
    fs::write(network.join("10-pods.conflist"), network_configuration(pod_range, &addresses))?;
    fs::write(&configuration, containerd_configuration(directory, &network)?)?;
    let mut command = Command::new("containerd");
    command.arg("--config").arg(configuration);
    Ok(command)
}

/// `restrict_oom_score_adj`: without the right to lower it (in many CI containers) no pod would start.
/// The plugins `nri` and `opt` would otherwise make folders on the host; the others are of no use here.
fn containerd_configuration(directory: &Path, network: &Path) -> Result<String> {
    let plugins = cni_directory().context("the CNI plugins are missing")?;
    let snapshotter = snapshotter(directory)?;
    let (directory, network, plugins) = (directory.display(), network.display(), plugins.display());
    Ok(format!(
        r#"version = 2
root = "{directory}/containerd"
state = "{directory}/containerd-state"
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{directory}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{network}"
"#
    ))
}

/// An overlay cannot be laid over another, which is what the root of a container often is.
fn snapshotter(directory: &Path) -> Result<&'static str> {
    const OVERLAY: i64 = 0x794c_7630;
    let kind = rustix::fs::statfs(directory)?.f_type;
    Ok(if kind == OVERLAY { "native" } else { "overlayfs" })
}

fn network_configuration(pod_range: &str, addresses: &Path) -> String {
    // One node: its pods have the first /24 of the range.
    let subnet = pod_range.replace("/16", "/24");
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                // A pod may call itself through its Service.
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": addresses,
                    "ranges": [[{"subnet": subnet}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}

/// Whether containerd answers.
pub async fn answers(directory: &Path) -> Result<bool> {
    ctr(directory, &["version"]).await.map(|()| true)
}

/// Makes the image that every pod starts with known to kubelet.
pub async fn import_pause(directory: &Path, program: &Path) -> Result<()> {
    let archive = directory.join("pause.tar");
    Image::new(PAUSE_IMAGE)?
        .layer(Layer::new().file_from("/pause", program, 0o755)?)
        .entrypoint(["/pause"])
        .write(&archive)?;
    import(directory, &archive).await
}

/// Makes the images of an archive known to kubelet.
pub async fn import(directory: &Path, archive: &Path) -> Result<()> {
    let archive = std::path::absolute(archive)?;
    let path = archive.to_str().context("the archive's path is not UTF-8")?;
    ctr(directory, &["--namespace", NAMESPACE, "images", "import", path])
        .await
        .with_context(|| format!("cannot load the image {}", archive.display()))
}

async fn ctr(directory: &Path, arguments: &[&str]) -> Result<()> {
    let program = find_program("ctr").context("`ctr` is missing: install containerd")?;
    let mut command = Command::new(program);
    command.arg("--address").arg(socket(directory)).args(arguments);
    tokio::task::spawn_blocking(|| run(command)).await??;
    Ok(())
}

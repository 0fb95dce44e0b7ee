//! The namespaces of a node: network, mounts and processes of its own.
//!
//! Because processes are in a namespace too, the kernel ends all of them, pods and their shims
//! included, when the first one dies; the mounts and the network then go with them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{Process, ProcessId, prefixed};

/// Directories whose names kubelet, containerd and the CNI plugins have built in. In the node's own
/// mount namespace they are folders of the run, so the host's stay as they are.
const PRIVATE_DIRECTORIES: [(&str, &str); 5] = [
    ("/var/log", "var-log"),
    ("/var/lib/cni", "var-lib-cni"),
    ("/run/containerd", "run-containerd"),
    ("/run/netns", "run-netns"),
    ("/tmp/hostpath_pv", VOLUMES),
];
const VOLUMES: &str = "volumes";

/// Kernel settings that kubelet would change for the whole machine. It leaves alone what has the
/// value it wants, so it is shown files that have it.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Held by the first process of the process namespace, whose end is the end of all others inside.
#[derive(Debug, Clone, Copy)]
pub struct Namespaces {
    first: ProcessId,
}

impl Namespaces {
    /// Starts the holder: `unshare` -> a script that mounts -> `pause`.
    pub fn start(directory: &Path, dns: &str, pause: &Path, log: PathBuf) -> Result<Process> {
        let script = directory.join("namespaces.sh");
        fs::write(&script, setup_script(directory, dns, pause)?)?;
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--propagation", "private", "--", "sh"])
            .arg(script);
        Process::start("namespaces", &command, log)
    }

    /// `None` as long as the script has not come to its end.
    pub fn of(holder: &Process, directory: &Path) -> Result<Option<Self>> {
        if !ready_file(directory).exists() {
            return Ok(None);
        }
        let holder = holder.pid();
        let path = format!("/proc/{holder}/task/{holder}/children");
        let children = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let first = children.split_ascii_whitespace().next();
        let first = first.and_then(|pid| pid.parse().ok());
        let first = ProcessId::of(first.context("the node's namespaces have no first process")?)?;
        Ok(Some(Self { first }))
    }

    /// Those of a run that another process owns.
    pub fn of_first(first: ProcessId) -> Self {
        Self { first }
    }

    pub fn first(&self) -> ProcessId {
        self.first
    }

    /// The same command, to be run inside.
    pub fn enter(&self, command: &Command) -> Command {
        let pid = format!("--pid={}", self.path("pid"));
        prefixed([self.prefix().as_slice(), &[pid, "--".to_owned()]].concat(), command)
    }

    /// The same command, to be run inside but as a process of the host, so that killing it is its end.
    pub fn enter_network(&self, command: &Command) -> Command {
        prefixed([self.prefix().as_slice(), &["--".to_owned()]].concat(), command)
    }

    fn prefix(&self) -> [String; 3] {
        ["nsenter".to_owned(), format!("--net={}", self.path("net")), format!("--mount={}", self.path("mnt"))]
    }

    fn path(&self, namespace: &str) -> String {
        format!("/proc/{}/ns/{namespace}", self.first.pid)
    }
}

/// What must be there on the host before [`Namespaces::start`].
pub fn mount_points() -> Vec<&'static str> {
    PRIVATE_DIRECTORIES.map(|(target, _)| target).to_vec()
}

/// Where the hostPath provisioner's volumes are, as the host sees them.
pub fn volumes(directory: &Path) -> PathBuf {
    directory.join(VOLUMES)
}

fn ready_file(directory: &Path) -> PathBuf {
    directory.join("namespaces-ready")
}

fn setup_script(directory: &Path, dns: &str, pause: &Path) -> Result<String> {
    let mut script = String::from("set -e\n");
    let mut bind = |source: &Path, target: &str| writeln!(script, "mount --bind '{}' {target}", source.display());
    for (target, name) in PRIVATE_DIRECTORIES {
        let source = directory.join(name);
        fs::create_dir_all(&source)?;
        bind(&source, target)?;
    }
    let settings = directory.join("kernel-settings");
    for (setting, value) in KERNEL_SETTINGS {
        let source = settings.join(setting);
        fs::create_dir_all(source.parent().unwrap_or(&settings))?;
        fs::write(&source, value)?;
        bind(&source, &format!("/proc/sys/{setting}"))?;
    }
    // Commands that are run inside find Services by name.
    let search = "default.svc.cluster.local svc.cluster.local cluster.local";
    let resolver = directory.join("resolv.conf");
    fs::write(&resolver, format!("nameserver {dns}\nsearch {search}\noptions ndots:5\n"))?;
    bind(&resolver, "\"$(readlink -f /etc/resolv.conf)\"")?;
    let switch = directory.join("nsswitch.conf");
    fs::write(&switch, "passwd: files\ngroup: files\nhosts: files dns\n")?;
    bind(&switch, "/etc/nsswitch.conf")?;

    script.push_str("mount --make-rshared /\n");
    script.push_str("echo 1 > /proc/sys/net/ipv4/ip_forward\n");
    // Traffic between pods on one bridge must pass kube-proxy's rules too.
    script.push_str("modprobe br_netfilter 2>/dev/null || true\n");
    script.push_str(
        "echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || \
         { echo 'load the kernel module br_netfilter: modprobe br_netfilter'; exit 1; }\n",
    );
    writeln!(script, "touch '{}'", ready_file(directory).display())?;
    writeln!(script, "exec '{}'", pause.display())?;
    Ok(script)
}

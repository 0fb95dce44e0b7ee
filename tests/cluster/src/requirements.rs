//! What a machine needs to have, and the sentence that says so where it does not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::Size;
use crate::binaries;

/// Directories of administrators' programs, which are not on every user's PATH.
const ADMIN_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where distributions put the CNI plugins.
const CNI_DIRECTORIES: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
const CNI_PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// Program and the Debian package that has it.
const NODE_PROGRAMS: [(&str, &str); 10] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("getent", "libc-bin"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("unshare", "util-linux"),
];

/// The first Go that fetches a newer one by itself when a module asks for it.
const OLDEST_GO: (u32, u32) = (1, 21);

/// `None` if this machine can run a cluster of this size; otherwise what is missing and how to get it.
pub fn missing_for(size: Size) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("the cluster runs on Linux only".to_owned());
    }
    if find_program("setpriv").is_none() {
        return Some("`setpriv` is missing: install the package util-linux".to_owned());
    }
    if size == Size::Node
        && let Some(missing) = missing_for_node()
    {
        return Some(missing);
    }
    let to_build = binaries::not_yet_made(size);
    if to_build.is_empty() {
        return None;
    }
    missing_go().map(|missing| format!("{missing}, to build {}", to_build.join(", ")))
}

fn missing_for_node() -> Option<String> {
    if !geteuid().is_root() {
        return Some("a node needs root: run this as root, or use the control plane only".to_owned());
    }
    let mut packages: Vec<&str> = NODE_PROGRAMS
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if cni_directory().is_none() {
        packages.push("containernetworking-plugins");
    }
    packages.dedup();
    if !packages.is_empty() {
        let packages = packages.join(" ");
        return Some(format!("programs of a node are missing: apt-get install {packages}"));
    }
    if !may_make_namespaces() {
        return Some("this root may not make namespaces: run it on a machine or in a privileged container".to_owned());
    }
    None
}

fn may_make_namespaces() -> bool {
    Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"])
        .env("PATH", system_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What keeps Go from building a program.
pub fn missing_go() -> Option<String> {
    let output = Command::new("go").args(["env", "GOVERSION"]).output();
    let Ok(output) = output else {
        return Some("`go` is missing: install Go from go.dev/dl or your distribution".to_owned());
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (parse_go_version(&version) < Some(OLDEST_GO)).then(|| {
        let (major, minor) = OLDEST_GO;
        format!("`go` is too old ({version}): install {major}.{minor} or later")
    })
}

/// `go1.26.8` -> (1, 26). An unknown form counts as older than all.
fn parse_go_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub fn cni_directory() -> Option<&'static Path> {
    CNI_DIRECTORIES
        .iter()
        .map(Path::new)
        .find(|directory| CNI_PLUGINS.iter().all(|plugin| directory.join(plugin).exists()))
}

pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&system_path()).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// PATH with the administrators' directories, which kubelet and containerd need for their own children.
pub fn system_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for directory in ADMIN_DIRECTORIES.map(PathBuf::from) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    // Only a directory name with a colon cannot be joined, and none can come out of a split.
    std::env::join_paths(directories).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::parse_go_version;

    #[test]
    fn go_versions_compare_by_number() {
        assert!(parse_go_version("go1.26.8") > parse_go_version("go1.9"));
        assert_eq!(parse_go_version("go1.22rc1"), Some((1, 22)));
        assert_eq!(parse_go_version("devel"), None);
    }
}

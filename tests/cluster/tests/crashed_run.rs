//! A cluster whose owner is killed: its processes end with the owner, and `clean` removes the rest.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_cluster::{Size, missing_for};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall-cluster");

#[test]
fn a_killed_owner_leaves_no_process_and_clean_removes_the_folder() {
    if let Some(missing) = missing_for(Size::ControlPlane) {
        // Past the capture of the test's output: a skip must be seen.
        writeln!(std::io::stderr(), "skipped: crashed run: {missing}").unwrap();
        return;
    }
    let temporary = TemporaryDirectory::create();
    let mut owner = up(&temporary.0);
    let mut kubeconfig = String::new();
    let output = owner.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut kubeconfig).unwrap();
    let run = Path::new(kubeconfig.trim()).parent().unwrap().to_owned();
    let processes = recorded_processes(&run);
    assert_eq!(processes.len(), 3, "etcd, API server, controller manager");

    // As long as the owner lives, nothing of it is touched.
    assert_eq!(clean(&temporary.0), "");
    assert!(run.exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    let start = Instant::now();
    while processes.iter().any(|process| process.exists()) {
        assert!(start.elapsed() < Duration::from_secs(10), "{processes:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(run.exists());
    assert_eq!(clean(&temporary.0), format!("removed {}\n", run.display()));
    assert!(!run.exists());
}

fn up(temporary: &Path) -> Child {
    Command::new(PROGRAM)
        .args(["up", "--size", "control-plane"])
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn clean(temporary: &Path) -> String {
    let output = Command::new(PROGRAM).arg("clean").env("TMPDIR", temporary).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Their entries in `/proc`.
fn recorded_processes(run: &Path) -> Vec<PathBuf> {
    let record = fs::read(run.join("record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let processes = record["processes"].as_array().unwrap();
    processes.iter().map(|process| Path::new("/proc").join(process["pid"].to_string())).collect()
}

struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn create() -> Self {
        let name = format!("landfall-crashed-run-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

//! The control group that holds the pods of one run, in every hierarchy of the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// The kernel needs a moment to let go of processes that were just killed.
const REMOVE_ATTEMPTS: u32 = 60;
const REMOVE_INTERVAL: Duration = Duration::from_millis(50);

/// Makes the group, which kubelet expects to find.
pub fn create(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).with_context(|| format!("cannot make the control group {}", group.display()))?;
    }
    Ok(())
}

/// Removes the group with all that kubelet and runc made below it.
pub fn remove(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(name);
        let mut result = remove_tree(&group);
        for _ in 0..REMOVE_ATTEMPTS {
            match &result {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                _ => break,
            }
            thread::sleep(REMOVE_INTERVAL);
            result = remove_tree(&group);
        }
        result.with_context(|| format!("cannot remove the control group {}", group.display()))?;
    }
    Ok(())
}

/// One on version 2; one per controller on version 1, often with one of version 2 beside them.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    Ok(mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind) = (Path::new(fields.next()?), fields.next()?);
            (path.starts_with(ROOT) && matches!(kind, "cgroup" | "cgroup2")).then(|| path.to_owned())
        })
        .collect())
}

/// The files in a control group cannot be deleted, and go with it.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

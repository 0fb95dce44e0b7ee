//! The folder of one run, and the record in it by which a later run removes what a crash left.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use crate::cgroups;
use crate::file_lock::FileLock;
use crate::network::{self, Link};
use crate::process::ProcessId;

const RECORD: &str = "record.json";
const KEPT: &str = "kept";
/// Folders outside of the run folders that some run made, because something must be there to mount over.
const MADE: &str = "made-directories.json";

/// Below the kernel's range for outgoing connections, which could otherwise take a port that was just free.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

const KILL_LIMIT: Duration = Duration::from_secs(15);
const KILL_INTERVAL: Duration = Duration::from_millis(20);

/// What a run took from the machine. Written before it is taken wherever that can be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub owner: ProcessId,
    /// Process ids mean nothing after a reboot.
    boot: String,
    pub processes: Vec<ProcessId>,
    ports: Vec<u16>,
    pub link: Option<Link>,
    cgroup: Option<String>,
    /// The process whose namespaces are the node's.
    pub node: Option<ProcessId>,
}

/// The folder of a running cluster.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    record: Record,
    removed: bool,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("landfall-cluster: {error:#}; `landfall-cluster clean` tries again");
        }
    }
}

impl RunDir {
    /// Removes what crashed runs left, then makes a new folder.
    pub async fn create() -> Result<Self> {
        let base = base()?;
        let _lock = lock(&base).await?;
        if let Err(error) = clean_locked(&base) {
            eprintln!("landfall-cluster: {error:#}");
        }
        let owner = ProcessId::own()?;
        let path = (0..=u32::MAX)
            .map(|number| base.join(format!("{}-{number}", owner.pid)))
            .find(|path| !path.exists())
            .context("every run folder is taken")?;
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let record = Record {
            owner,
            boot: boot_id()?,
            processes: Vec::new(),
            ports: Vec::new(),
            link: None,
            cgroup: None,
            node: None,
        };
        fs::create_dir(path.join("logs"))?;
        save(&path, &record)?;
        // Made last: dropping it takes the lock.
        Ok(Self { path, record, removed: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log(&self, component: &str) -> PathBuf {
        self.path.join("logs").join(format!("{component}.log"))
    }

    /// Unique among the runs of this machine that live.
    pub fn id(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub fn record_process(&mut self, process: ProcessId) -> Result<()> {
        self.record.processes.push(process);
        self.save()
    }

    pub fn record_node(&mut self, process: ProcessId) -> Result<()> {
        self.record.node = Some(process);
        self.record_process(process)
    }

    /// Free ports on loopback that no other run of this user has taken.
    pub async fn reserve_ports(&mut self, count: usize) -> Result<Vec<u16>> {
        let base = base()?;
        let _lock = lock(&base).await?;
        let taken: Vec<u16> = records(&base)?
            .into_iter()
            .flat_map(|(_, record)| record.map(|record| record.ports).unwrap_or_default())
            .collect();
        // Runs of other users hold other locks: different starts keep them apart.
        let offset = self.record.owner.pid % u32::from(LAST_PORT - FIRST_PORT);
        let start = FIRST_PORT + u16::try_from(offset)?;
        let ports: Vec<u16> = (start..LAST_PORT)
            .chain(FIRST_PORT..start)
            .filter(|port| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .take(count)
            .collect();
        if ports.len() < count {
            bail!("no free ports between {FIRST_PORT} and {LAST_PORT}");
        }
        self.record.ports.clone_from(&ports);
        self.save()?;
        Ok(ports)
    }

    /// A pair of addresses for the way between host and node that nobody else uses.
    pub async fn reserve_link(&mut self) -> Result<Link> {
        let base = base()?;
        let _lock = lock(&base).await?;
        let taken: Vec<u32> =
            records(&base)?.into_iter().filter_map(|(_, record)| record?.link).map(|link| link.subnet).collect();
        let link = Link::free(&self.id(), &taken)?;
        self.record.link = Some(link.clone());
        self.save()?;
        Ok(link)
    }

    /// Makes a control group for the pods of this run.
    pub fn make_cgroup(&mut self) -> Result<String> {
        let name = format!("landfall-cluster-{}", self.id());
        self.record.cgroup = Some(name.clone());
        self.save()?;
        cgroups::create(&name)?;
        Ok(name)
    }

    /// Makes folders of the host that a node mounts its own over. They go with the last node.
    pub async fn make_directories(&self, directories: &[&str]) -> Result<()> {
        let base = base()?;
        let _lock = lock(&base).await?;
        let mut made = made_directories(&base);
        for directory in directories.iter().map(PathBuf::from) {
            if !directory.exists() {
                fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
                made.push(directory);
            }
        }
        fs::write(base.join(MADE), serde_json::to_vec(&made)?)?;
        Ok(())
    }

    /// Removes everything. What still runs is killed.
    pub fn remove(&mut self) -> Result<()> {
        if self.removed {
            return Ok(());
        }
        let base = base()?;
        let _lock = FileLock::acquire_blocking(&base.join("lock"))?;
        remove_run(&base, &self.path, &self.record)?;
        self.removed = true;
        Ok(())
    }

    fn save(&self) -> Result<()> {
        save(&self.path, &self.record)
    }
}

fn save(path: &Path, record: &Record) -> Result<()> {
    let new = path.join("record.new");
    fs::write(&new, serde_json::to_vec_pretty(record)?)?;
    fs::rename(&new, path.join(RECORD))?;
    Ok(())
}

/// Removes what crashed runs of this user left; the names of the runs it removed.
pub async fn clean_crashed_runs() -> Result<Vec<String>> {
    let base = base()?;
    let _lock = lock(&base).await?;
    clean_locked(&base)
}

/// Records of the runs of this user whose owner lives.
pub async fn live_runs() -> Result<Vec<(PathBuf, Record)>> {
    let base = base()?;
    let _lock = lock(&base).await?;
    let boot = boot_id()?;
    Ok(records(&base)?
        .into_iter()
        .filter_map(|(path, record)| Some((path, record?)))
        .filter(|(_, record)| record.is_live(&boot))
        .collect())
}

impl Record {
    fn is_live(&self, boot: &str) -> bool {
        self.boot == boot && self.owner.is_alive()
    }
}

/// One run that cannot be removed does not keep the others.
fn clean_locked(base: &Path) -> Result<Vec<String>> {
    let boot = boot_id()?;
    let mut removed = Vec::new();
    let mut failure = None;
    for (path, record) in records(base)? {
        let result = match &record {
            Some(record) if record.is_live(&boot) => continue,
            Some(record) if record.boot == boot => remove_run(base, &path, record),
            // A reboot ended its processes and namespaces; without a record it had none yet.
            _ => remove_folder(&path),
        };
        match result {
            Ok(()) => removed.push(path.display().to_string()),
            Err(error) => failure = Some(error.context(format!("a crashed run stays: {}", path.display()))),
        }
    }
    failure.map_or(Ok(removed), Err)
}

fn remove_run(base: &Path, path: &Path, record: &Record) -> Result<()> {
    for process in &record.processes {
        process.kill()?;
    }
    let start = Instant::now();
    while let Some(process) = record.processes.iter().find(|process| process.is_alive()) {
        if start.elapsed() > KILL_LIMIT {
            bail!("process {} does not end", process.pid);
        }
        thread::sleep(KILL_INTERVAL);
    }
    if let Some(link) = &record.link {
        network::remove(link)?;
    }
    if let Some(cgroup) = &record.cgroup {
        cgroups::remove(cgroup)?;
    }
    if std::env::var_os("LANDFALL_CLUSTER_KEEP").is_some() {
        keep_logs(base, path)?;
    }
    remove_folder(path)?;
    remove_made_directories(base)
}

/// Only after the last node: removing a folder would take away what another node mounted over it.
fn remove_made_directories(base: &Path) -> Result<()> {
    let nodes = records(base)?.into_iter().filter_map(|(_, record)| record?.link).count();
    if nodes == 0 && base.join(MADE).exists() {
        for directory in made_directories(base) {
            // One that somebody else uses by now is not empty, and stays.
            let _ = fs::remove_dir(directory);
        }
        fs::remove_file(base.join(MADE))?;
    }
    Ok(())
}

fn made_directories(base: &Path) -> Vec<PathBuf> {
    let content = fs::read(base.join(MADE)).unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

fn keep_logs(base: &Path, path: &Path) -> Result<()> {
    let kept = base.join(KEPT).join(path.file_name().unwrap_or_default());
    fs::create_dir_all(&kept)?;
    for name in ["logs", "audit.log"] {
        if path.join(name).exists() && !kept.join(name).exists() {
            fs::rename(path.join(name), kept.join(name))?;
        }
    }
    eprintln!("landfall-cluster: logs kept in {}", kept.display());
    Ok(())
}

fn remove_folder(path: &Path) -> Result<()> {
    // Mounts live in namespaces that are gone by now. Should one have escaped, its content is not ours to delete.
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    let below = |line: &&str| {
        let point = line.split(' ').nth(1).unwrap_or_default();
        Path::new(point).starts_with(path)
    };
    if let Some(mount) = mounts.lines().find(below) {
        bail!("{} still has a mount: {mount}", path.display());
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Every run folder, with its record if it has a readable one.
fn records(base: &Path) -> Result<Vec<(PathBuf, Option<Record>)>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(base)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with(KEPT) {
            let bytes = fs::read(path.join(RECORD)).unwrap_or_default();
            records.push((path, serde_json::from_slice(&bytes).ok()));
        }
    }
    Ok(records)
}

async fn lock(base: &Path) -> Result<FileLock> {
    FileLock::acquire(&base.join("lock"), || {}).await
}

/// The folder of all runs of this user. On disk: images and volumes are too large for a runtime
/// directory in memory.
fn base() -> Result<PathBuf> {
    let user = geteuid().as_raw();
    let base = std::path::absolute(std::env::temp_dir())?.join(format!("landfall-cluster-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make {}", base.display()));
        }
        _ => {}
    }
    // The name can be foreseen, and anyone may write to the temporary directory.
    let metadata = fs::symlink_metadata(&base)?;
    if !metadata.is_dir() || metadata.uid() != user {
        bail!("{} belongs to somebody else: remove it or set TMPDIR", base.display());
    }
    Ok(base)
}

fn boot_id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

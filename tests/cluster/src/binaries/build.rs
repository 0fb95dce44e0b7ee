//! Builds programs from source by Go, once, and keeps them in a cache.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::digest::sha256_hex;
use crate::file_lock::FileLock;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);
const BUILD_LOG_LINES: usize = 30;

/// What programs are built from: a folder with `go.mod` and `go.sum`, the same until either changes.
#[derive(Debug)]
pub struct Source {
    pub name: &'static str,
    /// Name and content of each. They are part of the test program, so that it builds from wherever it runs.
    pub files: &'static [(&'static str, &'static str)],
    /// Shown before a build, so that nobody takes it for a hang.
    pub duration: &'static str,
    /// For programs that learn their own version from the linker, as those of Kubernetes do.
    pub version: Option<Version>,
}

/// A program in a [`Source`].
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// What its file shall be called.
    pub name: &'static str,
    /// The Go package that it is built from.
    pub path: &'static str,
    /// What `go build` calls the file: the last element of the path without its version.
    pub built_name: &'static str,
}

/// The version of a Kubernetes component.
#[derive(Debug)]
pub struct Version {
    pub major: &'static str,
    pub minor: &'static str,
    pub full: &'static str,
}

/// Packages of Kubernetes that hold its version.
const VERSION_PACKAGES: [&str; 2] = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

impl Source {
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

fn cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("LANDFALL_CACHE") {
        return std::path::absolute(&cache).context("LANDFALL_CACHE is not a path");
    }
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.map(|home| home.join(".cache/landfall"))
        .context("there is no home directory: set LANDFALL_CACHE to a folder for built programs")
}

pub fn built_directory(source: &Source) -> Result<PathBuf> {
    Ok(cache()?.join("bin").join(source.fingerprint()))
}

/// Where a program is, if it was built.
pub fn built(source: &Source, name: &str) -> Result<Option<PathBuf>> {
    let path = built_directory(source)?.join(name);
    Ok(path.is_file().then_some(path))
}

/// A folder in which Go can work on a source, for one process at a time.
pub struct Workshop {
    pub folder: PathBuf,
    /// Holds the source's own files.
    pub files: PathBuf,
    _lock: FileLock,
}

impl Workshop {
    pub async fn open(source: &Source) -> Result<Self> {
        let folder = cache()?.join("build").join(source.fingerprint());
        let files = folder.join("source");
        for folder in [&built_directory(source)?, &files] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}: set LANDFALL_CACHE", folder.display()))?;
        }
        let name = source.name;
        let lock = FileLock::acquire(&folder.join("lock"), || {
            eprintln!("landfall-cluster: waiting for another process that builds {name}");
        })
        .await?;
        for (file, content) in source.files {
            fs::write(files.join(file), content)?;
        }
        Ok(Self { folder, files, _lock: lock })
    }

    /// Go, not started yet, in the source's folder.
    pub fn go(&self) -> Command {
        let mut go = Command::new("go");
        go.current_dir(&self.files).env("GOWORK", "off").stdin(Stdio::null()).kill_on_drop(true);
        go
    }
}

/// What is said where Go cannot be started.
pub const NO_GO: &str = "cannot start `go`: install Go from go.dev/dl or your distribution";

/// Builds those of `wanted` that are not there yet.
pub async fn make(source: &Source, wanted: &[Package]) -> Result<()> {
    let directory = built_directory(source)?;
    let is_missing = |package: &&Package| !directory.join(package.name).is_file();
    if !wanted.iter().any(|package| is_missing(&package)) {
        return Ok(());
    }
    let workshop = Workshop::open(source).await?;
    // Whoever held the lock before may have built the same.
    let packages: Vec<_> = wanted.iter().filter(is_missing).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    let output = workshop.folder.join("output");
    fs::create_dir_all(&output)?;
    let log = workshop.folder.join("build.log");
    let build = go_build(source, &packages, &workshop, &output, &log)?;
    follow(build, source, &packages, &log).await?;
    for package in packages {
        // A rename, so that nobody ever sees half a program.
        let target = directory.join(package.name);
        fs::rename(output.join(package.built_name), &target)
            .with_context(|| format!("go build did not write {}", target.display()))?;
    }
    Ok(())
}

fn go_build(source: &Source, packages: &[Package], workshop: &Workshop, output: &Path, log: &Path) -> Result<Child> {
    let log = fs::File::create(log)?;
    // The slash makes Go take it for a directory.
    let mut output = output.as_os_str().to_owned();
    output.push("/");
    workshop
        .go()
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-ldflags", &source.ldflags(), "-o"])
        .arg(output)
        .args(packages.iter().map(|package| package.path))
        .env("CGO_ENABLED", "0")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context(NO_GO)
}

async fn follow(mut build: Child, source: &Source, packages: &[Package], log: &Path) -> Result<()> {
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    let names = names.join(", ");
    eprintln!("landfall-cluster: building {names} from source with Go; only the first time, {}", source.duration);
    let start = Instant::now();
    let status = loop {
        match tokio::time::timeout(PROGRESS_INTERVAL, build.wait()).await {
            Ok(status) => break status?,
            Err(_) => eprintln!("landfall-cluster: still building {} ({} s)", source.name, start.elapsed().as_secs()),
        }
    };
    if !status.success() {
        let output = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(BUILD_LOG_LINES)..].join("\n");
        bail!("go build of {} failed ({status}):\n{tail}", source.name);
    }
    let seconds = start.elapsed().as_secs();
    eprintln!("landfall-cluster: built {} in {seconds} s", source.name);
    Ok(())
}

//! The programs of the cluster: found in `KUBEBUILDER_ASSETS`, or built once by Go and kept in a cache.

mod modules;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::Size;
use crate::file_lock::FileLock;
pub use modules::Program;
use modules::{MODULES, Module};

const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);
const BUILD_LOG_LINES: usize = 30;

const CONTROL_PLANE: [Program; 4] = [Program::Etcd, Program::ApiServer, Program::ControllerManager, Program::Kubectl];
const NODE_ONLY: [Program; 5] =
    [Program::Scheduler, Program::Kubelet, Program::KubeProxy, Program::CoreDns, Program::Pause];

/// Where each program is on this machine.
#[derive(Debug, Clone)]
pub struct Binaries {
    paths: BTreeMap<Program, PathBuf>,
}

impl Binaries {
    /// Builds what is not there yet. The first time takes minutes; progress goes to stderr.
    pub async fn make(size: Size) -> Result<Self> {
        let programs = programs(size);
        for module in &MODULES {
            let wanted = missing_of(module, &programs)?;
            if !wanted.is_empty() {
                build(module, &programs).await?;
            }
        }
        let mut paths = BTreeMap::new();
        for program in programs {
            let path = locate(program)?;
            let path = path.with_context(|| format!("{} was built but is gone", program.name()))?;
            paths.insert(program, path);
        }
        Ok(Self { paths })
    }

    pub fn path(&self, program: Program) -> Result<&Path> {
        let path = self.paths.get(&program);
        let name = program.name();
        path.map(PathBuf::as_path).with_context(|| format!("{name} is not part of a cluster of this size"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Program, &Path)> {
        self.paths.iter().map(|(program, path)| (*program, path.as_path()))
    }
}

/// Names of the programs that a start would have to build.
pub fn not_yet_made(size: Size) -> Vec<&'static str> {
    programs(size).into_iter().filter(|program| !matches!(locate(*program), Ok(Some(_)))).map(Program::name).collect()
}

fn programs(size: Size) -> Vec<Program> {
    match size {
        Size::ControlPlane => CONTROL_PLANE.to_vec(),
        Size::Node => [CONTROL_PLANE.as_slice(), &NODE_ONLY].concat(),
    }
}

/// The programs of this module that are wanted and neither given by the user nor built.
fn missing_of(module: &Module, wanted: &[Program]) -> Result<Vec<Program>> {
    let mut missing = Vec::new();
    for program in module.programs.iter().filter(|own| wanted.contains(own)) {
        if locate(*program)?.is_none() {
            missing.push(*program);
        }
    }
    Ok(missing)
}

fn locate(program: Program) -> Result<Option<PathBuf>> {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let given = std::path::absolute(assets)?.join(program.name());
        if given.is_file() {
            return Ok(Some(given));
        }
    }
    let Some(module) = MODULES.iter().find(|module| module.programs.contains(&program)) else {
        bail!("no module builds {}", program.name());
    };
    let built = built_directory(module)?.join(program.name());
    Ok(built.is_file().then_some(built))
}

fn cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("LANDFALL_CACHE") {
        return std::path::absolute(&cache).context("LANDFALL_CACHE is not a path");
    }
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.map(|home| home.join(".cache/landfall"))
        .context("there is no home directory: set LANDFALL_CACHE to a folder for built programs")
}

fn built_directory(module: &Module) -> Result<PathBuf> {
    Ok(cache()?.join("bin").join(module.fingerprint()))
}

async fn build(module: &Module, wanted: &[Program]) -> Result<()> {
    let directory = built_directory(module)?;
    let work = cache()?.join("build").join(module.fingerprint());
    for folder in [&directory, &work] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}: set LANDFALL_CACHE", folder.display()))?;
    }
    let name = module.name;
    let _lock = FileLock::acquire(&work.join("lock"), || {
        eprintln!("landfall-cluster: waiting for another process that builds {name}");
    })
    .await?;
    // Whoever held the lock before may have built the same.
    let programs = missing_of(module, wanted)?;
    if programs.is_empty() {
        return Ok(());
    }
    let (source, output) = (work.join("source"), work.join("output"));
    for folder in [&source, &output] {
        fs::create_dir_all(folder)?;
    }
    for (file, content) in module.files {
        fs::write(source.join(file), content)?;
    }
    let log = work.join("build.log");
    let build = go_build(module, &programs, &source, &output, &log)?;
    follow(build, module, &programs, &log).await?;
    for program in programs {
        // A rename, so that nobody ever sees half a program.
        let target = directory.join(program.name());
        fs::rename(output.join(program.built_name()), &target)
            .with_context(|| format!("go build did not write {}", target.display()))?;
    }
    Ok(())
}

fn go_build(module: &Module, programs: &[Program], source: &Path, output: &Path, log: &Path) -> Result<Child> {
    let log = fs::File::create(log)?;
    // The slash makes Go take it for a directory.
    let mut output = output.as_os_str().to_owned();
    output.push("/");
    Command::new("go")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-ldflags", &module.ldflags(), "-o"])
        .arg(output)
        .args(programs.iter().map(|program| program.package()))
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start `go`: install Go from go.dev/dl or your distribution")
}

async fn follow(mut build: Child, module: &Module, programs: &[Program], log: &Path) -> Result<()> {
    let names: Vec<&str> = programs.iter().map(|program| program.name()).collect();
    let names = names.join(", ");
    eprintln!("landfall-cluster: building {names} from source with Go; only the first time, {}", module.duration);
    let start = Instant::now();
    let status = loop {
        match tokio::time::timeout(PROGRESS_INTERVAL, build.wait()).await {
            Ok(status) => break status?,
            Err(_) => eprintln!("landfall-cluster: still building {} ({} s)", module.name, start.elapsed().as_secs()),
        }
    };
    if !status.success() {
        let output = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(BUILD_LOG_LINES)..].join("\n");
        bail!("go build of {} failed ({status}):\n{tail}", module.name);
    }
    let seconds = start.elapsed().as_secs();
    eprintln!("landfall-cluster: built {} in {seconds} s", module.name);
    Ok(())
}

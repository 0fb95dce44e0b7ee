//! The programs of the cluster: found in `KUBEBUILDER_ASSETS`, or built once by Go and kept in a cache.

mod build;
mod manifests;
mod modules;
mod tool;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Size;
pub use build::{Package, Source};
use build::{built, make};
pub use manifests::Manifests;
pub use modules::Program;
use modules::modules;
pub use tool::Tool;

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
        Self::make_only(programs(size)).await
    }

    /// As [`Self::make`], for what a cluster gets after its start.
    pub(crate) async fn make_only(programs: Vec<Program>) -> Result<Self> {
        for module in modules()? {
            let mut wanted = Vec::new();
            for program in module.programs.iter().filter(|own| programs.contains(own)) {
                if locate(*program)?.is_none() {
                    wanted.push(program.package());
                }
            }
            if !wanted.is_empty() {
                make(&module.source, &wanted).await?;
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

fn locate(program: Program) -> Result<Option<PathBuf>> {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let given = std::path::absolute(assets)?.join(program.name());
        if given.is_file() {
            return Ok(Some(given));
        }
    }
    let Some(module) = modules()?.find(|module| module.programs.contains(&program)) else {
        bail!("no module builds {}", program.name());
    };
    built(&module.source, program.name())
}

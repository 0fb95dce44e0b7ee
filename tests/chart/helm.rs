//! Helm itself, built from source as the cluster's programs are.

use anyhow::{Context, Result, bail};
use landfall_cluster::binaries::{Package, Source, Tool};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

macro_rules! helm {
    ($major:literal) => {
        Tool {
            source: Source {
                name: concat!("helm-", $major),
                files: &[
                    ("go.mod", include_str!(concat!("go/helm-", $major, "/go.mod"))),
                    ("go.sum", include_str!(concat!("go/helm-", $major, "/go.sum"))),
                ],
                duration: "about two minutes",
                version: None,
            },
            package: Package { name: "helm", path: concat!("helm.sh/helm/v", $major, "/cmd/helm"), built_name: "helm" },
        }
    };
}

pub const HELM_3: Tool = helm!("3");
pub const HELM_4: Tool = helm!("4");

/// What this machine lacks to have both.
pub fn missing() -> Option<String> {
    HELM_3.missing().or_else(|| HELM_4.missing())
}

/// A Helm that knows nothing of this machine's user.
pub struct Helm {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Helm {
    /// Makes it, for the cluster of this kubeconfig.
    pub async fn make(tool: &Tool, home: &Path, kubeconfig: &Path) -> Result<Self> {
        let home = home.join(tool.source.name);
        Ok(Self { program: tool.make().await?, home, kubeconfig: kubeconfig.to_owned() })
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What it prints, or an error with what it complains about.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with("", arguments)
    }

    /// The same, with this on its standard input.
    pub fn run_with(&self, input: &str, arguments: &[&str]) -> Result<String> {
        let mut helm = Command::new(&self.program);
        helm.args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_CACHE_HOME", self.home.join("cache"))
            .env("HELM_CONFIG_HOME", self.home.join("config"))
            .env("HELM_DATA_HOME", self.home.join("data"));
        run(&mut helm, input)
    }
}

/// What a program prints, given this on its standard input, or an error with what it complains about.
pub fn run(program: &mut Command, input: &str) -> Result<String> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without having read it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let arguments: Vec<_> = program.get_args().map(OsStr::to_string_lossy).collect();
        let name = Path::new(program.get_program()).file_name().unwrap_or_default().to_string_lossy();
        bail!("{name} {}: {printed}{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(printed)
}

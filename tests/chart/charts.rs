//! The charts as packages, made from `charts/` the way a release makes them.

use anyhow::{Context, Result, ensure};
use landfall_cluster::Size;
use landfall_cluster::binaries::{Binaries, Program};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

use crate::helm::{HELM_3, Helm};
use crate::support::from_yaml;

pub const NAMESPACE: &str = "landfall-system";
pub const RELEASE: &str = "landfall";
pub const CHARTS: [&str; 2] = ["landfall", "landfall-crds"];

const VERSION: &str = env!("CARGO_PKG_VERSION");

const EARLIER: &str = "0.0.1";

/// Helm does not know the version of a cluster that it does not ask.
const KUBERNETES: &str = "1.34.0";

/// The charts, packaged.
pub struct Charts {
    pub helm: Helm,
    pub kubectl: PathBuf,
    folder: PathBuf,
}

impl Charts {
    pub async fn package() -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("charts-{}", std::process::id()));
        let helm = Helm::make(&HELM_3, &folder, Path::new("/dev/null")).await?;
        let kubectl = Binaries::make(Size::ControlPlane).await?.path(Program::Kubectl)?.to_owned();
        let charts = Self { helm, kubectl, folder };
        // A copy: Helm puts dependencies into the folder of the chart that has them.
        copy(&root().join("charts"), &charts.source(""))?;
        charts.helm.run(&["dependency", "build", &text(&charts.source("landfall"))])?;
        for chart in CHARTS {
            charts.helm.run(&["package", &text(&charts.source(chart)), "--destination", &text(&charts.folder)])?;
        }
        Ok(charts)
    }

    /// A package of the operator's chart as an earlier version, which had another resource: the
    /// column `Tools` was not there.
    pub fn earlier(&self) -> Result<String> {
        let source = self.folder.join("earlier");
        copy(&root().join("charts"), &source)?;
        let file = source.join("landfall-crds/files/mcpservers.yaml");
        let resource = fs::read_to_string(&file)?;
        let column = "    - jsonPath: .status.server.toolCount\n      name: Tools\n      type: integer\n";
        ensure!(resource.contains(column), "the resource has no column Tools: change another part of it");
        fs::write(&file, resource.replace(column, ""))?;
        let chart = text(&source.join("landfall"));
        self.helm.run(&["dependency", "build", &chart])?;
        self.helm.run(&["package", &chart, "--version", EARLIER, "--destination", &text(&self.folder)])?;
        Ok(text(&self.folder.join(format!("landfall-{EARLIER}.tgz"))))
    }

    /// The file of a packaged chart.
    pub fn archive(&self, chart: &str) -> String {
        text(&self.folder.join(format!("{chart}-{VERSION}.tgz")))
    }

    /// What a chart renders with these values.
    pub fn render(&self, chart: &str, values: &Value) -> Result<Vec<Value>> {
        let archive = self.archive(chart);
        let arguments = ["template", RELEASE, &archive, "--namespace", NAMESPACE, "--values", "-"];
        let arguments = [&arguments[..], &["--kube-version", KUBERNETES]].concat();
        manifests(&self.helm.run_with(&values.to_string(), &arguments)?)
    }

    /// For files that a test makes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that a chart is packaged from.
    pub fn source(&self, chart: &str) -> PathBuf {
        self.folder.join("source").join(chart)
    }
}

impl Drop for Charts {
    fn drop(&mut self) {
        // What stays is in the target folder, and is nobody's trouble.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The objects of a stream of YAML documents.
pub fn manifests(text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("what was rendered is not YAML")?;
    Ok(documents.into_iter().filter(|it| !it.is_null()).collect())
}

/// The objects of one kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

pub fn their_versions_are_the_programs(_: &Charts) -> Result<()> {
    for chart in CHARTS {
        let text = fs::read_to_string(root().join("charts").join(chart).join("Chart.yaml"))?;
        let chart: Value = from_yaml(&text)?;
        let dependency = chart.pointer("/dependencies/0/version");
        for version in [Some(&chart["version"]), Some(&chart["appVersion"]), dependency].into_iter().flatten() {
            ensure!(version == VERSION, "{}: {version} is not the {VERSION} of Cargo.toml", chart["name"]);
        }
    }
    Ok(())
}

pub fn the_image_is_built_by_the_pinned_toolchain(_: &Charts) -> Result<()> {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml"))?;
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).context("no channel")?;
    let image = format!("$BUILDPLATFORM rust:{}-", channel.trim_matches('"'));
    ensure!(fs::read_to_string(root().join("Dockerfile"))?.contains(&image), "Dockerfile: FROM is not {image}…");
    Ok(())
}

pub fn helm_finds_no_fault(charts: &Charts) -> Result<()> {
    let [operator, crds] = CHARTS.map(|chart| text(&charts.source(chart)));
    charts.helm.run(&["lint", "--strict", "--kube-version", KUBERNETES, &operator, &crds])?;
    Ok(())
}

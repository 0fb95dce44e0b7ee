//! Files that a Go module holds besides its code, such as manifests: fetched once, and kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::build::{NO_GO, Source, Workshop, built_directory};

/// Files in a module that a [`Source`] pins.
#[derive(Debug, Clone, Copy)]
pub struct Manifests {
    pub source: &'static Source,
    /// Their folder's name in the cache.
    pub name: &'static str,
    pub module: &'static str,
    /// Files, or folders of files, in the module.
    pub paths: &'static [&'static str],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: Option<PathBuf>,
    error: Option<String>,
}

impl Manifests {
    /// The folder that holds them. Go checks them against `go.sum`.
    pub async fn make(&self) -> Result<PathBuf> {
        let folder = self.folder()?;
        if folder.is_dir() {
            return Ok(folder);
        }
        let workshop = Workshop::open(self.source).await?;
        let output = workshop.go().args(["mod", "download", "-json", self.module]).output().await.context(NO_GO)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let downloaded: Downloaded =
            serde_json::from_slice(&output.stdout).with_context(|| format!("go mod download: {said}"))?;
        let (Some(module), None) = (downloaded.dir, &downloaded.error) else {
            bail!("cannot fetch {}: {}", self.module, downloaded.error.unwrap_or_default());
        };
        let output = workshop.folder.join("manifests");
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        for path in self.paths {
            copy(&module.join(path), &output)?;
        }
        // A rename, so that nobody ever sees half of them; and whoever held the lock before may have made the same.
        if !folder.is_dir() {
            fs::rename(&output, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(folder)
    }

    pub fn are_there(&self) -> bool {
        self.folder().is_ok_and(|folder| folder.is_dir())
    }

    fn folder(&self) -> Result<PathBuf> {
        Ok(built_directory(self.source)?.join(self.name))
    }
}

/// Content only: Go keeps its modules read-only.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let files = if from.is_dir() {
        fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?
    } else {
        vec![from.to_owned()]
    };
    ensure!(!files.is_empty(), "{} is empty", from.display());
    for file in files.iter().filter(|file| file.is_file()) {
        let name = file.file_name().context("a file without a name")?;
        fs::write(to.join(name), fs::read(file).with_context(|| format!("cannot read {}", file.display()))?)?;
    }
    Ok(())
}

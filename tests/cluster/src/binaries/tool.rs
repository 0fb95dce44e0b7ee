//! Programs that are no part of a cluster.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::build::{Package, Source, built, make};
use crate::requirements::missing_go;

/// A program that a test uses on a cluster, such as Helm: built from the test's own `go.mod` the way
/// the cluster's programs are, and kept in the same cache.
#[derive(Debug)]
pub struct Tool {
    pub source: Source,
    pub package: Package,
}

impl Tool {
    /// Builds it if it is not there yet, and says where it is.
    pub async fn make(&self) -> Result<PathBuf> {
        make(&self.source, &[self.package]).await?;
        let path = built(&self.source, self.package.name)?;
        path.with_context(|| format!("{} was built but is gone", self.package.name))
    }

    /// `None` if it is there or can be made; otherwise what is missing and how to get it.
    pub fn missing(&self) -> Option<String> {
        if matches!(built(&self.source, self.package.name), Ok(Some(_))) {
            return None;
        }
        missing_go().map(|missing| format!("{missing}, to build {}", self.source.name))
    }
}

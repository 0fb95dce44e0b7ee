//! Argo CD and Flux as judges: their own code, built from source.

use anyhow::{Context, Result};
use landfall_cluster::binaries::{Package, Source, Tool};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::process::Command;

use crate::helm::run;

macro_rules! judge {
    ($name:literal, $duration:literal) => {
        Tool {
            source: Source {
                name: $name,
                files: &[
                    ("go.mod", include_str!(concat!("go/", $name, "/go.mod"))),
                    ("go.sum", include_str!(concat!("go/", $name, "/go.sum"))),
                    ("main.go", include_str!(concat!("go/", $name, "/main.go"))),
                ],
                duration: $duration,
                version: None,
            },
            package: Package { name: $name, path: ".", built_name: $name },
        }
    };
}

pub const ARGO_CD: Tool = judge!("argo-cd", "about four minutes");
pub const FLUX: Tool = judge!("flux", "about two minutes");

/// What the judge says to `question`; what `arguments` there are is in its `main.go`.
pub async fn ask<T: DeserializeOwned>(judge: &Tool, arguments: &[&str], question: &Value) -> Result<T> {
    let answer = run(Command::new(judge.make().await?).args(arguments), &question.to_string())?;
    let answer = if answer.is_empty() { "null" } else { &answer };
    serde_json::from_str(answer).with_context(|| format!("{}: {answer}", judge.package.name))
}

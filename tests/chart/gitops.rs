//! What Argo CD, Flux and Helm make of an `MCPServer`, and the manifests of `docs/gitops.md`.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::charts::{Charts, manifests, root};
use crate::judges::{ARGO_CD, FLUX, ask};

const DOCS: &str = include_str!("../../docs/gitops.md");

/// Every kind of status that the program writes, by a unit test of `src/status`.
const SEEN: &str = include_str!("../../src/status/snapshots/landfall__status__tests__seen_by_others.snap");

/// The object, and what Argo CD, kstatus, and Flux by the expressions of the docs shall say.
const VERDICTS: [[&str; 4]; 16] = [
    ["new", "Progressing", "InProgress", "InProgress"],
    ["pending", "Progressing", "InProgress", "InProgress"],
    ["starting", "Progressing", "InProgress", "InProgress"],
    ["rolling-out", "Progressing", "InProgress", "InProgress"],
    ["crash-looping", "Progressing", "InProgress", "InProgress"],
    ["missing-reference", "Progressing", "InProgress", "InProgress"],
    ["ready", "Healthy", "Current", "Current"],
    ["ready-before-a-change", "Progressing", "InProgress", "InProgress"],
    ["scaled-to-zero", "Healthy", "InProgress", "Current"],
    ["stuck", "Degraded", "Failed", "Failed"],
    ["invalid", "Degraded", "Failed", "Failed"],
    ["undecodable", "Degraded", "Failed", "Failed"],
    ["name-conflict", "Degraded", "Failed", "Failed"],
    ["suspended", "Suspended", "Current", "Current"],
    ["suspended-before-a-change", "Suspended", "InProgress", "Current"],
    ["resumed", "Progressing", "InProgress", "InProgress"],
];

#[derive(Deserialize)]
struct ArgoCd {
    status: String,
    message: String,
}

#[derive(Deserialize)]
struct Flux {
    kstatus: String,
    expressions: String,
}

/// The objects of the docs, without those in other languages than YAML.
fn documented() -> Result<Vec<Value>> {
    let blocks = DOCS.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let objects: Result<Vec<_>> = blocks.map(manifests).collect();
    Ok(objects?.concat())
}

pub async fn every_status_is_understood(_: &Charts) -> Result<()> {
    // A snapshot is two YAML documents: where it comes from, and what it is.
    let objects = manifests(SEEN)?.into_iter().nth(1).context("the snapshot is empty")?;
    let names: Vec<_> = objects.as_array().into_iter().flatten().map(|it| it["metadata"]["name"].as_str()).collect();
    ensure!(names == VERDICTS.map(|it| Some(it[0])), "no verdict, or no object, for some of {names:?}");

    let key = DOCS.split("resource.customizations.health.").nth(1).and_then(|rest| rest.split('=').next());
    // A key of a ConfigMap cannot have the slash that Argo CD thinks of.
    let kind = key.context("the docs have no key")?.replacen('_', "/", 1);
    let check = root().join("config/argocd/health.lua").to_string_lossy().into_owned();
    let argo_cd: Vec<ArgoCd> = ask(&ARGO_CD, &["health", &kind, &check], &objects).await?;
    let documented = documented()?;
    let kustomization = documented.iter().find(|it| it["kind"] == "Kustomization");
    let expressions = &kustomization.context("the docs have no Kustomization")?["spec"]["healthCheckExprs"][0];
    let flux: Vec<Flux> = ask(&FLUX, &["health"], &json!({"objects": objects, "expressions": expressions})).await?;
    for ((expected, argo_cd), flux) in VERDICTS.iter().zip(argo_cd).zip(flux) {
        let found = [expected[0], &argo_cd.status, &flux.kstatus, &flux.expressions];
        ensure!(&found == expected, "not {expected:?} but {found:?}: {}", argo_cd.message);
        ensure!(!argo_cd.message.is_empty(), "{expected:?}: no message");
    }
    Ok(())
}

pub async fn the_manifests_of_the_docs_are_valid(charts: &Charts) -> Result<()> {
    for object in documented()? {
        let kind = object["kind"].as_str().unwrap_or_default();
        let (judge, question, values) = match kind {
            "Application" => (&ARGO_CD, "application", &object["spec"]["source"]["helm"]["valuesObject"]),
            "GitRepository" | "Kustomization" => (&FLUX, "manifest", &Value::Null),
            "HelmRelease" => (&FLUX, "manifest", &object["spec"]["values"]),
            _ => bail!("nobody judges {kind}"),
        };
        let verdict: Result<()> = ask(judge, &[question], &object).await;
        verdict.with_context(|| format!("{kind} {}", object["metadata"]["name"]))?;
        if !values.is_null() {
            charts.render("landfall", values)?;
        }
    }
    Ok(())
}

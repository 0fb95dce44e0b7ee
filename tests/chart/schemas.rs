//! What is rendered fits the schemas of every supported Kubernetes, as kubeconform judges it.

use anyhow::{Context, Result, ensure};
use landfall_cluster::binaries::{Package, Source, Tool};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::charts::{Charts, manifests, root};
use crate::helm::run;
use crate::rendered::all_of_it;

const KUBECONFORM: Tool = Tool {
    source: Source {
        name: "kubeconform",
        files: &[("go.mod", include_str!("go/kubeconform/go.mod")), ("go.sum", include_str!("go/kubeconform/go.sum"))],
        duration: "about ten seconds",
        version: None,
    },
    package: Package {
        name: "kubeconform",
        path: "github.com/yannh/kubeconform/cmd/kubeconform",
        built_name: "kubeconform",
    },
};

/// What the chart is for. Each has a folder in `tests/cluster/go`, which pins its source.
const VERSIONS: [&str; 4] = ["1.33", "1.34", "1.35", "1.36"];

/// Kinds that Kubernetes does not have itself.
const OF_OTHERS: &str = "ServiceMonitor,PrometheusRule";

pub async fn what_is_rendered_fits_every_kubernetes(charts: &Charts) -> Result<()> {
    let base = run(Command::new(&charts.kubectl).arg("kustomize").arg(root().join("config/default")), "")?;
    let mut objects = manifests(&base)?;
    for values in [
        json!({}),
        all_of_it(),
        json!({"namespaces": ["team-a", "team-b"], "watchSecrets": true}),
        json!({"leaderElection": false}),
    ] {
        objects.extend(charts.render("landfall", &values)?);
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    for version in VERSIONS {
        let folder = charts.folder().join("schemas").join(version);
        fs::create_dir_all(&folder)?;
        write_schemas(&definitions(version)?, &objects, &folder)?;
        let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", folder.display());
        let mut kubeconform = Command::new(KUBECONFORM.make().await?);
        kubeconform.args(["-strict", "-summary", "-skip", OF_OTHERS, "-schema-location", &location]);
        let summary = run(&mut kubeconform, &list).with_context(|| format!("Kubernetes {version}"))?;
        ensure!(summary.contains(&format!("{} resources found", objects.len())), "{summary}");
        // A judge that lets everything pass would be none.
        let wrong = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replica": 1}}).to_string();
        ensure!(run(&mut kubeconform, &wrong).is_err(), "kubeconform finds no fault in {wrong}");
    }
    Ok(())
}

/// The schemas of a version, as the source of Kubernetes has them.
fn definitions(version: &str) -> Result<Map<String, Value>> {
    let pin = root().join("tests/cluster/go").join(format!("kubernetes-{version}"));
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", "k8s.io/kubernetes"]).current_dir(pin);
    let module: Value = serde_json::from_str(&run(&mut go, "")?)?;
    let folder = module["Dir"].as_str().with_context(|| format!("no source of Kubernetes {version}: {module}"))?;
    let text = fs::read_to_string(Path::new(folder).join("api/openapi-spec/swagger.json"))?;
    let mut all: Value = serde_json::from_str(&text)?;
    let Value::Object(mut definitions) = all["definitions"].take() else { anyhow::bail!("{version}: no definitions") };
    for (name, definition) in &mut definitions {
        // The document says less than the API server does: these may be numbers, too.
        if name.ends_with(".IntOrString") || name.ends_with(".Quantity") {
            *definition = json!({"type": ["string", "number"]});
        } else if definition["properties"].is_object() {
            definition["additionalProperties"] = json!(false);
        }
    }
    Ok(definitions)
}

/// One file for each kind among `objects`, with all that its schema refers to.
fn write_schemas(definitions: &Map<String, Value>, objects: &[Value], folder: &Path) -> Result<()> {
    for object in objects {
        let (version, kind) = (&object["apiVersion"], &object["kind"]);
        let text = version.as_str().zip(kind.as_str()).with_context(|| format!("an object without kind: {object}"))?;
        let (group, version) = text.0.rsplit_once('/').unwrap_or(("", text.0));
        let itself = json!({"group": group, "version": version, "kind": kind});
        let is_it =
            |it: &Value| it["x-kubernetes-group-version-kind"].as_array().is_some_and(|it| it.contains(&itself));
        let Some((name, _)) = definitions.iter().find(|(_, definition)| is_it(definition)) else {
            ensure!(OF_OTHERS.contains(text.1), "this Kubernetes has no {} {}", text.0, text.1);
            continue;
        };
        let mut needed = Map::new();
        collect(definitions, name, &mut needed);
        let schema = json!({"$ref": format!("#/definitions/{name}"), "definitions": needed});
        // kubeconform's names: deployment-apps-v1.json, role-rbac-v1.json, service-v1.json.
        let group = group.split('.').next().filter(|it| !it.is_empty()).map(|it| format!("-{it}")).unwrap_or_default();
        fs::write(folder.join(format!("{}{group}-{version}.json", text.1.to_lowercase())), schema.to_string())?;
    }
    Ok(())
}

fn collect(definitions: &Map<String, Value>, name: &str, into: &mut Map<String, Value>) {
    let Some(definition) = definitions.get(name).filter(|_| !into.contains_key(name)) else { return };
    into.insert(name.to_owned(), definition.clone());
    let text = definition.to_string();
    for rest in text.split("\"#/definitions/").skip(1) {
        collect(definitions, rest.split('"').next().unwrap_or_default(), into);
    }
}

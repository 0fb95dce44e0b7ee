//! The values as such: they are the operator's settings, and each is documented.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::charts::{CHARTS, Charts, of_kind, root};
use crate::support::from_yaml;

/// Settings that a pod has no choice in.
const FIXED: [&str; 2] = ["leaseNamespace", "listen"];

pub fn every_setting_of_the_operator_is_a_value(charts: &Charts) -> Result<()> {
    // Each differs from its default, so that none is there by chance.
    let mut values = json!({
        "namespaces": ["team-a", "team-b"],
        "shards": 1,
        "clusterDomain": "corp.example",
        "watchSecrets": true,
        "allowClusterRules": false,
        "registryMirror": "mirror.corp/hub",
        "serverDefaults": {
            "resources": {"limits": {"memory": "256Mi"}},
            "nodeSelector": {"pool": "mcp"},
            "securityContext": {"readOnlyRootFilesystem": true},
        },
        "expose": {
            "baseDomain": "mcp.corp.example",
            "defaultIngressClass": "internal",
            "defaultGateway": "gateways/main/https",
            "defaultIssuer": "corp",
        },
        "watchClasses": true,
        "concurrency": 9,
        "verification": {"interval": "2m", "concurrency": 9, "route": "none", "frontDoor": false},
        "catalog": {"enabled": true},
        "leaderElection": false,
        "logFormat": "text",
        "log": "warn",
    });
    is_understood(charts, &values)?;
    values["watchClasses"] = json!(false);
    // These two exclude each other.
    values["namespaces"] = json!([]);
    values["allowClusterRules"] = json!(true);
    // So do these.
    values["leaderElection"] = json!(true);
    values["shards"] = json!(3);
    is_understood(charts, &values)
}

fn is_understood(charts: &Charts, values: &Value) -> Result<()> {
    let objects = charts.render("landfall", values)?;
    let container = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let mut operator = Command::new(env!("CARGO_BIN_EXE_landfall"));
    operator.arg("operator").arg("--print-settings");
    for variable in container["env"].as_array().context("no variables")? {
        operator.env(variable["name"].as_str().unwrap_or_default(), variable["value"].as_str().unwrap_or_default());
    }
    let output = operator.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut settings: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout)?;
    for name in FIXED {
        settings.remove(name);
    }
    let catalog = settings.get_mut("catalog").and_then(Value::as_object_mut).context("no catalog")?;
    catalog.remove("listen");
    // Each operator knows its own shard, and by it how many there are.
    let shard = settings.remove("shard").context("no shard")?;
    let count = shard.as_str().map_or(Some(1), |it| it.strip_prefix("0/")?.parse().ok());
    settings.insert("shards".into(), json!(count));
    ensure!(json!(settings) == *values, "the operator understood {}", json!(settings));
    Ok(())
}

pub fn every_value_is_documented(_: &Charts) -> Result<()> {
    for chart in CHARTS {
        let folder = root().join("charts").join(chart);
        let values: Value = from_yaml(&fs::read_to_string(folder.join("values.yaml"))?)?;
        let schema: Value = serde_json::from_str(&fs::read_to_string(folder.join("values.schema.json"))?)?;
        let readme = fs::read_to_string(folder.join("README.md"))?;
        // | `name` | `default` | meaning |
        let rows: BTreeMap<_, _> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once(" | ")?.0.trim_matches('`').to_owned())))
            .collect();
        let mut leaves = BTreeMap::new();
        collect(&values, &schema, String::new(), &mut leaves)?;
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<BTreeSet<_>>();
        let (documented, real) = (names(&rows), names(&leaves));
        let drift: Vec<_> = documented.symmetric_difference(&real).collect();
        ensure!(drift.is_empty(), "{chart}: in README.md or values.yaml, but not in both: {drift:?}");
        for (name, default) in rows {
            ensure!(
                leaves[&name] == default || default.ends_with("see values.yaml"),
                "{chart}: the default of {name} is {}, not {default}",
                leaves[&name]
            );
        }
    }
    Ok(())
}

/// The values that the schema knows no further names in, with their defaults.
fn collect(values: &Value, schema: &Value, path: String, leaves: &mut BTreeMap<String, String>) -> Result<()> {
    let known = schema["properties"].as_object().filter(|it| !it.is_empty() && schema["additionalProperties"] == false);
    let (Some(known), Some(values)) = (known, values.as_object()) else {
        leaves.insert(path, values.to_string());
        return Ok(());
    };
    for (name, value) in values {
        let schema = known.get(name).with_context(|| format!("values.schema.json does not know {path}.{name}"))?;
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(value, schema, path, leaves)?;
    }
    Ok(())
}

//! Alerts and dashboard: Prometheus understands them, and they ask only for metrics that exist.

use anyhow::{Context, Result, ensure};
use landfall_cluster::binaries::{Package, Source, Tool};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::charts::{Charts, of_kind};
use crate::helm::run;
use crate::support::from_yaml;

const PROMTOOL: Tool = Tool {
    source: Source {
        name: "promtool",
        files: &[("go.mod", include_str!("go/promtool/go.mod")), ("go.sum", include_str!("go/promtool/go.sum"))],
        duration: "about five minutes",
        version: None,
    },
    package: Package {
        name: "promtool",
        path: "github.com/prometheus/prometheus/cmd/promtool",
        built_name: "promtool",
    },
};

const DOCS: &str = include_str!("../../docs/metrics.md");
const RULES: &str = include_str!("../../charts/landfall/alerts/landfall.yaml");
const TESTS: &str = include_str!("alerts.yaml");
const DASHBOARD: &str = include_str!("../../charts/landfall/dashboards/landfall.json");

/// Writes a file for promtool, and runs it.
async fn promtool(arguments: &[&str], folder: &Path, name: &str, content: &str) -> Result<()> {
    let file = folder.join(name);
    fs::write(&file, content)?;
    run(Command::new(PROMTOOL.make().await?).args(arguments).arg(&file), "")?;
    Ok(())
}

pub async fn alerts_fire_when_they_should(charts: &Charts) -> Result<()> {
    let folder = charts.folder();
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], folder, "rules.yaml", RULES).await?;
    promtool(&["test", "rules"], folder, "tests.yaml", &TESTS.replace("{{RULES}}", "rules.yaml")).await?;

    let rules: Value = from_yaml(RULES)?;
    let rules = rules["groups"][0]["rules"].as_array().context("no rules")?;
    for rule in rules {
        let name = rule["alert"].as_str().context("a rule without a name")?;
        ensure!(DOCS.contains(&format!("| `{name}` | {} |", rule["labels"]["severity"].as_str().unwrap_or_default())));
        ensure!(TESTS.matches(name).count() >= 2, "{name}: tested neither firing nor silent");
    }
    ensure!(DOCS.matches("| `Landfall").count() == rules.len(), "docs/metrics.md has an alert that there is not");
    Ok(())
}

pub async fn the_dashboard_asks_for_what_there_is(charts: &Charts) -> Result<()> {
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|it| it["targets"].as_array().into_iter().flatten());
    let questions: Vec<_> = targets.filter_map(|it| it["expr"].as_str()).collect();
    ensure!(questions.len() >= panels.len(), "a panel asks nothing");

    // Grafana's variables stand for values; as rules, the questions can be checked.
    let plain = |it: &&str| it.replace("$__rate_interval", "5m").replace("$namespace", "system");
    let rules: Vec<_> = questions.iter().map(|it| json!({"record": "x:y", "expr": plain(it)})).collect();
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    promtool(&["check", "rules", "--lint=none"], charts.folder(), "dashboard.yaml", &rules).await?;

    let table = DOCS.split("| Metric |").nth(1).context("no table of metrics")?;
    let names = table.lines().filter_map(|line| line.strip_prefix("| `landfall_")?.split('`').next());
    let names: BTreeSet<_> = names.collect();
    let known: BTreeSet<_> = names.iter().flat_map(|it| [(*it).to_owned(), format!("{it}_bucket")]).collect();
    for question in questions.iter().copied().chain([RULES]) {
        for rest in question.split("landfall_").skip(1) {
            let name = rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap_or_default();
            ensure!(known.contains(name), "landfall_{name} is not in docs/metrics.md: {question}");
        }
    }
    let unseen: Vec<_> = names.iter().filter(|name| !questions.iter().any(|it| it.contains(**name))).collect();
    ensure!(unseen.is_empty(), "no panel shows {unseen:?}");
    Ok(())
}

pub fn the_chart_has_both(charts: &Charts) -> Result<()> {
    let on = json!({"metrics": {"prometheusRule": {"enabled": true}, "dashboard": {"enabled": true}}});
    let objects = charts.render("landfall", &on)?;
    let rule = of_kind(&objects, "PrometheusRule").first().copied().context("no PrometheusRule")?;
    ensure!(rule["spec"] == from_yaml::<Value>(RULES)?, "not the rules of the file: {rule}");
    let map = of_kind(&objects, "ConfigMap").first().copied().context("no ConfigMap")?;
    let dashboard: Value = serde_json::from_str(map["data"]["landfall.json"].as_str().context("no dashboard")?)?;
    ensure!(dashboard == serde_json::from_str::<Value>(DASHBOARD)?, "not the dashboard of the file");
    Ok(())
}

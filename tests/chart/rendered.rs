//! What the charts render for values that people set, and which values they refuse.

use anyhow::{Result, bail, ensure};
use landfall_cluster::binaries::{Package, Source, Tool};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

use crate::charts::{CHARTS, Charts, NAMESPACE, manifests, of_kind, root};
use crate::helm::run;

const HELM_UNITTEST: Tool = Tool {
    source: Source {
        name: "helm-unittest",
        files: &[
            ("go.mod", include_str!("go/helm-unittest/go.mod")),
            ("go.sum", include_str!("go/helm-unittest/go.sum")),
        ],
        duration: "about two minutes",
        version: None,
    },
    package: Package {
        name: "helm-unittest",
        path: "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        built_name: "helm-unittest",
    },
};

/// Everything that can be switched on at once.
pub fn all_of_it() -> Value {
    json!({
        "replicas": 2,
        "watchSecrets": true,
        "allowClusterRules": true,
        "rbac": {"grantable": {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}], "clusterRoles": ["view"]}},
        "clusterDomain": "corp.example",
        "image": {"digest": format!("sha256:{}", "0".repeat(64))},
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podAnnotations": {"note": "x"},
        "podLabels": {"team": "a", "app.kubernetes.io/name": "mine"},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}},
        ],
        "priorityClassName": "system-cluster-critical",
        "podDisruptionBudget": {"enabled": true, "maxUnavailable": "50%"},
        "serviceAccount": {"name": "own", "annotations": {"note": "x"}},
        "metrics": {
            "service": {"port": 9090, "annotations": {"note": "x"}},
            "serviceMonitor": {"enabled": true, "interval": "1m", "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": true},
            "dashboard": {"enabled": true},
        },
        "catalog": {"enabled": true, "service": {"port": 8080, "annotations": {"note": "x"}}},
        "networkPolicy": {"enabled": true, "metricsFrom": [{"namespaceSelector": {}}], "catalogFrom": [{"podSelector": {}}]},
        "crds": {"labels": {"team": "a"}, "annotations": {"note": "x"}},
        "labels": {"team": "a"},
        "fullnameOverride": "mcp",
    })
}

/// What each template makes of its values say the suites beside the charts.
pub async fn every_template_passes_its_suite(charts: &Charts) -> Result<()> {
    let mut helm_unittest = Command::new(HELM_UNITTEST.make().await?);
    run(helm_unittest.arg("--strict").args(CHARTS.map(|it| charts.source(it))), "")?;
    for chart in CHARTS {
        let folder = root().join("charts").join(chart);
        for template in fs::read_dir(folder.join("templates"))? {
            let name = template?.file_name().to_string_lossy().to_lowercase();
            let Some((name, _)) = name.split_once('.').filter(|_| !name.starts_with('_')) else { continue };
            let suite = folder.join("tests").join(format!("{name}_test.yaml"));
            ensure!(suite.is_file(), "{} is missing", suite.display());
        }
    }
    let packaged = run(Command::new("tar").args(["--list", "--file", &charts.archive("landfall")]), "")?;
    ensure!(!packaged.contains("_test.yaml"), "who installs the chart needs no tests: {packaged}");
    Ok(())
}

/// By the schema; what templates refuse say their suites.
pub fn values_that_cannot_work_are_refused(charts: &Charts) -> Result<()> {
    let wrong = [
        (json!({"replicaCount": 2}), "replicaCount"),
        (json!({"image": {"tags": "1"}}), "tags"),
        (json!({"replicas": "2"}), "/replicas"),
        (json!({"concurrency": 0}), "/concurrency"),
        (json!({"namespaces": "team-a"}), "/namespaces"),
        (json!({"namespaces": ["Team"]}), "/namespaces/0"),
        (json!({"logFormat": "xml"}), "/logFormat"),
        (json!({"registryMirror": "https://mirror.corp"}), "/registryMirror"),
        (json!({"serverDefaults": {"image": "x"}}), "invalid propertyName 'image'"),
        (json!({"image": {"digest": "sha256:1"}}), "/image/digest"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "/image/pullPolicy"),
        (json!({"catalog": {"service": {"port": 0}}}), "/catalog/service/port"),
        (json!({"env": [{"name": "LANDFALL_LOG", "value": "x"}]}), "/env/0/name"),
        (json!({"crds": {"annotations": {"helm.sh/resource-policy": "delete"}}}), "resource-policy"),
        (json!({"rbac": {"grantable": {"rules": [{"resources": ["nodes"]}]}}}), "/rbac/grantable/rules/0"),
    ];
    for (values, complaint) in wrong {
        match charts.render("landfall", &values) {
            Ok(_) => bail!("{values} was taken"),
            Err(error) => ensure!(error.to_string().contains(complaint), "{values}: {error}"),
        }
    }
    Ok(())
}

pub fn the_resource_is_the_one_in_crds_and_is_kept(charts: &Charts) -> Result<()> {
    let expected = fs::read_to_string(root().join("crds/mcpservers.yaml"))?;
    let copy = fs::read_to_string(root().join("charts/landfall-crds/files/mcpservers.yaml"))?;
    ensure!(copy == expected, "out of date: cp crds/mcpservers.yaml charts/landfall-crds/files/");
    let expected = &manifests(&expected)?[0];
    for chart in ["landfall", "landfall-crds"] {
        let objects = charts.render(chart, &json!({}))?;
        let [rendered] = of_kind(&objects, "CustomResourceDefinition")[..] else {
            bail!("{chart}: not one CustomResourceDefinition");
        };
        ensure!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", "{chart}");
        ensure!(rendered["metadata"]["name"] == expected["metadata"]["name"], "{chart}");
        ensure!(rendered["spec"] == expected["spec"], "{chart}: the template changes the resource");
    }
    Ok(())
}

pub fn only_listed_namespaces_are_granted_anything(charts: &Charts) -> Result<()> {
    let namespaces = ["team-a", "team-b"];
    let objects = charts.render("landfall", &json!({"namespaces": namespaces, "watchSecrets": true}))?;
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        ensure!(of_kind(&objects, kind).is_empty(), "there is a {kind}");
    }
    for kind in ["Role", "RoleBinding"] {
        let mut found: Vec<_> = of_kind(&objects, kind)
            .iter()
            .map(|it| (it["metadata"]["namespace"].as_str(), it["metadata"]["name"].as_str()))
            .collect();
        found.sort_unstable();
        let served = namespaces.iter().flat_map(|namespace| {
            ["landfall-operator", "landfall-operator-watch-secrets"].map(|name| (Some(*namespace), Some(name)))
        });
        let mut expected = vec![(Some(NAMESPACE), Some("landfall-operator-leader-election"))];
        expected.extend(served);
        ensure!(found == expected, "{kind}: {found:?}");
    }
    for binding in of_kind(&objects, "RoleBinding") {
        ensure!(binding["roleRef"]["kind"] == "Role", "{binding}");
        ensure!(binding["subjects"][0]["namespace"] == NAMESPACE, "{binding}");
    }
    Ok(())
}

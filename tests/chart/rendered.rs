//! What the charts render for values that people set, and which values they refuse.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::charts::{Charts, NAMESPACE, manifests, of_kind, root};

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
        "networkPolicy": {"enabled": true, "metricsFrom": [{"namespaceSelector": {}}]},
        "crds": {"labels": {"team": "a"}, "annotations": {"note": "x"}},
        "labels": {"team": "a"},
        "fullnameOverride": "mcp",
    })
}

pub fn every_set_of_values_renders(charts: &Charts) -> Result<()> {
    let objects = charts.render("landfall", &all_of_it())?;
    let one = |kind| of_kind(&objects, kind).first().copied().with_context(|| format!("there is no {kind}"));
    for kind in ["PodDisruptionBudget", "ServiceMonitor", "PrometheusRule", "ConfigMap", "NetworkPolicy", "Service"] {
        ensure!(one(kind)?["metadata"]["labels"]["team"] == "a", "{kind}");
    }
    let deployment = one("Deployment")?;
    ensure!(deployment["metadata"]["name"] == "mcp-operator");
    let pod = &deployment["spec"]["template"];
    ensure!(pod["metadata"]["labels"]["app.kubernetes.io/name"] == "landfall", "the chart's labels win: {pod}");
    ensure!(pod["metadata"]["labels"]["team"] == "a", "{pod}");
    let image = format!("ghcr.io/landfall-dev/landfall@sha256:{}", "0".repeat(64));
    ensure!(pod["spec"]["containers"][0]["image"] == image, "{pod}");
    for field in ["nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"] {
        ensure!(!pod["spec"][field].is_null(), "{field}: {pod}");
    }

    // What is off is not there.
    let off = json!({
        "leaderElection": false,
        "rbac": {"create": false},
        "serviceAccount": {"create": false, "name": "own"},
        "metrics": {"service": {"enabled": false}},
        "podDisruptionBudget": {"enabled": true},
        "crds": {"install": false},
    });
    let objects = charts.render("landfall", &off)?;
    ensure!(objects.len() == 1 && objects[0]["kind"] == "Deployment", "{objects:?}");
    ensure!(objects[0]["spec"]["strategy"]["type"] == "Recreate", "nothing else keeps two from working at once");
    Ok(())
}

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
        (json!({"env": [{"name": "LANDFALL_LOG", "value": "x"}]}), "/env/0/name"),
        (json!({"crds": {"annotations": {"helm.sh/resource-policy": "delete"}}}), "resource-policy"),
        (json!({"allowClusterRules": true, "namespaces": ["team-a"]}), "is for an operator of the whole cluster"),
        (json!({"rbac": {"grantable": {"rules": [{"resources": ["nodes"]}]}}}), "/rbac/grantable/rules/0"),
        (json!({"replicas": 2, "leaderElection": false}), "without leaderElection there can be only one"),
        (json!({"serviceAccount": {"create": false}}), "name an existing ServiceAccount"),
        (
            json!({"metrics": {"service": {"enabled": false}, "serviceMonitor": {"enabled": true}}}),
            "metrics.service.enabled must be true",
        ),
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
    let expected = std::fs::read_to_string(root().join("crds/mcpservers.yaml"))?;
    let copy = std::fs::read_to_string(root().join("charts/landfall-crds/files/mcpservers.yaml"))?;
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

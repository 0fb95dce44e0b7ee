//! The operator's rights: the same in the chart and in `config/rbac/`, all that it needs, and no more.

use anyhow::{Context, Result, bail, ensure};
use kube::Resource;
use landfall::api::MCPServer;
use landfall::children::{Child, Children, Make, Nothing};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

use crate::charts::{Charts, manifests, root};

/// Group, resource, verb, and name if it is for one object only.
type Right = (String, String, String, String);

/// The rights of a role, one by one.
fn rights(role: &Value) -> Result<BTreeSet<Right>> {
    let words = |list: &Value| -> Result<Vec<String>> { Ok(serde_json::from_value(list.clone())?) };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().context("a role without rules")? {
        let names = if rule["resourceNames"].is_null() { vec![String::new()] } else { words(&rule["resourceNames"])? };
        for group in words(&rule["apiGroups"])? {
            for resource in words(&rule["resources"])? {
                for verb in words(&rule["verbs"])? {
                    ensure!(![&group, &resource, &verb].contains(&&"*".to_owned()), "a wildcard: {rule}");
                    for name in &names {
                        let right = (group.clone(), resource.clone(), verb.clone(), name.clone());
                        ensure!(rights.insert(right), "granted twice in {}: {rule}", role["metadata"]["name"]);
                    }
                }
            }
        }
    }
    Ok(rights)
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &Value) -> Result<&'a Value> {
    let mut found = objects.iter().filter(|it| it["kind"] == kind && it["metadata"]["name"] == *name);
    found.next().with_context(|| format!("the chart has no {kind} {name}"))
}

fn config(file: &str) -> Result<Vec<Value>> {
    manifests(&fs::read_to_string(root().join("config/rbac").join(file))?)
}

pub fn the_chart_grants_what_config_says(charts: &Charts) -> Result<()> {
    let everywhere = charts.render("landfall", &json!({"watchSecrets": true}))?;
    let listed = charts.render("landfall", &json!({"watchSecrets": true, "namespaces": ["team-a"]}))?;
    for file in ["cluster_role.yaml", "watch_secrets.yaml", "leader_election.yaml", "users.yaml"] {
        for role in config(file)? {
            let (kind, name) = (role["kind"].as_str().unwrap_or_default(), &role["metadata"]["name"]);
            let granted = rights(named(&everywhere, kind, name)?)?;
            ensure!(granted == rights(&role)?, "{file}: the chart's {kind} {name} grants {granted:?}");
            if file != "users.yaml" {
                let granted = rights(named(&listed, "Role", name)?)?;
                ensure!(granted == rights(&role)?, "{file}: the chart's Role {name} grants {granted:?}");
            }
        }
    }
    let without_secrets = charts.render("landfall", &json!({}))?;
    for role in without_secrets.iter().filter(|it| it["kind"] == "ClusterRole" && it["rules"].is_array()) {
        let reads = |it: &Right| it.1 == "secrets" && it.2 != "create";
        ensure!(!rights(role)?.iter().any(reads), "no Secret is read unasked: {role}");
    }
    Ok(())
}

struct Needs(BTreeSet<Right>);

impl Needs {
    fn add<K: Resource<DynamicType = ()>>(&mut self, subresource: &str, verbs: &[&str]) {
        let resource = format!("{}{subresource}", K::plural(&()));
        self.0.extend(
            verbs.iter().map(|verb| (K::group(&()).into(), resource.clone(), (*verb).to_owned(), String::new())),
        );
    }
}

impl Make<Nothing> for Needs {
    fn make<K: Child>(&mut self) {
        let verbs: &[_] =
            if K::WRITE_ONCE { &["create"] } else { &["get", "list", "watch", "create", "patch", "delete"] };
        self.add::<K>("", verbs);
    }
}

pub fn every_kind_of_child_is_covered_and_no_rule_is_unused(_: &Charts) -> Result<()> {
    use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    use k8s_openapi::api::events::v1::Event;

    let mut needs = Needs(BTreeSet::new());
    Children::<Nothing>::from_each(&mut needs);
    needs.add::<MCPServer>("", &["get", "list", "watch"]);
    needs.add::<MCPServer>("/status", &["patch"]);
    needs.add::<MCPServer>("/finalizers", &["update"]);
    needs.add::<Pod>("", &["list", "watch"]);
    needs.add::<ConfigMap>("", &["list", "watch"]);
    needs.add::<Event>("", &["create", "patch"]);
    let granted = rights(&config("cluster_role.yaml")?[0])?;
    let missing: Vec<_> = needs.0.difference(&granted).collect();
    let unused: Vec<_> = granted.difference(&needs.0).collect();
    if !missing.is_empty() || !unused.is_empty() {
        bail!("config/rbac/cluster_role.yaml lacks {missing:?}, and grants for nothing {unused:?}");
    }
    Ok(())
}

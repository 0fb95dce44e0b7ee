//! The operator's rights: the same in the chart and in `config/rbac/`, all that it needs, and no more.

use anyhow::{Context, Result, bail, ensure};
use kube::Resource;
use landfall::api::MCPServer;
use landfall::children::{Child, Children, Make, Nothing};
use landfall::reach::Reach;
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
    let common = json!({"watchSecrets": true, "rbac": {"readSecrets": true}, "verification": {"route": "api-server"}});
    let (mut all, mut all_in_one) = (common.clone(), common);
    all["allowClusterRules"] = json!(true);
    all_in_one["namespaces"] = json!(["team-a"]);
    all_in_one["watchClasses"] = json!(true);
    let everywhere = charts.render("landfall", &all)?;
    let listed = charts.render("landfall", &all_in_one)?;
    for file in [
        "cluster_role.yaml",
        "watch_classes.yaml",
        "watch_secrets.yaml",
        "read_secrets.yaml",
        "cluster_rules.yaml",
        "verify_through_api_server.yaml",
        "leader_election.yaml",
        "users.yaml",
    ] {
        for role in config(file)? {
            let (kind, name) = (role["kind"].as_str().unwrap_or_default(), &role["metadata"]["name"]);
            let granted = rights(named(&everywhere, kind, name)?)?;
            ensure!(granted == rights(&role)?, "{file}: the chart's {kind} {name} grants {granted:?}");
            if file == "watch_classes.yaml" {
                ensure!(
                    rights(named(&listed, kind, name)?)? == granted,
                    "{file}: what is the cluster's takes a ClusterRole"
                );
            } else if !["users.yaml", "cluster_rules.yaml"].contains(&file) {
                let granted = rights(named(&listed, "Role", name)?)?;
                ensure!(granted == rights(&role)?, "{file}: the chart's Role {name} grants {granted:?}");
            }
        }
    }
    let unasked = charts.render("landfall", &json!({}))?;
    for role in unasked.iter().filter(|it| it["kind"] == "ClusterRole" && it["rules"].is_array()) {
        let reads = |it: &Right| it.1 == "secrets" && it.2 != "create";
        ensure!(!rights(role)?.iter().any(reads), "no Secret is read unasked: {role}");
    }
    let without = charts.render("landfall", &json!({"rbac": {"createSecrets": false}}))?;
    ensure!(!without.iter().any(|it| it.to_string().contains("secrets\"")), "no right to Secrets at all");
    let cluster_wide = |it: &Value| it["kind"] == "ClusterRole" && it["rules"].to_string().contains("\"clusterroles\"");
    ensure!(!unasked.iter().any(cluster_wide), "nothing is granted in the whole cluster unasked");
    ensure!(!unasked.iter().any(|it| it.to_string().contains("services/proxy")), "services/proxy is granted unasked");
    Ok(())
}

pub fn only_what_is_listed_can_be_granted(charts: &Charts) -> Result<()> {
    let rule = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]});
    let grantable =
        |rules: &[&Value], roles: &[&str]| json!({"rbac": {"grantable": {"rules": rules, "clusterRoles": roles}}});
    let bind = |role: &str| ("rbac.authorization.k8s.io".into(), "clusterroles".into(), "bind".into(), role.to_owned());
    let get = || (String::new(), "nodes".into(), "get".into(), String::new());
    for (values, expected) in [
        (grantable(&[&rule], &[]), BTreeSet::from([get()])),
        (grantable(&[], &["view", "edit"]), BTreeSet::from([bind("view"), bind("edit")])),
        (grantable(&[&rule], &["view"]), BTreeSet::from([get(), bind("view")])),
    ] {
        let objects = charts.render("landfall", &values)?;
        let granted = rights(named(&objects, "ClusterRole", &json!("landfall-operator-grantable"))?)?;
        ensure!(granted == expected, "{values} grants {granted:?}");
    }
    Ok(())
}

#[derive(Default)]
struct Needs {
    always: BTreeSet<Right>,
    /// With allowClusterRules.
    cluster_wide: BTreeSet<Right>,
}

impl Needs {
    fn add<K: Resource<DynamicType = (), Scope: Reach>>(&mut self, subresource: &str, verbs: &[&str]) {
        let rights = if K::Scope::IS_CLUSTER_WIDE { &mut self.cluster_wide } else { &mut self.always };
        rights.extend(verbs.iter().map(|verb| right::<K>(subresource, verb)));
    }
}

fn right<K: Resource<DynamicType = ()>>(subresource: &str, verb: &str) -> Right {
    (K::group(&()).into(), format!("{}{subresource}", K::plural(&())), verb.into(), String::new())
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
    use k8s_openapi::api::networking::v1::IngressClass;
    use landfall::gateway_api::{Gateway, GatewayClass};

    let mut needs = Needs::default();
    Children::<Nothing>::from_each(&mut needs);
    needs.add::<MCPServer>("", &["get", "list", "watch"]);
    needs.add::<MCPServer>("/status", &["patch"]);
    needs.add::<MCPServer>("/finalizers", &["update"]);
    needs.add::<Pod>("", &["list", "watch"]);
    needs.add::<ConfigMap>("", &["list", "watch"]);
    needs.add::<Event>("", &["create", "patch"]);
    let of_classes =
        |verb| [right::<IngressClass>("", verb), right::<Gateway>("", verb), right::<GatewayClass>("", verb)];
    let classes = ["list", "watch"].into_iter().flat_map(of_classes).collect();
    // The finalizer.
    needs.cluster_wide.insert(right::<MCPServer>("", "patch"));
    for (file, needs) in [
        ("cluster_role.yaml", needs.always),
        ("cluster_rules.yaml", needs.cluster_wide),
        ("watch_classes.yaml", classes),
    ] {
        let granted = rights(&config(file)?[0])?;
        let missing: Vec<_> = needs.difference(&granted).collect();
        let unused: Vec<_> = granted.difference(&needs).collect();
        if !missing.is_empty() || !unused.is_empty() {
            bail!("config/rbac/{file} lacks {missing:?}, and grants for nothing {unused:?}");
        }
    }
    Ok(())
}

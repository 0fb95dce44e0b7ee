//! Rights that servers are given: in the whole cluster only where that is allowed, never more than
//! the operator may grant, and gone with their server.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use landfall::api::{FINALIZER, MCPServer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::operator::Operator;
use crate::support::pods::Kubelet;
use crate::support::{Space, World, condition, edit, message, stays};

const ALLOWED: [&str; 3] = ["--leader-election", "false", "--allow-cluster-rules"];
const NOT_ALLOWED: [&str; 2] = ["--leader-election", "false"];

fn nodes(verbs: &[&str]) -> Value {
    json!({"apiGroups": [""], "resources": ["nodes"], "verbs": verbs})
}

fn spec(account: &Value) -> Value {
    json!({"image": "echo:1", "port": 3001, "serviceAccount": account})
}

fn wide() -> Value {
    spec(&json!({
        "clusterRules": [nodes(&["get"])],
        "bind": [{"kind": "ClusterRole", "name": "view", "clusterWide": true}],
    }))
}

/// What an administrator lets an operator hand on, as the chart's `rbac.grantable` does.
async fn let_grant(space: &Space, operator: &Operator) -> Result<()> {
    let name = format!("grantable-{}", operator.user);
    let role = json!({"metadata": {"name": name}, "rules": [
        nodes(&["get", "list"]),
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]},
    ]});
    roles(space).create(&PostParams::default(), &serde_json::from_value(role)?).await?;
    space.bind_everywhere(&operator.user, &name).await
}

fn roles(space: &Space) -> Api<ClusterRole> {
    Api::all(space.world.admin.clone())
}

/// Names of the roles and bindings that servers of a namespace have in the whole cluster.
async fn found(space: &Space) -> Result<(Vec<String>, Vec<String>)> {
    let ours = ListParams::default().labels(&format!("landfall.dev/namespace={}", space.name));
    let roles = roles(space).list(&ours).await?;
    let bindings = Api::<ClusterRoleBinding>::all(space.world.admin.clone()).list(&ours).await?;
    Ok((roles.iter().map(ResourceExt::name_any).collect(), bindings.iter().map(ResourceExt::name_any).collect()))
}

async fn until_nothing_is_left(space: &Space) -> Result<()> {
    let none = async || found(space).await.ok().filter(|(roles, bindings)| roles.len() + bindings.len() == 0);
    space.until("nothing is left in the whole cluster", none).await.map(drop)
}

async fn until_gone(space: &Space, name: &str) -> Result<()> {
    let gone = async || space.api::<MCPServer>().get_opt(name).await.ok()?.is_none().then_some(());
    space.until("the MCPServer is gone", gone).await
}

pub async fn in_the_whole_cluster_they_come_and_go(world: Arc<World>) -> Result<()> {
    let space = world.space("wide").await?;
    let (operator, _kubelet) = (space.operator(&ALLOWED).await?, Kubelet::start(&space));
    let_grant(&space, &operator).await?;
    space.server("echo", &wide()).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(server.finalizers() == [FINALIZER], "{:?}", server.finalizers());
    let (own, of_view) = ("landfall:wide:echo", "landfall:wide:echo:view");
    ensure!(found(&space).await? == (vec![own.into()], vec![own.into(), of_view.into()]));
    let bindings: Api<ClusterRoleBinding> = Api::all(world.admin.clone());
    for (name, role) in [(own, own), (of_view, "view")] {
        let binding = bindings.get(name).await?;
        ensure!(binding.role_ref.name == role, "{binding:?}");
        let subject = binding.subjects.iter().flatten().next().context("a subject")?;
        ensure!((subject.name.as_str(), subject.namespace.as_deref()) == ("echo", Some("wide")), "{subject:?}");
    }
    let verbs = async || {
        let rules = roles(&space).get(own).await.ok()?.rules?;
        Some(rules.first()?.verbs.clone())
    };
    ensure!(verbs().await == Some(vec!["get".to_owned()]));

    // What somebody changes or hides comes back.
    let uid = roles(&space).get(own).await?.uid();
    edit(&roles(&space), own, &json!({"metadata": {"labels": null}, "rules": []})).await?;
    let as_it_was = async || {
        let role = roles(&space).get(own).await.ok()?;
        (role.labels().len() > 3 && role.rules.is_some_and(|it| it.len() == 1)).then_some(())
    };
    space.until("the ClusterRole is as it was", as_it_was).await?;
    ensure!(roles(&space).get(own).await?.uid() == uid, "it was made anew");

    // A quiet server costs nothing, with the finalizer as without.
    space.until_ready_is("echo", "True", "Ready").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = operator.requests()?.len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let since: Vec<_> = operator.requests()?.into_iter().skip(before).filter(|it| it.verb != "watch").collect();
    ensure!(since.is_empty(), "{since:?}");

    // Less is asked for, then nothing, then all again.
    space.server("echo", &spec(&json!({"clusterRules": [nodes(&["get", "list"])]}))).await?;
    let changed = async || verbs().await.filter(|it| it.len() == 2);
    space.until("the other verbs", changed).await?;
    let fewer = async || found(&space).await.ok().filter(|it| it.1 == [own]);
    space.until("one binding", fewer).await?;
    space.server("echo", &spec(&json!({}))).await?;
    until_nothing_is_left(&space).await?;
    space.until_server("echo", "no finalizer", |it| it.finalizers().is_empty()).await?;
    space.server("echo", &wide()).await?;
    space.until_server("echo", "the finalizer", |it| it.finalizers() == [FINALIZER]).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(found(&space).await?.1.len() == 2);

    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    until_gone(&space, "echo").await?;
    ensure!(found(&space).await? == (vec![], vec![]), "the finalizer is the last to go");
    Ok(())
}

pub async fn a_cluster_role_of_somebody_else_is_never_touched(world: Arc<World>) -> Result<()> {
    let space = world.space("wide-foreign").await?;
    let (operator, _kubelet) = (space.operator(&ALLOWED).await?, Kubelet::start(&space));
    let_grant(&space, &operator).await?;
    // It even has our label, as a copied manifest would.
    let name = "landfall:wide-foreign:echo";
    let labels = json!({"app.kubernetes.io/managed-by": "landfall", "landfall.dev/namespace": "wide-foreign"});
    let foreign = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "rules": []}))?;
    let before = roles(&space).create(&PostParams::default(), &foreign).await?;
    space.server("echo", &wide()).await?;
    let server = space.until_ready_is("echo", "False", "NameConflict").await?;
    ensure!(message(&server).starts_with(&format!("ClusterRole \"{name}\" exists and was not made by Landfall")));
    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    until_gone(&space, "echo").await?;
    let after = roles(&space).get(name).await?;
    ensure!(after.resource_version() == before.resource_version(), "{after:?}");
    roles(&space).delete(name, &DeleteParams::default()).await?;
    Ok(())
}

pub async fn what_the_operator_may_not_grant_is_told(world: Arc<World>) -> Result<()> {
    let space = world.space("grant").await?;
    let (operator, _kubelet) = (space.operator(&ALLOWED).await?, Kubelet::start(&space));
    space.server("wide", &wide()).await?;
    let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]});
    space.server("narrow", &spec(&json!({"rules": [leases]}))).await?;
    for (name, kind, object, missing) in [
        ("wide", "ClusterRole", "landfall:grant:wide", "Resources:[\"nodes\"]"),
        ("narrow", "Role", "narrow", "Resources:[\"leases\"]"),
    ] {
        let server = space.until_ready_is(name, "False", "Forbidden").await?;
        let message = message(&server);
        ensure!(
            message
                .starts_with(&format!("the operator may not grant what {kind} \"{object}\" holds: it does not have "))
                && message.contains(missing)
                && message.ends_with("(the Helm value rbac.grantable)"),
            "{message}"
        );
    }
    ensure!(space.api::<Role>().get_opt("narrow").await?.is_none());
    // Once it may, it does by itself.
    let_grant(&space, &operator).await?;
    space.until_ready_is("wide", "True", "Ready").await?;
    space.api::<MCPServer>().delete("wide", &DeleteParams::default()).await?;
    until_gone(&space, "wide").await
}

pub async fn a_crash_or_a_setting_that_is_gone_leaves_nothing_behind(world: Arc<World>) -> Result<()> {
    let space = world.space("wide-off").await?;
    let _kubelet = Kubelet::start(&space);
    let mut operator = space.operator(&ALLOWED).await?;
    let_grant(&space, &operator).await?;
    space.server("echo", &wide()).await?;
    let made = async || found(&space).await.ok().filter(|(roles, _)| roles.len() == 1);
    space.until("the ClusterRole", made).await?;
    operator.kill().await?;
    // Whenever that was, the finalizer came first.
    ensure!(space.api::<MCPServer>().get("echo").await?.finalizers() == [FINALIZER]);

    let mut without = space.operator(&NOT_ALLOWED).await?;
    let server = space.until_ready_is("echo", "False", "InvalidSpec").await?;
    let expected = "spec.serviceAccount.clusterRules: the operator was started without allowClusterRules";
    ensure!(message(&server).contains(expected), "{}", message(&server));
    space.server("echo", &spec(&json!({}))).await?;
    let server = space.until_ready_is("echo", "False", "Forbidden").await?;
    let expected = "the operator was started without allowClusterRules, so it cannot delete them";
    ensure!(message(&server).contains(expected), "{}", message(&server));
    // The help that the message gives leads to them.
    let labels =
        "app.kubernetes.io/managed-by=landfall,landfall.dev/namespace=wide-off,app.kubernetes.io/instance=echo";
    ensure!(message(&server).contains(labels), "{}", message(&server));
    ensure!(roles(&space).list(&ListParams::default().labels(labels)).await?.items.len() == 1);

    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    let told = |it: &MCPServer| {
        it.metadata.deletion_timestamp.is_some()
            && condition(it, "Ready").is_some_and(|ready| ready.observed_generation == it.metadata.generation)
    };
    let server = space.until_server("echo", "why it is not gone", told).await?;
    ensure!(message(&server).contains(expected), "{}", message(&server));
    ensure!(without.stop().await? == Some(0));
    operator.restart().await?;
    until_gone(&space, "echo").await?;
    until_nothing_is_left(&space).await
}

pub async fn what_a_server_without_its_finalizer_leaves_is_removed(world: Arc<World>) -> Result<()> {
    let space = world.space("wide-lost").await?;
    let (mut operator, _kubelet) = (space.operator(&ALLOWED).await?, Kubelet::start(&space));
    let_grant(&space, &operator).await?;
    space.server("stays", &wide()).await?;
    space.until_ready_is("stays", "True", "Ready").await?;
    for runs in [true, false] {
        space.server("echo", &wide()).await?;
        space.until_ready_is("echo", "True", "Ready").await?;
        if !runs {
            operator.stop().await?;
        }
        // To the cluster, it never had one.
        edit(&space.api::<MCPServer>(), "echo", &json!({"metadata": {"finalizers": null}})).await?;
        space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
        if !runs {
            operator.restart().await?;
        }
        let only_the_other = async || {
            let (roles, bindings) = found(&space).await.ok()?;
            let is_of_the_other = |it: &String| it.starts_with("landfall:wide-lost:stays");
            (roles.iter().chain(&bindings).all(is_of_the_other)).then_some((roles.len(), bindings.len()))
        };
        let left = space.until("only what the other server has is left", only_the_other).await?;
        ensure!(left == (1, 2), "{left:?}");
    }
    Ok(())
}

pub async fn deleting_a_namespace_takes_them_along(world: Arc<World>) -> Result<()> {
    let space = world.space("wide-namespace").await?;
    let (operator, _kubelet) = (space.operator(&ALLOWED).await?, Kubelet::start(&space));
    let_grant(&space, &operator).await?;
    // As the chart does it: bindings of the namespace go before what is in it.
    space.bind_everywhere(&operator.user, "landfall-operator").await?;
    space.server("echo", &wide()).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let namespaces: Api<Namespace> = Api::all(world.admin.clone());
    namespaces.delete(&space.name, &DeleteParams::default()).await?;
    let gone = async || namespaces.get_opt(&space.name).await.ok()?.is_none().then_some(());
    space.until("the namespace is gone", gone).await.with_context(|| operator.log())?;
    until_nothing_is_left(&space).await
}

pub async fn without_the_setting_nothing_of_the_cluster_is_asked_for(world: Arc<World>) -> Result<()> {
    let space = world.space("narrow").await?;
    let (operator, _kubelet) = (space.operator(&NOT_ALLOWED).await?, Kubelet::start(&space));
    space.server("echo", &wide()).await?;
    space.until_ready_is("echo", "False", "InvalidSpec").await?;
    stays("nothing is asked for", Duration::from_secs(1), async || {
        let asked = operator.requests()?;
        Ok(asked.iter().all(|it| !it.object_ref.resource.starts_with("clusterrole")))
    })
    .await?;
    ensure!(space.api::<MCPServer>().get("echo").await?.finalizers().is_empty());
    Ok(())
}

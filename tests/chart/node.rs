//! The packaged charts on a real node, with the operator in its own image.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, LogParams, PostParams};
use landfall::api::MCPServer;
use landfall_cluster::binaries::Tool;
use landfall_cluster::{Cluster, Size};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::charts::{Charts, NAMESPACE, RELEASE, root};
use crate::helm::{HELM_3, HELM_4, Helm};
use crate::support::{PATIENCE, Space, World, apply, audit, client, edit, from_yaml, stays, until};

pub const DEPLOYMENT: &str = "landfall-operator";
const CRD: &str = "mcpservers.landfall.dev";
pub const ACCOUNT: &str = "system:serviceaccount:landfall-system:landfall-operator";

/// The sample, whose image is the example server.
pub const SAMPLE: &str = include_str!("../../config/samples/echo.yaml");

/// A node that has the images, and nothing of Landfall yet.
pub struct Node {
    pub world: Arc<World>,
    installed: OnceCell<()>,
}

impl Node {
    pub async fn start() -> Result<Self> {
        let images = [operator_image()?, made("images", "echo-server.tar")?];
        let cluster = Cluster::start(Size::Node).await?;
        for image in images {
            cluster.load_image(&image).await?;
        }
        let admin = client(cluster.kubeconfig()).await?;
        let namespace = json!({"metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }});
        Api::<Namespace>::all(admin.clone())
            .create(&PostParams::default(), &serde_json::from_value(namespace)?)
            .await?;
        Ok(Self { world: Arc::new(World { cluster, admin }), installed: OnceCell::new() })
    }

    pub async fn stop(self) -> Result<()> {
        match Arc::into_inner(self.world) {
            Some(world) => world.cluster.stop().await,
            None => bail!("a test still holds the cluster"),
        }
    }

    /// For tests that only use the operator: installs it once, and leaves it there. These come last.
    pub async fn installed(&self, charts: &Charts) -> Result<()> {
        let install = async || {
            let helm = self.helm(&HELM_3).await?;
            let values = ["--set", "replicas=2", "--set", "resources.limits.cpu=100m"];
            self.release(&helm, "install", &[&[charts.archive("landfall").as_str()][..], &values].concat()).await?;
            self.until_two_are_ready().await
        };
        self.installed.get_or_try_init(install).await.copied()
    }

    /// Waits until both of two replicas are ready, in pods that stay.
    pub async fn until_two_are_ready(&self) -> Result<()> {
        let both = async || {
            let pods = self.operators().await.ok()?;
            let ready = |pod: &Pod| pod.status.as_ref()?.container_statuses.as_ref()?.first().map(|it| it.ready);
            (pods.len() == 2 && pods.iter().all(|it| ready(it) == Some(true))).then_some(())
        };
        until("two replicas of the operator are ready", PATIENCE, both).await
    }

    /// The operator's pods.
    pub async fn operators(&self) -> Result<Vec<Pod>> {
        let of_operator = ListParams::default().labels("app.kubernetes.io/component=operator");
        let pods = self.in_system::<Pod>().list(&of_operator).await?.items;
        Ok(pods.into_iter().filter(|it| it.metadata.deletion_timestamp.is_none()).collect())
    }

    pub fn kubeconfig(&self) -> &Path {
        self.world.cluster.kubeconfig()
    }

    /// A namespace for one test.
    pub async fn space(&self, name: &str) -> Result<Space> {
        self.world.space(name).await
    }

    async fn helm(&self, tool: &Tool) -> Result<Helm> {
        Helm::make(tool, self.world.cluster.directory(), self.kubeconfig()).await
    }

    pub fn in_system<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.world.admin.clone(), NAMESPACE)
    }

    /// Runs Helm for the operator's release; on an error, says what became of the pods.
    async fn release(&self, helm: &Helm, verb: &str, arguments: &[&str]) -> Result<()> {
        let common = [verb, RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "90s"];
        let Err(error) = helm.run(&[&common[..], arguments].concat()) else { return Ok(()) };
        let pods: Vec<_> = self.in_system::<Pod>().list(&ListParams::default()).await?.items;
        let states: Vec<_> = pods.iter().map(|pod| json!(pod.status).to_string()).collect();
        let log = self.operator_log().await.unwrap_or_else(|error| error.to_string());
        Err(error.context(format!("the operator's pods: {}\nits log: {log}", states.join("\n"))))
    }

    /// The log of all pods of the operator.
    async fn operator_log(&self) -> Result<String> {
        let pods = self.in_system::<Pod>();
        let mut log = String::new();
        for pod in self.operators().await? {
            log += &pods.logs(&pod.name_any(), &LogParams::default()).await?;
        }
        Ok(log)
    }

    /// Whether `kubectl get mcpservers` shows a column.
    async fn has_column(&self, name: &str) -> Result<bool> {
        let crd = Api::<CustomResourceDefinition>::all(self.world.admin.clone()).get(CRD).await?;
        let mut columns = crd.spec.versions.iter().flat_map(|it| it.additional_printer_columns.iter().flatten());
        Ok(columns.any(|it| it.name == name))
    }

    /// Takes away what an uninstall keeps, so that each test has a first day.
    pub async fn forget_everything(&self) -> Result<()> {
        let crds: Api<CustomResourceDefinition> = Api::all(self.world.admin.clone());
        crds.delete(CRD, &DeleteParams::default()).await?;
        until("the resource is gone", PATIENCE, async || crds.get_opt(CRD).await.ok()?.is_none().then_some(())).await
    }
}

/// The operator's image: that of `make image`, or one made elsewhere.
fn operator_image() -> Result<PathBuf> {
    match std::env::var_os("LANDFALL_IMAGE") {
        Some(path) => Ok(path.into()),
        None => made("image", "landfall.tar"),
    }
}

pub fn made(target: &str, archive: &str) -> Result<PathBuf> {
    let status =
        Command::new("make").args([target, "PROFILE=image-test"]).current_dir(root()).env_remove("MAKEFLAGS").status();
    ensure!(status.context("make is not installed")?.success(), "`make {target}` failed");
    Ok(root().join("target/images").join(archive))
}

/// Each pod of the servers, and how often it was restarted: what must not change behind their back.
async fn pods(space: &Space) -> Result<BTreeMap<String, i32>> {
    let list = space.api::<Pod>().list(&ListParams::default()).await?;
    let restarts = |pod: &Pod| pod.status.as_ref()?.container_statuses.as_ref()?.first().map(|it| it.restart_count);
    Ok(list.iter().map(|pod| (pod.uid().unwrap_or_default(), restarts(pod).unwrap_or_default())).collect())
}

pub async fn add_sample(space: &Space) -> Result<()> {
    let server: MCPServer = from_yaml(SAMPLE)?;
    apply(&space.api(), server).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

pub async fn a_first_day_and_every_day_after_with_helm_3(node: &Node, charts: &Charts) -> Result<()> {
    a_first_day_and_every_day_after(node, charts, &HELM_3).await
}

pub async fn a_first_day_and_every_day_after_with_helm_4(node: &Node, charts: &Charts) -> Result<()> {
    a_first_day_and_every_day_after(node, charts, &HELM_4).await
}

async fn a_first_day_and_every_day_after(node: &Node, charts: &Charts, tool: &Tool) -> Result<()> {
    let helm = node.helm(tool).await?;
    let chart = charts.archive("landfall");
    node.release(&helm, "install", &[&charts.earlier()?]).await?;
    ensure!(!node.has_column("Tools").await?);
    let space = node.space(tool.source.name).await?;
    add_sample(&space).await?;
    let first = pods(&space).await?;
    ensure!(first.len() == 1, "{first:?}");
    ensure!(!audit::requests(node.world.cluster.audit_log(), ACCOUNT)?.is_empty(), "it runs as its own account");
    people_get_rights_by_the_clusters_own_roles(node, &space).await?;
    let log = node.operator_log().await?;
    ensure!(!log.contains("orbidden") && !log.contains("WARN"), "{log}");

    node.release(&helm, "upgrade", &[&chart, "--set", "log=debug", "--set", "replicas=2"]).await?;
    ensure!(node.has_column("Tools").await?, "an upgrade brings the resource, too");
    touch(&space, "upgraded").await?;
    ensure!(pods(&space).await? == first, "an upgrade of the operator restarted a server");

    node.release(&helm, "uninstall", &[]).await?;
    let gone = async || node.in_system::<Deployment>().get_opt(DEPLOYMENT).await.ok()?.is_none().then_some(());
    until("the operator is gone", PATIENCE, gone).await?;
    stays("the server and its pod without an operator", Duration::from_secs(3), async || {
        Ok(space.api::<MCPServer>().get_opt("echo").await?.is_some() && pods(&space).await? == first)
    })
    .await?;

    node.release(&helm, "install", &[&chart]).await?;
    touch(&space, "reinstalled").await?;
    ensure!(pods(&space).await? == first, "a reinstalled operator restarted a server");
    let log = node.operator_log().await?;
    ensure!(!log.contains("orbidden"), "{log}");

    node.release(&helm, "uninstall", &[]).await?;
    node.forget_everything().await
}

/// Changes the server in a way that leaves its pods alone, and waits until the operator did so.
async fn touch(space: &Space, word: &str) -> Result<()> {
    edit(&space.api::<MCPServer>(), "echo", &json!({"spec": {"service": {"annotations": {"note": word}}}})).await?;
    let services = space.api::<Service>();
    let done = async || (services.get("echo").await.ok()?.annotations().get("note")? == word).then_some(());
    space.until(&format!("the Service says {word}"), done).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}

/// Who may view or edit a namespace may do so with its `MCPServer`s.
async fn people_get_rights_by_the_clusters_own_roles(node: &Node, space: &Space) -> Result<()> {
    for role in ["view", "edit", "admin"] {
        space.bind(role, "ClusterRole", role).await?;
        let may_edit = role != "view";
        let expected =
            [("list", "", true), ("create", "", may_edit), ("patch", "scale", may_edit), ("patch", "status", false)];
        // The cluster puts the roles together a moment after they are there.
        let review = async || {
            for (verb, subresource, expected) in expected {
                if may(node, space, role, verb, subresource).await.ok()? != expected {
                    return None;
                }
            }
            Some(())
        };
        space.until(&format!("the role {role} is for MCPServers, too"), review).await?;
    }
    Ok(())
}

async fn may(node: &Node, space: &Space, user: &str, verb: &str, subresource: &str) -> Result<bool> {
    let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {"user": user, "resourceAttributes": {
        "group": "landfall.dev", "resource": "mcpservers", "subresource": subresource, "verb": verb,
        "namespace": space.name,
    }}}))?;
    let reviews: Api<SubjectAccessReview> = Api::all(node.world.admin.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|it| it.allowed))
}

pub async fn listed_namespaces_need_no_rights_elsewhere(node: &Node, charts: &Charts) -> Result<()> {
    let helm = node.helm(&HELM_3).await?;
    // A cluster administrator does this once; the operator is then somebody's who has no such rights.
    helm.run(&["install", "landfall-crds", &charts.archive("landfall-crds"), "--namespace", NAMESPACE])?;
    let (first, second, other) =
        (node.space("team-a").await?, node.space("team-b").await?, node.space("team-c").await?);
    let namespaces = format!("namespaces={{{},{}}}", first.name, second.name);
    let values = ["--set", &namespaces, "--set", "watchSecrets=true", "--set", "crds.install=false"];
    node.release(&helm, "install", &[&[charts.archive("landfall").as_str()][..], &values].concat()).await?;
    let server: MCPServer = from_yaml(SAMPLE)?;
    apply(&other.api(), server).await?;
    add_sample(&first).await?;
    add_sample(&second).await?;
    stays("nothing in a namespace that is not served", Duration::from_secs(2), async || {
        let server = other.api::<MCPServer>().get("echo").await?;
        let is_reported_on = server.status.is_some_and(|it| !it.conditions.is_empty());
        Ok(!is_reported_on && pods(&other).await?.is_empty())
    })
    .await?;
    let log = node.operator_log().await?;
    ensure!(!log.contains("orbidden") && !log.contains("WARN"), "{log}");

    node.release(&helm, "uninstall", &[]).await?;
    helm.run(&["uninstall", "landfall-crds", "--namespace", NAMESPACE])?;
    node.forget_everything().await
}

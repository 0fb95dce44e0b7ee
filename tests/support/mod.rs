//! What the tests on a cluster share: a cluster with the CRD and the operator's roles, and for each
//! test a namespace of its own with an operator of its own, which has no rights but those roles in
//! that namespace. So tests run side by side, and a request in the audit log is one test's.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod audit;
pub mod documents;
pub mod host;
pub mod http;
pub mod mcp;
pub mod node;
pub mod operator;
pub mod pods;
pub mod random;
pub mod rules;

use anyhow::{Context, Result, bail};
use futures::future::{BoxFuture, LocalBoxFuture};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Client, Config, Resource, ResourceExt};
use landfall::api::MCPServer;
use landfall_cluster::{Cluster, Size, missing_for};
use libtest_mimic::{Arguments, Trial};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use operator::Operator;

/// For what takes the cluster's controllers a few steps; far more than any of them needs, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// A cluster that is ready for operators.
pub struct World {
    pub cluster: Cluster,
    pub admin: Client,
}

/// A test: its name and what it does.
pub type Test = (&'static str, Body);

/// What a test does.
pub type Body = fn(Arc<World>) -> LocalBoxFuture<'static, Result<()>>;

/// Names a test after its function.
#[macro_export]
macro_rules! tests {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($name)),
            (|world| Box::pin($module::$name(world))) as $crate::support::Body,
        )),+]
    };
}

/// Runs `tests` on one cluster, or names each as skipped where this machine cannot run it.
pub fn run(size: Size, tests: Vec<Test>, prepare: fn(&World) -> BoxFuture<'_, Result<()>>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Tests wait for the cluster far more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let missing = missing_for(size);
    if arguments.list || missing.is_some() {
        if let Some(missing) = &missing {
            eprintln!("skipped: {missing}");
        }
        let ignored = |(name, _): Test| Trial::test(name, || Ok(())).with_ignored_flag(missing.is_some());
        return libtest_mimic::run(&arguments, tests.into_iter().map(ignored).collect()).exit_code();
    }
    let started = tokio::runtime::Runtime::new().context("no runtime").and_then(|runtime| {
        let world = runtime.block_on(World::start(size, prepare))?;
        Ok((runtime, Arc::new(world)))
    });
    let (runtime, world) = match started {
        Ok(started) => started,
        Err(error) => {
            eprintln!("the test cluster did not start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = tests.into_iter().map(|(name, test)| {
        let (world, handle) = (Arc::clone(&world), runtime.handle().clone());
        Trial::test(name, move || Ok(handle.block_on(test(world)).map_err(|error| format!("{error:#}"))?))
    });
    let code = libtest_mimic::run(&arguments, trials.collect()).exit_code();
    if let Some(world) = Arc::into_inner(world)
        && let Err(error) = runtime.block_on(world.cluster.stop())
    {
        eprintln!("the test cluster left something behind: {error:#}");
        return ExitCode::FAILURE;
    }
    code
}

impl World {
    async fn start(size: Size, prepare: fn(&World) -> BoxFuture<'_, Result<()>>) -> Result<Self> {
        let cluster = Cluster::start(size).await?;
        let admin = client(cluster.kubeconfig()).await?;
        let world = Self { cluster, admin };
        world.install(from_yaml(include_str!("../../crds/mcpservers.yaml"))?).await?;
        world.grant().await?;
        prepare(&world).await?;
        Ok(world)
    }

    /// A cluster for one test alone, without the resource.
    pub async fn without_resource() -> Result<Self> {
        let cluster = Cluster::start(Size::ControlPlane).await?;
        let admin = client(cluster.kubeconfig()).await?;
        let world = Self { cluster, admin };
        world.grant().await?;
        Ok(world)
    }

    /// A cluster for one test alone.
    pub async fn of_its_own() -> Result<Self> {
        let world = Self::without_resource().await?;
        world.install(from_yaml(include_str!("../../crds/mcpservers.yaml"))?).await?;
        Ok(world)
    }

    /// Runs a test on a cluster that is for it alone, since it takes away what others need.
    pub async fn alone(test: impl AsyncFnOnce(&Arc<Self>) -> Result<()>) -> Result<()> {
        let world = Arc::new(Self::of_its_own().await?);
        let result = test(&world).await;
        match Arc::into_inner(world) {
            Some(world) => world.cluster.stop().await?,
            None => bail!("something still holds the cluster"),
        }
        result
    }

    /// Installs a version of the resource, and waits until it is served.
    pub async fn install(&self, crd: CustomResourceDefinition) -> Result<()> {
        let crds: Api<CustomResourceDefinition> = Api::all(self.admin.clone());
        apply(&crds, crd).await?;
        let established = kube::runtime::conditions::is_crd_established();
        kube::runtime::wait::await_condition(crds, "mcpservers.landfall.dev", established).await?;
        // Its schema is shown a moment later than it is served.
        let is_shown = async || {
            let request = hyper::Request::get("/openapi/v3/apis/landfall.dev/v1alpha1").body(Vec::new()).ok()?;
            self.admin.request_text(request).await.ok()
        };
        until("the schema of the resource is shown", PATIENCE, is_shown).await?;
        Ok(())
    }

    async fn grant(&self) -> Result<()> {
        let roles: Api<ClusterRole> = Api::all(self.admin.clone());
        for role in [
            include_str!("../../config/rbac/cluster_role.yaml"),
            include_str!("../../config/rbac/watch_secrets.yaml"),
            include_str!("../../config/rbac/watch_classes.yaml"),
            include_str!("../../config/rbac/cluster_rules.yaml"),
            include_str!("../../config/rbac/read_secrets.yaml"),
            include_str!("../../config/rbac/verify_through_api_server.yaml"),
        ] {
            apply(&roles, from_yaml(role)?).await?;
        }
        Ok(())
    }

    /// A namespace for one test.
    pub async fn space(self: &Arc<Self>, name: &str) -> Result<Space> {
        self.space_with(name, &json!({})).await
    }

    /// A namespace for one test, with labels.
    pub async fn space_with(self: &Arc<Self>, name: &str, labels: &Value) -> Result<Space> {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
        let space = Space { world: Arc::clone(self), name: name.to_owned() };
        apply(&space.api::<Role>(), from_yaml(include_str!("../../config/rbac/leader_election.yaml"))?).await?;
        // Pods are refused until a controller has made the account that they run as by default.
        space
            .until("the default ServiceAccount", async || {
                space.api::<k8s_openapi::api::core::v1::ServiceAccount>().get_opt("default").await.ok().flatten()
            })
            .await?;
        Ok(space)
    }
}

/// A namespace for one test.
pub struct Space {
    pub world: Arc<World>,
    pub name: String,
}

impl Space {
    /// Objects of a kind in this namespace, with an administrator's rights.
    pub fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.world.admin.clone(), &self.name)
    }

    /// Starts an operator for this namespace, with the rights that `config/rbac` gives it there.
    pub async fn operator(&self, arguments: &[&str]) -> Result<Operator> {
        self.operator_in(arguments, &[]).await
    }

    /// As [`Self::operator`], with variables in its environment.
    pub async fn operator_in(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Operator> {
        let user = format!("operator-{}-{}", self.name, operator::next_number());
        self.bind(&user, "ClusterRole", "landfall-operator").await?;
        self.bind(&user, "Role", "landfall-operator-leader-election").await?;
        if arguments.contains(&"--watch-secrets") {
            self.bind(&user, "ClusterRole", "landfall-operator-watch-secrets").await?;
        }
        if arguments.contains(&"--watch-classes") {
            self.bind_everywhere(&user, "landfall-operator-watch-classes").await?;
        }
        if arguments.contains(&"--allow-cluster-rules") {
            self.bind_everywhere(&user, "landfall-operator-cluster-rules").await?;
        }
        if arguments.contains(&"api-server") {
            self.bind(&user, "ClusterRole", "landfall-operator-verify-through-api-server").await?;
        }
        Operator::start(self, &user, arguments, environment)
    }

    /// Gives `user` a role in this namespace.
    pub async fn bind(&self, user: &str, kind: &str, role: &str) -> Result<()> {
        let binding: RoleBinding = serde_json::from_value(binding(user, kind, role))?;
        self.api().create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Gives `user` a role in all namespaces.
    pub async fn bind_everywhere(&self, user: &str, role: &str) -> Result<()> {
        let binding: ClusterRoleBinding = serde_json::from_value(binding(user, "ClusterRole", role))?;
        Api::all(self.world.admin.clone()).create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Gives `user` a role in this namespace. `user`.
    pub async fn unbind(&self, user: &str) -> Result<()> {
        let bindings = self.api::<RoleBinding>();
        for binding in bindings.list(&ListParams::default()).await? {
            if binding.name_any().starts_with(user) {
                bindings.delete(&binding.name_any(), &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }

    /// Applies an `MCPServer`, as `kubectl apply --server-side` would.
    pub async fn server(&self, name: &str, spec: &Value) -> Result<MCPServer, kube::Error> {
        let manifest = json!({
            "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("user").force();
        self.api::<MCPServer>().patch(name, &params, &Patch::Apply(&manifest)).await
    }

    /// Waits until `look` finds what it looks for.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> Result<T> {
        until(what, PATIENCE, look).await.with_context(|| format!("in namespace {}", self.name))
    }

    /// Waits until an `MCPServer` looks as it should, and gives it.
    pub async fn until_server(&self, name: &str, what: &str, fits: impl Fn(&MCPServer) -> bool) -> Result<MCPServer> {
        let api = self.api::<MCPServer>();
        let result = self.until(what, async || api.get(name).await.ok().filter(|server| fits(server))).await;
        let Err(error) = result else { return result };
        let last = api.get_opt(name).await?.map(|server| server.status);
        Err(error.context(format!("the last status was {}", serde_json::to_string(&last)?)))
    }

    /// Waits until `Ready` has this status and reason, for the generation that is stored.
    pub async fn until_ready_is(&self, name: &str, status: &str, reason: &str) -> Result<MCPServer> {
        self.until_server(name, &format!("Ready={status} for reason {reason}"), |server| {
            condition(server, "Ready").is_some_and(|it| {
                it.status == status && it.reason == reason && it.observed_generation == server.metadata.generation
            })
        })
        .await
    }
}

fn binding(user: &str, kind: &str, role: &str) -> Value {
    json!({
        "metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

/// Waits until `look` finds what it looks for.
pub async fn until<T>(what: &str, limit: Duration, look: impl AsyncFn() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if began.elapsed() > limit {
            bail!("after {limit:?}, still not so: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Watches for a while that something stays as it is.
pub async fn stays<F: Future<Output = Result<bool>>>(what: &str, time: Duration, holds: impl Fn() -> F) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        if !holds().await? {
            bail!("after {:?}, no longer so: {what}", began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// One condition of a server.
pub fn condition<'a>(server: &'a MCPServer, type_: &str) -> Option<&'a Condition> {
    server.status.as_ref()?.conditions.iter().find(|it| it.type_ == type_)
}

/// The message of `Ready`.
pub fn message(server: &MCPServer) -> String {
    condition(server, "Ready").map(|it| it.message.clone()).unwrap_or_default()
}

/// Applies an object as an administrator.
pub async fn apply<K>(api: &Api<K>, object: K) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.name_any();
    Ok(api.patch(&name, &PatchParams::apply("tests").force(), &Patch::Apply(&object)).await?)
}

/// Changes an object by a JSON merge patch, as somebody who is not the operator.
pub async fn edit<K>(api: &Api<K>, name: &str, change: &Value) -> Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    Ok(api
        .patch(
            name,
            &PatchParams { field_manager: Some("somebody".into()), ..Default::default() },
            &Patch::Merge(change),
        )
        .await?)
}

pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_saphyr::from_str(text)?)
}

/// A client for a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let config =
        Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

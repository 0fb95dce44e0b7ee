//! The wiring: which watches there are, what triggers a pass, and how the operator starts and stops.
//!
//! Each namespace served (or all of them together) is a scope with watches, caches and a queue of
//! its own. Every kind of child is watched as a whole and not by its metadata alone: the copies in
//! the caches are what a wish is compared with, so that neither a pass nor a restart has to read
//! anything.

mod backoff;
mod context;
mod finalizer;
mod health;
mod installed;
mod leader;
mod reconcile;
mod references;
mod report;

pub use health::{Health, serve};
pub use installed::resource_problem;

use futures::future::{BoxFuture, Shared, try_join_all};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt, controller, predicates};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

use crate::api::MCPServer;
use crate::cache::owner;
use crate::children::{Child, Children, Make, Nothing};
use crate::labels;
use crate::observe::PodView;
use crate::reach::Reach;
use crate::references::Source;
use crate::settings::{Platform, Settings};
use crate::verification::{Network, Verifier};
use context::Context;

/// Ends when the operator shall stop.
pub type Shutdown = Shared<BoxFuture<'static, ()>>;

type Servers = Controller<DeserializeGuard<MCPServer>>;
type ServerRef = ObjectRef<DeserializeGuard<MCPServer>>;

/// Runs the operator until `shutdown` ends.
pub async fn run(
    client: Client,
    settings: &Settings,
    platform: &Platform,
    health: Arc<Health>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    // Before waiting for the Lease: a new version without its resource is not ready, so that an
    // upgrade leaves the one before at work.
    tokio::select! {
        waited = installed::wait(&client, settings, &health) => waited?,
        () = shutdown.clone() => return Ok(()),
    }
    let namespaces: Vec<_> = if settings.namespaces.is_empty() {
        vec![None]
    } else {
        settings.namespaces.iter().cloned().map(Some).collect()
    };
    let scopes = namespaces.into_iter().map(|namespace| Scope {
        client: client.clone(),
        namespace,
        settings: settings.clone(),
        platform: platform.clone(),
        health: Arc::clone(&health),
    });
    let metrics = Arc::clone(&health.metrics);
    let work = try_join_all(scopes.map(|scope| scope.run(shutdown.clone())));
    let work = async {
        metrics.leads(true);
        work.await.map(drop)
    };
    leader::run(client, settings, work, shutdown.clone()).await
}

/// One namespace that is served, or all of them.
struct Scope {
    client: Client,
    namespace: Option<String>,
    settings: Settings,
    platform: Platform,
    health: Arc<Health>,
}

impl Scope {
    async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let metrics = Arc::clone(&self.health.metrics);
        let network = Network::new(self.client.clone(), self.settings.verification.route);
        let (verifier, news) = Verifier::new(network, &self.settings.verification, Arc::clone(&metrics));
        let verifier = Arc::new(verifier);
        let verifying = Arc::clone(&verifier);
        let context = Arc::new(Context::new(self.client.clone(), metrics, self.platform.clone(), verifier));
        let ready = Arc::clone(&context);
        self.health.add_check(move || ready.is_synced());
        let controller = self.watch_servers(&context);
        let controller = self.watch_children(controller, &context);
        let controller = self.watch_pods(controller, &context);
        let controller = self.watch_secrets(controller, &context);
        let controller =
            controller.reconcile_on(news.map(|(namespace, name)| ServerRef::new(&name).within(&namespace)));
        let stopping = shutdown.clone();
        let reconciling = controller
            .with_config(controller::Config::default().concurrency(self.settings.concurrency))
            .graceful_shutdown_on(shutdown)
            .run(reconcile::reconcile, reconcile::on_error, context)
            .for_each(|result| async move {
                if let Err(controller::Error::QueueError(error)) = result {
                    tracing::warn!("a watch broke and is started again: {error}");
                }
            });
        futures::join!(reconciling, verifying.run(stopping));
        Ok(())
    }

    /// The servers themselves. Changes of the status alone, which are our own, trigger nothing.
    fn watch_servers(&self, context: &Arc<Context>) -> Servers {
        let (reader, writer) = reflector::store();
        let context = Arc::clone(context);
        let changes = watcher(self.api(), watcher::Config::default())
            .default_backoff()
            .modify(|server: &mut DeserializeGuard<MCPServer>| server.managed_fields_mut().clear())
            .reflect(writer)
            .inspect(move |event| {
                if let Ok(watcher::Event::Delete(server)) = event {
                    context.forget(server);
                }
            })
            .applied_objects()
            .predicate_filter(predicates::generation, PredicateConfig::default());
        Controller::for_stream(changes, reader)
    }

    fn watch_children(&self, controller: Servers, context: &Arc<Context>) -> Servers {
        /// Collects what adds the watch of each kind to a controller.
        struct Watch<'a>(&'a Scope, &'a Arc<Context>, Vec<Box<dyn FnOnce(Servers) -> Servers>>);
        impl Make<Nothing> for Watch<'_> {
            fn make<K: Child>(&mut self) {
                if !K::is_watched(&self.0.platform) {
                    return;
                }
                let (context, of) = (Arc::clone(self.1), Arc::clone(self.1));
                let config = if K::REFERRED_TO_AS.is_some() { everything() } else { self.0.managed::<K>() };
                let changes = self.0.changes::<K>(&config, K::trim, move |event| {
                    K::of(&*context.applier.caches).observe(event);
                    context.references.observe(event);
                });
                let concerned = move |child: K| {
                    let referrers = K::REFERRED_TO_AS.map(|source| referrers(&of, source, &child));
                    server_of(&child).into_iter().chain(referrers.into_iter().flatten())
                };
                self.2.push(Box::new(move |controller| controller.watches_stream(changes, concerned)));
            }
        }
        let mut watch = Watch(self, context, Vec::new());
        Children::<Nothing>::from_each(&mut watch);
        watch.2.into_iter().fold(controller, |controller, add| add(controller))
    }

    /// Pods are nobody's wish, but they know why a server does not come up.
    fn watch_pods(&self, controller: Servers, context: &Arc<Context>) -> Servers {
        let pods = Arc::clone(&context.pods);
        let changes = self.changes(&self.managed::<PodView>(), |_| (), move |event| pods.observe(event));
        controller.watches_stream(changes, |pod: PodView| {
            let (namespace, server) = NamespaceResourceScope::server_of(&pod)?;
            Some(ServerRef::new(&server).within(&namespace))
        })
    }

    /// What specs refer to and no server is made of.
    fn watch_secrets(&self, controller: Servers, context: &Arc<Context>) -> Servers {
        if !self.settings.watch_secrets {
            return controller;
        }
        let cache = Arc::clone(context);
        // Helm keeps its releases in Secrets: large, many, and never referred to.
        let config = everything().fields("type!=helm.sh/release.v1");
        let changes = self.changes(
            &config,
            |_| (),
            move |event| {
                if let Some(secrets) = &cache.references.secrets {
                    secrets.observe(event);
                }
            },
        );
        let of = Arc::clone(context);
        controller.watches_stream(changes, move |it: references::SecretKeys| referrers(&of, Source::Secret, &it))
    }

    /// Changes of a kind, each noted in a cache before it triggers anything.
    fn changes<K>(
        &self,
        config: &watcher::Config,
        trim: fn(&mut K),
        note: impl Fn(&watcher::Event<K>) + Send + 'static,
    ) -> impl Stream<Item = watcher::Result<K>> + Send + 'static
    where
        K: Resource<DynamicType = (), Scope: Reach> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let metrics = Arc::clone(&self.health.metrics);
        watcher(self.api::<K>(), config.clone())
            .default_backoff()
            .modify(move |object| {
                object.managed_fields_mut().clear();
                trim(object);
            })
            .inspect(move |event| match event {
                Ok(event) => note(event),
                Err(_) => metrics.watch_error(&K::kind(&())),
            })
            .touched_objects()
    }

    fn api<K: Resource<DynamicType = (), Scope: Reach>>(&self) -> Api<K> {
        K::Scope::api(self.client.clone(), self.namespace.as_deref())
    }

    /// Only what carries our label: the rest of the cluster costs nothing.
    fn managed<K: Resource<DynamicType = (), Scope: Reach>>(&self) -> watcher::Config {
        let ours = format!("{}={}", labels::MANAGED_BY, labels::LANDFALL);
        match &self.namespace {
            Some(namespace) if K::Scope::IS_CLUSTER_WIDE => {
                everything().labels(&format!("{ours},{}={namespace}", labels::NAMESPACE))
            }
            _ => everything().labels(&ours),
        }
    }
}

/// The server that a child belongs to: its owner, or for one without, whom it names.
fn server_of<K: Child>(child: &K) -> Option<ServerRef> {
    let (namespace, name) = match owner(child) {
        Some(owner) => (child.namespace()?, owner.name.clone()),
        None => K::Scope::server_of(child).filter(|_| K::IS_WITHOUT_OWNER)?,
    };
    let is_server = owner(child).is_none_or(|owner| owner.kind == MCPServer::kind(&()));
    is_server.then(|| ServerRef::new(&name).within(&namespace))
}

fn referrers<K: Resource>(context: &Context, source: Source, object: &K) -> Vec<ServerRef> {
    let namespace = object.namespace().unwrap_or_default();
    let names = context.references.referrers(source, object.meta());
    names.iter().map(|name| ServerRef::new(name).within(&namespace)).collect()
}

/// Lists come in pages, so that a large cluster's first list is never in memory as a whole.
fn everything() -> watcher::Config {
    watcher::Config::default().page_size(500)
}

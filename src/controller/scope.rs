//! One namespace that is served, or all of them: which watches there are, and what triggers a pass.
//!
//! Every kind of child is watched as a whole and not by its metadata alone: the copies in the caches are
//! what a wish is compared with, so that neither a pass nor a restart has to read anything.

use futures::future::ready;
use futures::stream::{iter, unfold};
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::Api;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;
use kube::runtime::{Controller, Predicate, PredicateConfig, WatchStreamExt, controller, predicates};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use tokio::sync::Notify;

use super::Shutdown;
use super::context::Context;
use super::front::{Classes, FrontCache};
use super::gateway_api::Presence;
use super::health::Health;
use super::losses::Losses;
use super::references::{self, Target};
use super::routes;
use super::selection::{Selection, everything, paged};
use super::stored::StoredServer;
use super::turns::Turns;
use super::{finalizer, reconcile};
use crate::api::MCPServer;
use crate::cache::{Cache, Whole, owner};
use crate::children::{Child, Children, Make, Nothing};
use crate::labels;
use crate::lean::Lean;
use crate::observe::PodView;
use crate::reach::Reach;
use crate::references::{ObjectName, Source};
use crate::settings::{Platform, Settings};
use crate::verification::{Network, Verifier};

type Servers = Controller<StoredServer>;
pub(super) type ServerRef = ObjectRef<StoredServer>;

/// Passes that may ask for a turn while every worker is busy: that takes no time.
const ASKING: u16 = 4;

/// One namespace that is served, or all of them.
pub(super) struct Scope {
    pub client: Client,
    pub conversations: Client,
    pub namespace: Option<String>,
    pub settings: Settings,
    pub platform: Platform,
    pub health: Arc<Health>,
    pub gateway_api: Presence,
    /// Something went away unseen.
    pub lost: Arc<Notify>,
}

impl Scope {
    pub(super) async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let metrics = Arc::clone(&self.health.metrics);
        let network = Network::new(self.client.clone(), &self.conversations, self.settings.verification.route);
        let (verifier, news) = Verifier::new(network, &self.settings.verification, Arc::clone(&metrics));
        let verifier = Arc::new(verifier);
        let verifying = Arc::clone(&verifier);
        let front = FrontCache::new(self.platform.clone(), self.settings.watches_classes(), self.gateway_api.clone());
        let (turns, called) = Turns::new(self.settings.concurrency);
        let context = Context::new(self.client.clone(), metrics, self.platform.clone(), verifier, front, turns);
        let context = Arc::new(context);
        let checked = Arc::clone(&context);
        self.health.add_check(move || checked.is_synced());
        let controller = self.watch_servers(&context);
        let controller = self.watch_children(controller, &context);
        let controller = self.watch_pods(controller, &context);
        let controller = self.watch_secrets(controller, &context);
        let controller = self.watch_front(controller, &context);
        // Whose it was is not known any more. It is rare, and a pass that finds nothing to do costs no request.
        let losses = unfold(Arc::clone(&self.lost), |lost| async move {
            lost.notified().await;
            Some(((), lost))
        });
        let controller = controller.reconcile_all_on(losses);
        let controller = controller.reconcile_on(news.map(|name| reference(&name)));
        let controller = controller.reconcile_on(called);
        let stopping = shutdown.clone();
        let reconciling = controller
            .with_config(controller::Config::default().concurrency(self.settings.concurrency.saturating_add(ASKING)))
            .graceful_shutdown_on(shutdown.clone())
            .run(reconcile::reconcile, reconcile::on_error, Arc::clone(&context))
            .for_each_concurrent(None, |result| {
                let (context, stopping) = (Arc::clone(&context), shutdown.clone());
                async move {
                    let Err(controller::Error::ObjectNotFound(server)) = result else { return };
                    let name = (server.namespace.unwrap_or_default(), server.name);
                    context.turns.miss(&reference(&name));
                    tokio::select! {
                        () = finalizer::clean_up_after(&name.0, &name.1, &context) => {}
                        () = stopping => {}
                    }
                }
            });
        futures::join!(reconciling, verifying.run(stopping));
        Ok(())
    }

    /// The servers themselves. The statuses that this process writes trigger nothing.
    fn watch_servers(&self, context: &Arc<Context>) -> Servers {
        let (reader, writer) = reflector::store();
        let (context, told, known) = (Arc::clone(context), Arc::clone(context), reader.clone());
        let mut before = HashMap::new();
        let changes = Selection::from(paged())
            .of(self.settings.shard)
            .watch::<StoredServer>(self.api())
            .reflect(writer)
            .inspect(move |event| match event {
                Ok(watcher::Event::Delete(server)) => context.forget(server),
                // Those whose end was not seen.
                Ok(watcher::Event::Init) => before = known.state().into_iter().map(|it| (name_of(&*it), it)).collect(),
                Ok(watcher::Event::InitApply(server)) => {
                    if let Some(old) = before.remove(&name_of(server)).filter(|old| old.uid() != server.uid()) {
                        context.forget(&*old);
                    }
                }
                Ok(watcher::Event::InitDone) => before.drain().for_each(|(_, old)| context.forget(&*old)),
                _ => {}
            })
            .applied_objects()
            .predicate_filter(predicates::generation.combine(StoredServer::said), PredicateConfig::default())
            .filter(move |server| ready(!server.as_ref().is_ok_and(|it| told.reporter.has_told(it))));
        Controller::for_stream(without_failures(changes), reader)
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
                let concerns_others = K::REFERRED_TO_AS.is_some() || K::IS_ROUTE;
                let selection = if concerns_others { everything() } else { self.0.managed::<K>() };
                // Hosts are the whole cluster's.
                let selection = selection.of(self.0.settings.shard.filter(|_| !K::IS_ROUTE));
                let presence = self.0.gateway_api.clone();
                let known = async move {
                    if K::MAY_BE_UNKNOWN {
                        presence.served().await;
                    }
                };
                let changes = self.0.changes::<K>(self.0.api(), selection, K::trim, move |event| {
                    K::of(&*context.applier.caches).observe(event);
                    context.references.observe(event);
                });
                let changes = known.map(|()| changes).flatten_stream();
                let concerned = move |child: K| {
                    let is_echo = K::of(&*of.applier.caches).is_echo(&child);
                    let own = server_of(&child).filter(|_| !is_echo);
                    let concerned = own.into_iter().chain(concerned_by(&of, &targets_of(&child)));
                    concerned.filter(|it| !of.turns.awaits(it)).collect::<Vec<_>>()
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
        let (pods, turns) = (Arc::clone(&context.pods), Arc::clone(&context.turns));
        let selection = self.managed::<PodView>().of(self.settings.shard);
        let changes = self.changes(self.api(), selection, |_| (), move |event| pods.observe(event));
        controller.watches_stream(changes, move |pod: PodView| {
            let server = NamespaceResourceScope::server_of(&pod)?;
            Some(reference(&server)).filter(|it| !turns.awaits(it))
        })
    }

    /// What specs refer to and no server is made of.
    fn watch_secrets(&self, controller: Servers, context: &Arc<Context>) -> Servers {
        if !self.settings.watch_secrets {
            return controller;
        }
        let cache = Arc::clone(context);
        // Helm keeps its releases in Secrets: large, many, and never referred to.
        let selection = Selection::from(paged().fields("type!=helm.sh/release.v1")).of(self.settings.shard);
        let changes = self.changes(
            self.api(),
            selection,
            |_| (),
            move |event| {
                if let Some(secrets) = &cache.references.secrets {
                    secrets.observe(event);
                }
            },
        );
        let of = Arc::clone(context);
        controller.watches_stream(changes, move |it: references::SecretKeys| {
            concerned_by(&of, &[Target::Object(Source::Secret, name_of(&it))])
        })
    }

    /// What ways in are made with.
    fn watch_front(&self, controller: Servers, context: &Arc<Context>) -> Servers {
        let of = Arc::clone(context);
        let found = self.gateway_api.changes().flat_map(move |()| iter(concerned_by(&of, &[Target::GatewayApi])));
        let controller = controller.reconcile_on(found);
        if context.references.front.classes.is_none() {
            return controller;
        }
        let controller =
            self.watch_class(controller, context, |it| &it.of_ingresses, |_| Target::IngressClass, ready(()));
        let served = || self.gateway_api.clone().served();
        let controller =
            self.watch_class(controller, context, |it| &it.of_gateways, |_| Target::GatewayClass, served());
        self.watch_class(controller, context, |it| &it.gateways, |it| Target::Gateway(name_of(it)), served())
    }

    /// One kind of it, once the API server knows it.
    fn watch_class<K>(
        &self,
        controller: Servers,
        context: &Arc<Context>,
        cache: fn(&Classes) -> &Cache<K, Whole<K>>,
        target: fn(&K) -> Target,
        known: impl Future<Output = ()> + Send + 'static,
    ) -> Servers
    where
        K: Resource<DynamicType = (), Scope: Reach>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let (noting, of) = (Arc::clone(context), Arc::clone(context));
        let note = move |event: &watcher::Event<K>| {
            if let Some(classes) = &noting.references.front.classes {
                cache(classes).observe(event);
            }
        };
        let api = K::Scope::api(self.client.clone(), None);
        let changes = self.changes(api, everything(), |_| (), note);
        // A gateway counts its routes in its status: that alone concerns nobody. One that is gone has
        // no content, whatever was seen of it last.
        let (there, mut seen) = (Arc::clone(context), HashMap::new());
        let is_there = move |it: &K| {
            let cache = there.references.front.classes.as_ref().map(cache);
            cache.is_some_and(|cache| cache.has(it))
        };
        let changes = changes.filter(move |change| {
            let is_news = change.as_ref().map_or(true, |it| {
                let now = is_there(it).then(|| content(it));
                seen.insert(name_of(it), now) != Some(now)
            });
            ready(is_news)
        });
        let changes = known.map(|()| changes).flatten_stream();
        controller.watches_stream(changes, move |it: K| concerned_by(&of, &[target(&it)]))
    }

    /// Changes of a kind, each noted in a cache before it triggers anything.
    fn changes<K>(
        &self,
        api: Api<Lean<K>>,
        selection: Selection,
        trim: fn(&mut K),
        note: impl Fn(&watcher::Event<K>) + Send + 'static,
    ) -> impl Stream<Item = watcher::Result<K>> + Send + 'static
    where
        K: Resource<DynamicType = (), Scope: Reach> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let metrics = Arc::clone(&self.health.metrics);
        let (lost, mut losses) = (Arc::clone(&self.lost), Losses::default());
        let changes = selection
            .watch(api)
            .modify(trim)
            .inspect(move |event| match event {
                Ok(event) => {
                    note(event);
                    if losses.observe(event) {
                        lost.notify_one();
                    }
                }
                Err(_) => metrics.watch_error(&K::kind(&())),
            })
            .touched_objects();
        without_failures(changes)
    }

    fn api<K: Resource<DynamicType = (), Scope: Reach>>(&self) -> Api<K> {
        K::Scope::api(self.client.clone(), self.namespace.as_deref())
    }

    /// Only what carries our label: the rest of the cluster costs nothing.
    fn managed<K: Resource<DynamicType = (), Scope: Reach>>(&self) -> Selection {
        let ours = format!("{}={}", labels::MANAGED_BY, labels::LANDFALL);
        let labels = match &self.namespace {
            Some(namespace) if K::Scope::IS_CLUSTER_WIDE => format!("{ours},{}={namespace}", labels::NAMESPACE),
            _ => ours,
        };
        paged().labels(&labels).into()
    }
}

/// Each watch waits by itself before it begins again. In the queue, which all share, one that fails would
/// hold up all the others, ever longer: for minutes where all fail at once, as when the API server comes
/// back without the history that they ask for.
fn without_failures<K: Send + 'static>(
    changes: impl Stream<Item = watcher::Result<K>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<K>> + Send + 'static {
    changes.filter(|change| {
        if let Err(error) = change {
            tracing::warn!("a watch broke and is started again: {error}");
        }
        ready(change.is_ok())
    })
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

/// What a child is to others than its own server.
fn targets_of<K: Child>(child: &K) -> Vec<Target> {
    let referred = K::REFERRED_TO_AS.map(|source| Target::Object(source, name_of(child)));
    let hosts = child.route().into_iter().flat_map(|it| it.hosts).map(Target::Host);
    let route = K::IS_ROUTE.then(|| Target::Route(routes::key(child)));
    referred.into_iter().chain(hosts).chain(route).collect()
}

/// The servers that a change of any of these concerns.
fn concerned_by(context: &Context, targets: &[Target]) -> Vec<ServerRef> {
    targets.iter().flat_map(|it| context.references.referrers(it)).map(|it| reference(&it)).collect()
}

fn reference((namespace, name): &ObjectName) -> ServerRef {
    ServerRef::new(name).within(namespace)
}

fn name_of(object: &impl Resource) -> ObjectName {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Changes with what is read here of an object, apart from its version.
fn content<K: Resource + Serialize + Clone>(object: &K) -> u64 {
    let mut object = object.clone();
    object.meta_mut().resource_version = None;
    BuildHasherDefault::<DefaultHasher>::new().hash_one(serde_json::to_string(&object).unwrap_or_default())
}

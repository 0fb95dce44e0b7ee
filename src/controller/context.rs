//! What every pass needs.

use k8s_openapi::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::front::FrontCache;
use super::references::ReferenceCache;
use super::report::Reporter;
use super::scope::ServerRef;
use super::stored::StoredServer;
use super::turns::{Line, Turn, Turns};
use crate::api::MCPServer;
use crate::apply::{Applier, NewCaches};
use crate::cache::{Cache, group_of_server};
use crate::children::{Child, Children, Make, Nothing};
use crate::metrics::Metrics;
use crate::observe::PodView;
use crate::reach::Reach;
use crate::settings::Platform;
use crate::verification::Verifier;

/// What every pass needs.
pub(super) struct Context {
    pub(super) applier: Applier,
    pub(super) pods: Arc<Cache<PodView>>,
    pub(super) references: ReferenceCache,
    pub(super) reporter: Reporter,
    pub(super) backoff: Backoff,
    pub(super) verifier: Arc<Verifier>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) platform: Platform,
    pub(super) client: Client,
    pub(super) turns: Arc<Turns>,
    /// Until when the report of a server is put off, by uid.
    put_off: Mutex<HashMap<String, Instant>>,
}

impl Context {
    pub(super) fn new(
        client: Client,
        metrics: Arc<Metrics>,
        platform: Platform,
        verifier: Arc<Verifier>,
        front: FrontCache,
        turns: Arc<Turns>,
    ) -> Self {
        let caches = Arc::new(Children::from_each(&mut NewCaches));
        Self {
            applier: Applier {
                client: client.clone(),
                caches: Arc::clone(&caches),
                metrics: Arc::clone(&metrics),
                made: Arc::default(),
            },
            pods: Arc::new(Cache::new(pod_group)),
            references: ReferenceCache::new(platform.watch_secrets, front, caches),
            reporter: Reporter::new(client.clone(), Arc::clone(&metrics)),
            backoff: Backoff::default(),
            verifier,
            metrics,
            platform,
            client,
            turns,
            put_off: Mutex::default(),
        }
    }

    /// Whether every watch has shown its first list: before, an object that is not cached may well
    /// exist.
    pub(super) fn is_synced(&self) -> bool {
        struct Synced<'a>(&'a Context, bool);
        impl Make<Nothing> for Synced<'_> {
            fn make<K: Child>(&mut self) {
                let is_known = !K::MAY_BE_UNKNOWN || self.0.references.front.presence.is_served();
                let is_watched = is_known && K::is_watched(&self.0.platform);
                self.1 &= K::of(&*self.0.applier.caches).is_synced() || !is_watched;
            }
        }
        let mut children = Synced(self, true);
        Children::<Nothing>::from_each(&mut children);
        children.1 && self.pods.is_synced() && self.references.is_synced()
    }

    /// A worker for a pass over `server`; if there is none, the pass is called when it is its turn.
    pub(super) fn turn(&self, server: &StoredServer) -> Option<Turn> {
        let is_known = self.applier.has_any_of(&server.uid().unwrap_or_default());
        self.turns.take(ServerRef::from_obj(server), if is_known { Line::Known } else { Line::Newcomers })
    }

    pub(super) fn pods_of(&self, server: &MCPServer) -> Vec<Arc<PodView>> {
        self.pods.group(&group_of_server(&server.namespace().unwrap_or_default(), &server.name_any()))
    }

    /// How much of `patience` is left before a report has to be made.
    pub(super) fn put_off(&self, server: &MCPServer, patience: Duration) -> Option<Duration> {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let until = put_off.entry(server.uid().unwrap_or_default()).or_insert_with(|| Instant::now() + patience);
        until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }

    /// A report was made: the next one has its own patience.
    pub(super) fn reported(&self, uid: &str) {
        self.put_off.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Forgets a server that is gone.
    pub(super) fn forget(&self, server: &impl Resource) {
        let uid = server.meta().uid.clone().unwrap_or_default();
        self.backoff.clear(&uid);
        self.reporter.forget(&uid);
        self.verifier.forget(&uid);
        self.metrics.readiness(&uid, None);
        self.references.forget(server);
        self.reported(&uid);
    }
}

/// Namespace and server that a pod belongs to. Its owner is a `ReplicaSet`, which says less.
fn pod_group(pod: &PodView) -> Option<String> {
    let (namespace, server) = NamespaceResourceScope::server_of(pod)?;
    Some(group_of_server(&namespace, &server))
}

//! Caches of the Secrets and `ConfigMaps` that specs refer to, and who refers to them.
//!
//! Values are turned into digests while they are read from the wire and never kept.

use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec, Secret};
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::front::FrontCache;
use super::routes::RouteKey;
use crate::api::MCPServer;
use crate::apply::Caches;
use crate::build::REFERENCES_HASH;
use crate::cache::{Cache, Whole};
use crate::children::{Child, Children};
use crate::digest::{self, Digest};
use crate::references::{Found, Known, ObjectName, References, Running, Source};

/// A child kind's object that specs may refer to, with digests in place of values.
#[derive(Resource, Clone, Debug)]
#[resource(inherit = ConfigMap)]
pub(super) struct ConfigMapKeys {
    metadata: ObjectMeta,
    data: BTreeMap<String, Digest>,
}

/// A Secret, with digests in place of values.
#[derive(Resource, Deserialize, Clone, Debug)]
#[resource(inherit = Secret)]
pub(super) struct SecretKeys {
    pub(super) metadata: ObjectMeta,
    #[serde(default, deserialize_with = "digests")]
    data: BTreeMap<String, Digest>,
}

/// What exists, and who refers to it.
pub(super) struct ReferenceCache {
    config_maps: Cache<ConfigMapKeys, Whole<ConfigMapKeys>>,
    /// `None` where the operator may not watch Secrets.
    pub(super) secrets: Option<Cache<SecretKeys, Whole<SecretKeys>>>,
    pub(super) front: FrontCache,
    /// Namespace and name of the servers that something concerns.
    referrers: Mutex<HashMap<Target, HashSet<ObjectName>>>,
    children: Arc<Children<Caches>>,
}

/// Something whose change concerns servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// An object that specs refer to.
    Object(Source, ObjectName),
    /// Any route that has this host.
    Host(String),
    /// A route that has the host of a server.
    Route(RouteKey),
    Gateway(ObjectName),
    /// Any of these, which are few and change rarely.
    IngressClass,
    GatewayClass,
    /// That the cluster has it.
    GatewayApi,
}

impl ReferenceCache {
    pub(super) fn new(watch_secrets: bool, front: FrontCache, children: Arc<Children<Caches>>) -> Self {
        Self {
            front,
            config_maps: Cache::new(ResourceExt::namespace),
            secrets: watch_secrets.then(|| Cache::new(ResourceExt::namespace)),
            referrers: Mutex::default(),
            children,
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        let has_secrets = self.secrets.as_ref().is_none_or(Cache::is_synced);
        self.config_maps.is_synced() && has_secrets && self.front.is_synced()
    }

    /// Takes in what the watch of a child kind shows, if specs can refer to that kind, or meet others
    /// of it at a host.
    pub(super) fn observe<K: Child>(&self, event: &Event<K>) {
        if K::IS_ROUTE {
            self.front.routes.observe(event);
        }
        if K::REFERRED_TO_AS != Some(Source::ConfigMap) {
            return;
        }
        let keys = |it: &K| ConfigMapKeys { metadata: it.meta().clone(), data: it.digests() };
        self.config_maps.observe(&match event {
            Event::Apply(it) => Event::Apply(keys(it)),
            Event::Delete(it) => Event::Delete(keys(it)),
            Event::Init => Event::Init,
            Event::InitApply(it) => Event::InitApply(keys(it)),
            Event::InitDone => Event::InitDone,
        });
    }

    /// What exists of all that `server` refers to; it is remembered as a referrer.
    pub(super) fn gather(&self, server: &MCPServer) -> References {
        let namespace = server.namespace().unwrap_or_default();
        let look_up = |source: Source, name: &str| match source {
            Source::ConfigMap => found(self.config_maps.get(&namespace, name).map(|it| it.data.clone())),
            Source::Secret => self
                .secrets
                .as_ref()
                .map_or(Found::Unknown, |secrets| found(secrets.get(&namespace, name).map(|it| it.data.clone()))),
        };
        let has_certificate = |secret: &str| match look_up(Source::Secret, secret) {
            Found::Unknown => Known::Unwatched,
            Found::Present(keys) if keys.contains_key(CERTIFICATE) => Known::There(()),
            Found::Present(_) | Found::Absent => Known::Absent,
        };
        let (front, targets) = self.front.gather(server, has_certificate);
        let references = References::gather(&server.spec, look_up);
        let objects = references.wanted().iter();
        let objects = objects.map(|it| Target::Object(it.source, (namespace.clone(), it.name.clone())));
        self.remember(server, objects.chain(targets));
        let workloads = self.workloads(server, &references);
        references.with_workloads(workloads).with_front(front)
    }

    /// The workloads of a server whose spec has something that they may lack or wait for.
    fn workloads(&self, server: &MCPServer, references: &References) -> BTreeMap<String, Running> {
        if references.wanted().is_empty() && server.spec.dependencies.is_empty() {
            return BTreeMap::new();
        }
        let uid = server.uid().unwrap_or_default();
        let deployments = self.children.deployments.group(&uid).into_iter().map(|it| {
            let ready = it.status.as_ref().and_then(|it| it.ready_replicas);
            (it.name_any(), running(it.spec.as_ref().map(|it| &it.template), ready))
        });
        let stateful_sets = self.children.stateful_sets.group(&uid).into_iter().map(|it| {
            let ready = it.status.as_ref().and_then(|it| it.ready_replicas);
            (it.name_any(), running(it.spec.as_ref().map(|it| &it.template), ready))
        });
        deployments.chain(stateful_sets).collect()
    }

    /// Namespace and name of the servers that something concerns.
    pub(super) fn referrers(&self, target: &Target) -> Vec<ObjectName> {
        let referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        referrers.get(target).map(|it| it.iter().cloned().collect()).unwrap_or_default()
    }

    /// Forgets a server that is gone.
    pub(super) fn forget(&self, server: &impl Resource) {
        let name = (server.namespace().unwrap_or_default(), server.name_any());
        self.front.presence.want(&server.uid().unwrap_or_default(), false);
        let mut referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        referrers.retain(|_, names| {
            names.remove(&name);
            !names.is_empty()
        });
    }

    /// A reference that the spec no longer has stays until the server is gone: it costs one
    /// needless look at the server, where taking it out would cost a search at each reconcile.
    fn remember(&self, server: &MCPServer, targets: impl Iterator<Item = Target>) {
        let name = (server.namespace().unwrap_or_default(), server.name_any());
        let mut referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        for target in targets {
            referrers.entry(target).or_default().insert(name.clone());
        }
    }
}

/// Key of a certificate in a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";

fn running(pods: Option<&PodTemplateSpec>, ready: Option<i32>) -> Running {
    let annotations = pods.and_then(|it| it.metadata.as_ref()?.annotations.as_ref());
    let hash = annotations.and_then(|it| it.get(REFERENCES_HASH)).cloned();
    Running { hash, is_ready: ready.is_some_and(|it| it > 0) }
}

fn found(keys: Option<BTreeMap<String, Digest>>) -> Found {
    keys.map_or(Found::Absent, Found::Present)
}

/// Reads a map of texts, keeping a digest of each.
fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Digest>, D::Error> {
    struct Digests;
    impl<'de> Visitor<'de> for Digests {
        type Value = BTreeMap<String, Digest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of texts")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut digests = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<String, String>()? {
                digests.insert(key, digest::of(value.as_bytes()).finish());
            }
            Ok(digests)
        }
    }
    deserializer.deserialize_any(Digests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::NewCaches;
    use crate::controller::gateway_api::Presence;
    use crate::references::GatewayApi;
    use crate::settings::Platform;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn cache(watch_secrets: bool) -> ReferenceCache {
        let front = FrontCache::new(Platform::default(), false, Presence::for_test(GatewayApi::Absent));
        ReferenceCache::new(watch_secrets, front, Arc::new(Children::from_each(&mut NewCaches)))
    }

    fn of(source: Source) -> Target {
        Target::Object(source, ("team".into(), "keys".into()))
    }

    fn server() -> MCPServer {
        serde_json::from_value(json!({
            "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer",
            "metadata": {"name": "it", "namespace": "team"},
            "spec": {"image": "x", "port": 80, "envFrom": [{"secretRef": {"name": "keys"}}]},
        }))
        .expect("a valid server")
    }

    fn secret() -> SecretKeys {
        serde_json::from_value(
            json!({"metadata": {"name": "keys", "namespace": "team"}, "data": {"token": "aHVudGVyMg=="}}),
        )
        .expect("a valid Secret")
    }

    #[test]
    fn no_value_of_a_secret_is_kept() {
        let text = format!("{:?}", secret());
        assert!(text.contains("token") && !text.contains("aHVudGVyMg"), "{text}");
    }

    #[test]
    fn a_referrer_is_known_until_it_is_gone() {
        let cache = cache(true);
        assert_eq!(cache.gather(&server()).missing().len(), 1);
        assert_eq!(cache.referrers(&of(Source::Secret)), [("team".to_owned(), "it".to_owned())]);
        assert!(cache.referrers(&of(Source::ConfigMap)).is_empty());
        cache.secrets.as_ref().expect("watched").observe(&Event::Apply(secret()));
        assert!(cache.gather(&server()).missing().is_empty());
        cache.forget(&server());
        assert!(cache.referrers(&of(Source::Secret)).is_empty());
    }

    #[test]
    fn what_may_not_be_watched_is_unknown() {
        assert!(cache(false).gather(&server()).missing().is_empty());
    }
}

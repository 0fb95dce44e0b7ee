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

use crate::api::MCPServer;
use crate::apply::Caches;
use crate::build::REFERENCES_HASH;
use crate::cache::Cache;
use crate::children::{Child, Children};
use crate::digest::{self, Digest};
use crate::references::{Found, References, Running, Source};

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
    config_maps: Cache<ConfigMapKeys>,
    /// `None` where the operator may not watch Secrets.
    pub(super) secrets: Option<Cache<SecretKeys>>,
    referrers: Mutex<HashMap<Target, HashSet<String>>>,
    children: Arc<Children<Caches>>,
}

/// Kind, namespace and name.
type Target = (Source, String, String);

impl ReferenceCache {
    pub(super) fn new(watch_secrets: bool, children: Arc<Children<Caches>>) -> Self {
        Self {
            config_maps: Cache::new(ResourceExt::namespace),
            secrets: watch_secrets.then(|| Cache::new(ResourceExt::namespace)),
            referrers: Mutex::default(),
            children,
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        self.config_maps.is_synced() && self.secrets.as_ref().is_none_or(Cache::is_synced)
    }

    /// Takes in what the watch of a child kind shows, if specs can refer to that kind.
    pub(super) fn observe<K: Child>(&self, event: &Event<K>) {
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
        let references = References::gather(&server.spec, look_up).with_workloads(self.workloads(server));
        self.remember(&namespace, server, &references);
        references
    }

    /// The workloads that the server has.
    fn workloads(&self, server: &MCPServer) -> BTreeMap<String, Running> {
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

    /// Names of the servers that refer to an object.
    pub(super) fn referrers(&self, source: Source, object: &ObjectMeta) -> Vec<String> {
        let target = (source, object.namespace.clone().unwrap_or_default(), object.name.clone().unwrap_or_default());
        let referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        referrers.get(&target).map(|it| it.iter().cloned().collect()).unwrap_or_default()
    }

    /// Forgets a server that is gone.
    pub(super) fn forget(&self, namespace: &str, server: &str) {
        let mut referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        referrers.retain(|(_, of, _), names| {
            if of == namespace {
                names.remove(server);
            }
            !names.is_empty()
        });
    }

    /// A reference that the spec no longer has stays until the server is gone: it costs one
    /// needless look at the server, where taking it out would cost a search at each reconcile.
    fn remember(&self, namespace: &str, server: &MCPServer, references: &References) {
        let name = server.name_any();
        let mut referrers = self.referrers.lock().unwrap_or_else(PoisonError::into_inner);
        for it in references.wanted() {
            referrers.entry((it.source, namespace.to_owned(), it.name.clone())).or_default().insert(name.clone());
        }
    }
}

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
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn children() -> Arc<Children<Caches>> {
        Arc::new(Children::from_each(&mut NewCaches))
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
        let cache = ReferenceCache::new(true, children());
        assert_eq!(cache.gather(&server()).missing().len(), 1);
        assert_eq!(cache.referrers(Source::Secret, &secret().metadata), ["it"]);
        assert!(cache.referrers(Source::ConfigMap, &secret().metadata).is_empty());
        cache.secrets.as_ref().expect("watched").observe(&Event::Apply(secret()));
        assert!(cache.gather(&server()).missing().is_empty());
        cache.forget("team", "it");
        assert!(cache.referrers(Source::Secret, &secret().metadata).is_empty());
    }

    #[test]
    fn what_may_not_be_watched_is_unknown() {
        assert!(ReferenceCache::new(false, children()).gather(&server()).missing().is_empty());
    }
}

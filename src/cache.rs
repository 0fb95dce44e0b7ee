//! What a watch has shown, and what this process wrote since: reads of the API server's state that
//! cost no request and never fall behind the operator's own writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Objects of one kind, in groups: those of one owner, or of one namespace.
#[derive(Debug)]
pub struct Cache<K> {
    group_of: fn(&K) -> Option<String>,
    state: RwLock<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    groups: HashMap<String, BTreeMap<String, Arc<K>>>,
    /// Where each object is, since a change of its labels or owner can move it.
    places: HashMap<Key, String>,
    /// What a running list has shown so far.
    listed: HashSet<Key>,
    /// The newest version that the watch has shown.
    shown: u64,
    synced: bool,
}

type Key = (String, String);

impl<K: Resource + Clone> Cache<K> {
    /// An empty cache; `group_of` gives an object's group, or `None` for one that is of no use.
    pub fn new(group_of: fn(&K) -> Option<String>) -> Self {
        let (groups, places, listed) = (HashMap::new(), HashMap::new(), HashSet::new());
        let state = State { groups, places, listed, shown: 0, synced: false };
        Self { group_of, state: RwLock::new(state) }
    }

    /// Takes in what the watch shows.
    pub fn observe(&self, event: &watcher::Event<K>) {
        let mut state = self.write();
        if let watcher::Event::InitApply(it) | watcher::Event::Apply(it) | watcher::Event::Delete(it) = event {
            state.shown = state.shown.max(version(it).unwrap_or_default());
        }
        match event {
            watcher::Event::Init => state.listed.clear(),
            watcher::Event::InitApply(object) => {
                state.listed.insert(key(object));
                self.insert(&mut state, Arc::new(object.clone()));
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut state.listed);
                let gone: Vec<_> = state.places.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                for key in &gone {
                    state.remove(key);
                }
                state.synced = true;
            }
            watcher::Event::Apply(object) => self.insert(&mut state, Arc::new(object.clone())),
            watcher::Event::Delete(object) => {
                if !state.is_newer_than(object) {
                    state.remove(&key(object));
                }
            }
        }
    }

    /// Takes in an object that the API server returned for a write of ours, which the watch may not
    /// have shown yet. If it has, it may have shown by now that the object is gone, and would not do so
    /// again.
    pub fn wrote(&self, object: Arc<K>) {
        let mut state = self.write();
        if version(&*object).is_none_or(|it| it > state.shown) {
            self.insert(&mut state, object);
        }
    }

    /// One object.
    pub fn get(&self, group: &str, name: &str) -> Option<Arc<K>> {
        self.read().groups.get(group)?.get(name).cloned()
    }

    /// Whether an object is cached, in whatever state.
    pub fn has(&self, object: &K) -> bool {
        self.read().places.contains_key(&key(object))
    }

    /// All objects of a group, by name.
    pub fn group(&self, group: &str) -> Vec<Arc<K>> {
        self.read().groups.get(group).map(|group| group.values().cloned().collect()).unwrap_or_default()
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        self.read().synced
    }

    fn insert(&self, state: &mut State<K>, object: Arc<K>) {
        if state.is_newer_than(&object) {
            return;
        }
        let key = key(&*object);
        let group = (self.group_of)(&object);
        if state.places.get(&key) != group.as_ref() {
            state.remove(&key);
        }
        if let Some(group) = group {
            let name = key.1.clone();
            state.places.insert(key, group.clone());
            state.groups.entry(group).or_default().insert(name, object);
        }
    }

    // A panic cannot happen under the lock; were there one, the state would still be whole.
    fn read(&self) -> RwLockReadGuard<'_, State<K>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<K>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Resource> State<K> {
    /// Whether the cached state of `object` came after it: an event that was under way while this
    /// process wrote must not bring back the past.
    fn is_newer_than(&self, object: &K) -> bool {
        let key = key(object);
        let cached = self.places.get(&key).and_then(|group| self.groups.get(group)?.get(&key.1));
        match (cached.and_then(|cached| version(&**cached)), version(object)) {
            (Some(cached), Some(shown)) => cached > shown,
            _ => false,
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(group) = self.places.remove(key) else { return };
        if let Some(objects) = self.groups.get_mut(&group) {
            objects.remove(&key.1);
            if objects.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}

fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.meta().name.clone().unwrap_or_default())
}

/// Resource versions of one kind grow with time (KEP-5504); one that is no number compares with
/// nothing.
pub fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

/// The group of what belongs to a server without being owned by it. A name has no `/`, and neither
/// has a uid, so it is the group of no owner.
pub fn group_of_server(namespace: &str, server: &str) -> String {
    format!("{namespace}/{server}")
}

/// The controller that owns an object.
pub fn owner<K: Resource>(object: &K) -> Option<&OwnerReference> {
    object.meta().owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
}

/// Its uid: the group of every child that has an owner.
pub fn owner_uid<K: Resource>(object: &K) -> Option<String> {
    owner(object).map(|owner| owner.uid.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;
    use watcher::Event;

    fn object(name: &str, owner: &str, version: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {
            "namespace": "team", "name": name, "resourceVersion": version,
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": true}],
        }}))
        .expect("a valid object")
    }

    fn names(cache: &Cache<ConfigMap>, group: &str) -> Vec<String> {
        cache.group(group).iter().map(|it| it.name_any()).collect()
    }

    #[test]
    fn a_list_replaces_what_was_there() {
        let cache = Cache::new(owner_uid);
        cache.observe(&Event::Apply(object("old", "u1", "1")));
        assert!(!cache.is_synced());
        cache.observe(&Event::Init);
        cache.observe(&Event::InitApply(object("new", "u1", "2")));
        assert_eq!(names(&cache, "u1"), ["new", "old"], "until the list is complete, nothing is gone");
        cache.observe(&Event::InitDone);
        assert_eq!(names(&cache, "u1"), ["new"]);
        assert!(cache.is_synced());
    }

    #[test]
    fn an_older_event_does_not_undo_a_write() {
        let cache = Cache::new(owner_uid);
        cache.wrote(Arc::new(object("it", "u1", "10")));
        cache.observe(&Event::Apply(object("it", "u2", "9")));
        cache.observe(&Event::Delete(object("it", "u1", "8")));
        assert_eq!(names(&cache, "u1"), ["it"]);
        cache.observe(&Event::Delete(object("it", "u1", "11")));
        assert!(names(&cache, "u1").is_empty());
    }

    #[test]
    fn an_answer_that_the_watch_has_overtaken_brings_nothing_back() {
        let cache = Cache::new(owner_uid);
        cache.observe(&Event::Apply(object("it", "u1", "10")));
        cache.observe(&Event::Delete(object("it", "u1", "11")));
        cache.wrote(Arc::new(object("it", "u1", "10")));
        assert!(names(&cache, "u1").is_empty());
        cache.wrote(Arc::new(object("it", "u1", "12")));
        assert_eq!(names(&cache, "u1"), ["it"]);
    }

    #[test]
    fn a_new_owner_moves_the_object() {
        let cache = Cache::new(owner_uid);
        cache.observe(&Event::Apply(object("it", "u1", "1")));
        cache.observe(&Event::Apply(object("it", "u2", "2")));
        assert!(cache.get("u1", "it").is_none());
        assert!(cache.get("u2", "it").is_some());
    }
}

//! What a watch has shown, and what this process wrote since: reads of the API server's state that
//! cost no request and never fall behind the operator's own writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::runtime::watcher;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Objects of one kind, in groups: those of one owner, or of one namespace.
#[derive(Debug)]
pub struct Cache<K, F = Text<K>> {
    group_of: fn(&K) -> Option<String>,
    state: RwLock<State<F>>,
}

/// How a cache holds an object.
pub trait Form<K>: Sized {
    /// The form of `object`.
    fn of(object: &K) -> Self;

    /// The object that has this form.
    fn object(&self) -> Option<Arc<K>>;
}

/// As JSON, and read each time it is looked at. That takes a third of the memory of the object itself,
/// whose every map and text is an allocation of its own, and microseconds to read.
#[derive(Debug)]
pub struct Text<K>(Box<str>, PhantomData<fn() -> K>);

impl<K: Serialize + DeserializeOwned> Form<K> for Text<K> {
    fn of(object: &K) -> Self {
        Self(serde_json::to_string(object).unwrap_or_default().into(), PhantomData)
    }

    fn object(&self) -> Option<Arc<K>> {
        let read = serde_json::from_str(&self.0).map(Arc::new);
        read.inspect_err(|error| tracing::error!("a cached object cannot be read: {error}")).ok()
    }
}

/// As it is: for what is looked at far more often than it changes, or small.
#[derive(Debug)]
pub struct Whole<K>(Arc<K>);

impl<K: Clone> Form<K> for Whole<K> {
    fn of(object: &K) -> Self {
        Self(Arc::new(object.clone()))
    }

    fn object(&self) -> Option<Arc<K>> {
        Some(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct State<F> {
    objects: HashMap<Arc<Key>, Entry<F>>,
    /// What each group has, sorted.
    groups: HashMap<Arc<str>, Vec<Arc<Key>>>,
    /// What a running list has shown so far.
    listed: HashSet<Key>,
    /// The newest version that the watch has shown.
    shown: u64,
    synced: bool,
}

#[derive(Debug)]
struct Entry<F> {
    /// A change of its labels or owner can move an object.
    group: Arc<str>,
    version: Option<u64>,
    /// Whether it is as an answer to a request of ours had it.
    is_ours: bool,
    form: F,
}

/// Name and namespace.
type Key = (Box<str>, Box<str>);

impl<K: Resource, F: Form<K>> Cache<K, F> {
    /// An empty cache; `group_of` gives an object's group, or `None` for one that is of no use.
    pub fn new(group_of: fn(&K) -> Option<String>) -> Self {
        let (objects, groups, listed) = (HashMap::new(), HashMap::new(), HashSet::new());
        let state = State { objects, groups, listed, shown: 0, synced: false };
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
                self.insert(&mut state, object, false);
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut state.listed);
                let gone: Vec<_> = state.objects.keys().filter(|key| !listed.contains(&***key)).cloned().collect();
                for key in &gone {
                    state.remove(key);
                }
                state.synced = true;
            }
            watcher::Event::Apply(object) => self.insert(&mut state, object, false),
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
    pub fn wrote(&self, object: &K) {
        let mut state = self.write();
        if version(object).is_none_or(|it| it > state.shown) {
            self.insert(&mut state, object, true);
        }
    }

    /// Whether a watch that shows `object` tells no more than what [`Self::wrote`] took in.
    pub fn is_echo(&self, object: &K) -> bool {
        let state = self.read();
        state.objects.get(&key(object)).is_some_and(|it| it.is_ours && it.version >= version(object))
    }

    /// One object.
    pub fn get(&self, group: &str, name: &str) -> Option<Arc<K>> {
        let state = self.read();
        let group = state.groups.get(group)?;
        let at = group.binary_search_by(|key| (*key.0).cmp(name)).ok()?;
        state.object(&group[at])
    }

    /// Whether an object is cached, in whatever state.
    pub fn has(&self, object: &K) -> bool {
        self.read().objects.contains_key(&key(object))
    }

    /// Whether a group has any object.
    pub fn has_group(&self, group: &str) -> bool {
        self.read().groups.contains_key(group)
    }

    /// All objects of a group, by name.
    pub fn group(&self, group: &str) -> Vec<Arc<K>> {
        self.named(group, |_| true)
    }

    /// The objects of a group whose name `fits`.
    pub fn named(&self, group: &str, fits: impl Fn(&str) -> bool) -> Vec<Arc<K>> {
        let state = self.read();
        let keys = state.groups.get(group).into_iter().flatten();
        keys.filter(|key| fits(&key.0)).filter_map(|key| state.object(key)).collect()
    }

    /// All objects, by group and name.
    pub fn all(&self) -> BTreeMap<(String, String), Arc<K>> {
        let state = self.read();
        let objects = state.objects.iter();
        let objects = objects.map(|(key, it)| Some(((it.group.to_string(), key.0.to_string()), it.form.object()?)));
        objects.flatten().collect()
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        self.read().synced
    }

    fn insert(&self, state: &mut State<F>, object: &K, is_answer: bool) {
        let key = key(object);
        let (cached, version) = (state.objects.get(&key).and_then(|it| it.version), version(object));
        // A version has one content.
        if version.is_some() && cached >= version {
            return;
        }
        let Some(group) = (self.group_of)(object) else { return state.remove(&key) };
        let form = F::of(object);
        match state.objects.get_mut(&key) {
            Some(entry) if *entry.group == *group => {
                (entry.version, entry.is_ours, entry.form) = (version, is_answer, form);
            }
            _ => {
                state.remove(&key);
                state.add(Arc::new(key), Entry { group: group.into(), version, is_ours: is_answer, form });
            }
        }
    }

    // A panic cannot happen under the lock; were there one, the state would still be whole.
    fn read(&self) -> RwLockReadGuard<'_, State<F>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<F>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> State<F> {
    fn object<K>(&self, key: &Key) -> Option<Arc<K>>
    where
        F: Form<K>,
    {
        self.objects.get(key)?.form.object()
    }

    /// Whether the cached state of `object` came after it: an event that was under way while this
    /// process wrote must not bring back the past.
    fn is_newer_than<K: Resource>(&self, object: &K) -> bool {
        match (self.objects.get(&key(object)).and_then(|it| it.version), version(object)) {
            (Some(cached), Some(shown)) => cached > shown,
            _ => false,
        }
    }

    fn add(&mut self, key: Arc<Key>, entry: Entry<F>) {
        let group = self.groups.entry(Arc::clone(&entry.group)).or_default();
        if let Err(at) = group.binary_search(&key) {
            group.reserve_exact(1);
            group.insert(at, Arc::clone(&key));
        }
        self.objects.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.objects.remove(key) else { return };
        if let Some(group) = self.groups.get_mut(&entry.group) {
            group.retain(|it| **it != *key);
            if group.is_empty() {
                self.groups.remove(&entry.group);
            }
        }
    }
}

fn key<K: Resource>(object: &K) -> Key {
    let text = |it: &Option<String>| it.as_deref().unwrap_or_default().into();
    (text(&object.meta().name), text(&object.meta().namespace))
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
    use kube::ResourceExt;
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
        let cache: Cache<ConfigMap> = Cache::new(owner_uid);
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
        let cache: Cache<ConfigMap> = Cache::new(owner_uid);
        cache.wrote(&object("it", "u1", "10"));
        cache.observe(&Event::Apply(object("it", "u2", "9")));
        cache.observe(&Event::Delete(object("it", "u1", "8")));
        assert_eq!(names(&cache, "u1"), ["it"]);
        cache.observe(&Event::Delete(object("it", "u1", "11")));
        assert!(names(&cache, "u1").is_empty());
    }

    #[test]
    fn an_answer_that_the_watch_has_overtaken_brings_nothing_back() {
        let cache: Cache<ConfigMap> = Cache::new(owner_uid);
        cache.observe(&Event::Apply(object("it", "u1", "10")));
        cache.observe(&Event::Delete(object("it", "u1", "11")));
        cache.wrote(&object("it", "u1", "10"));
        assert!(names(&cache, "u1").is_empty());
        cache.wrote(&object("it", "u1", "12"));
        assert_eq!(names(&cache, "u1"), ["it"]);
    }

    #[test]
    fn only_what_a_write_of_ours_made_is_an_echo() {
        let cache: Cache<ConfigMap> = Cache::new(owner_uid);
        let is_echo = |version: &str| {
            let object = object("it", "u1", version);
            cache.observe(&Event::Apply(object.clone()));
            cache.is_echo(&object)
        };
        assert!(!is_echo("9"), "somebody else's");
        cache.wrote(&object("it", "u1", "11"));
        assert!(is_echo("10"), "overtaken by our write, whose answer had it");
        assert!(is_echo("11") && is_echo("11"));
        assert!(!is_echo("12"));
        cache.wrote(&object("it", "u1", "14"));
        cache.observe(&Event::Delete(object("it", "u1", "15")));
        assert!(!cache.is_echo(&object("it", "u1", "15")), "it is gone");
    }

    #[test]
    fn a_new_owner_moves_the_object() {
        let cache: Cache<ConfigMap> = Cache::new(owner_uid);
        cache.observe(&Event::Apply(object("it", "u1", "1")));
        cache.observe(&Event::Apply(object("it", "u2", "2")));
        assert!(cache.get("u1", "it").is_none());
        assert!(cache.get("u2", "it").is_some());
    }

    #[test]
    fn an_object_comes_out_as_it_went_in() {
        let mut it = object("it", "u1", "1");
        it.data = Some([("key".to_owned(), "\"a\"\n\u{1F600}".to_owned())].into());
        let as_text: Cache<ConfigMap> = Cache::new(owner_uid);
        let whole: Cache<ConfigMap, Whole<ConfigMap>> = Cache::new(owner_uid);
        as_text.observe(&Event::Apply(it.clone()));
        whole.observe(&Event::Apply(it.clone()));
        assert_eq!(as_text.get("u1", "it").as_deref(), Some(&it));
        assert_eq!(whole.get("u1", "it").as_deref(), Some(&it));
    }
}

//! What there is in each namespace, and what there ever was: by watches of an administrator on every
//! kind of child, so that a look costs the API server nothing.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use landfall::api::MCPServer;
use landfall::children::{Child, Children, Make, Nothing};
use landfall::labels;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Kind and name.
pub type Key = (String, String);

/// All of the cluster.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<String, Account>>);

/// All of a namespace, and what the cluster has for it.
#[derive(Clone, Default)]
pub struct Account {
    /// How often something changed.
    pub changes: u64,
    pub objects: BTreeMap<Key, Arc<Value>>,
    /// Every uid that there ever was of an object.
    pub uids: BTreeMap<Key, BTreeSet<String>>,
    /// What each Secret held at first, by uid.
    held: HashMap<String, u64>,
    /// What must never be: a Secret that changed.
    pub wrongs: Vec<String>,
}

impl Ledger {
    /// Watches until the process ends.
    pub fn open(admin: &Client) -> Arc<Self> {
        struct Kinds(Vec<ApiResource>);
        impl Make<Nothing> for Kinds {
            fn make<K: Child>(&mut self) {
                self.0.push(ApiResource::erase::<K>(&()));
            }
        }
        let mut kinds = Kinds(vec![ApiResource::erase::<MCPServer>(&()), ApiResource::erase::<Pod>(&())]);
        Children::<Nothing>::from_each(&mut kinds);
        let ledger = Arc::<Self>::default();
        for kind in kinds.0 {
            tokio::spawn(Arc::clone(&ledger).follow(Api::all_with(admin.clone(), &kind), kind.kind));
        }
        ledger
    }

    /// A namespace as it is now.
    pub fn account(&self, namespace: &str) -> Account {
        self.lock().get(namespace).cloned().unwrap_or_default()
    }

    /// How often something changed there.
    pub fn changes(&self, namespace: &str) -> u64 {
        self.lock().get(namespace).map_or(0, |it| it.changes)
    }

    async fn follow(self: Arc<Self>, api: Api<DynamicObject>, kind: String) {
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.insert(object.uid());
                    self.put(&kind, &object);
                }
                Ok(Event::InitDone) => self.keep(&kind, &listed),
                Ok(Event::Apply(object)) => self.put(&kind, &object),
                Ok(Event::Delete(object)) => self.remove(&kind, &object),
                // It lists anew.
                Err(_) => {}
            }
        }
    }

    fn put(&self, kind: &str, object: &DynamicObject) {
        let Some(namespace) = namespace_of(object) else { return };
        let mut accounts = self.lock();
        let account = accounts.entry(namespace).or_default();
        let key = (kind.to_owned(), object.name_any());
        let uid = object.uid().unwrap_or_default();
        account.changes += 1;
        account.uids.entry(key.clone()).or_default().insert(uid.clone());
        if kind == "Secret" {
            let mut hasher = DefaultHasher::new();
            object.data["data"].to_string().hash(&mut hasher);
            let now = hasher.finish();
            if *account.held.entry(uid).or_insert(now) != now {
                account.wrongs.push(format!("Secret {} changed", key.1));
            }
        }
        let mut object = object.clone();
        object.metadata.managed_fields = None;
        account.objects.insert(key, Arc::new(serde_json::to_value(object).unwrap_or_default()));
    }

    fn remove(&self, kind: &str, object: &DynamicObject) {
        let Some(namespace) = namespace_of(object) else { return };
        let mut accounts = self.lock();
        let account = accounts.entry(namespace).or_default();
        account.changes += 1;
        account.objects.remove(&(kind.to_owned(), object.name_any()));
    }

    /// Of a kind, only what was listed is there.
    fn keep(&self, kind: &str, listed: &HashSet<Option<String>>) {
        for account in self.lock().values_mut() {
            account.objects.retain(|key, object| {
                key.0 != kind || listed.contains(&object["metadata"]["uid"].as_str().map(str::to_owned))
            });
            account.changes += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is the cluster's counts to the namespace that it was made for.
fn namespace_of(object: &DynamicObject) -> Option<String> {
    object.namespace().or_else(|| object.labels().get(labels::NAMESPACE).cloned())
}

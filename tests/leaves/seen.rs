//! What a test sees on the API server: servers with what is said of them, and their children.

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use landfall::api::MCPServer;
use landfall::apply::diff::APPLIED_HASH;
use landfall::children::{Child, Children, Desired, Nothing, Step};
use landfall::labels;
use landfall::reach::Reach;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::task::JoinHandle;

use crate::support::{Space, until};

/// Many servers are changed at once, and all have to wait for the slowest of the cluster's controllers.
const PATIENCE: Duration = Duration::from_mins(5);

/// Servers as anybody may have stored them, watched.
pub struct Servers {
    api: Api<DynamicObject>,
    namespace: String,
    resource: ApiResource,
    store: Store<DynamicObject>,
    watch: JoinHandle<()>,
}

/// What became of an edit.
#[derive(Debug)]
pub enum Edited {
    /// The API server does not store it, and says why.
    Rejected(String),
    Stored(Verdict),
}

/// What the operator says of a spec.
#[derive(Debug)]
pub enum Verdict {
    Taken,
    Refused(String),
}

impl Servers {
    pub fn watch(space: &Space) -> Self {
        let resource = ApiResource::erase::<MCPServer>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(space.world.admin.clone(), &space.name, &resource);
        let writer = reflector::store::Writer::new(resource.clone());
        let store = writer.as_reader();
        let changes = watcher(api.clone(), watcher::Config::default()).default_backoff().reflect(writer);
        let watch = tokio::spawn(changes.for_each(|_| std::future::ready(())));
        Self { api, namespace: space.name.clone(), resource, store, watch }
    }

    /// Replaces the whole spec, and waits until the operator has said something of it.
    pub async fn edit(&self, name: &str, spec: &Value) -> Result<Edited> {
        let stored = loop {
            let mut server = self.api.get(name).await?;
            server.data["spec"] = spec.clone();
            match self.api.replace(name, &PostParams::default(), &server).await {
                Ok(stored) => break stored,
                // The operator wrote the status meanwhile.
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                    return Ok(Edited::Rejected(status.message.clone()));
                }
                Err(error) => return Err(error.into()),
            }
        };
        let generation = stored.metadata.generation;
        let said = || {
            let accepted = self.condition(name, "Accepted", generation)?;
            let message = accepted["message"].as_str().unwrap_or_default().to_owned();
            Some(if accepted["status"] == "True" { Verdict::Taken } else { Verdict::Refused(message) })
        };
        Ok(Edited::Stored(until("the operator says something of the spec", PATIENCE, async || said()).await?))
    }

    /// Waits until a server is ready as it is stored.
    pub async fn until_ready(&self, name: &str) -> Result<()> {
        let generation = self.api.get(name).await?.metadata.generation;
        let is_ready = || self.condition(name, "Ready", generation).filter(|it| it["status"] == "True");
        until("the server is ready", PATIENCE, async || is_ready()).await.map(drop)
    }

    /// A condition, if it speaks of this generation.
    fn condition(&self, name: &str, type_: &str, generation: Option<i64>) -> Option<Value> {
        let reference = ObjectRef::new_with(name, self.resource.clone()).within(&self.namespace);
        let server = self.store.get(&reference)?;
        let conditions = server.data["status"]["conditions"].as_array()?;
        let found = conditions.iter().find(|it| it["type"] == type_)?;
        (found["observedGeneration"].as_i64() == generation).then(|| found.clone())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Children as the API server has them, without what differs from one server to the next; by kind
/// and name.
#[derive(Clone, Default)]
pub struct Seen(BTreeMap<(String, String), Item>);

#[derive(Clone)]
struct Item {
    resource: ApiResource,
    is_cluster_wide: bool,
    /// Its number of replicas is somebody else's matter.
    is_scaled_by_others: bool,
    value: Value,
    generation: Option<i64>,
}

impl Seen {
    /// A namespace in which nothing is ever stored.
    pub fn elsewhere(namespace: &str) -> String {
        format!("{namespace}-elsewhere")
    }

    /// What the API server would store of these children if there were none yet. They are of a
    /// server in the namespace elsewhere, and are given as those of one in `space`.
    pub async fn of_a_fresh_one(space: &Space, children: Children<Desired>, known: &mut Known) -> Result<Self> {
        let mut look = Look { space, seen: Self::default(), known };
        children.try_each(&mut look).await?;
        let here = |text: &str| text.replace(&Self::elsewhere(&space.name), &space.name);
        Ok(look.seen.renamed(here))
    }

    /// The objects of the same kinds and names, as they are now; null for one that is not there.
    pub async fn now(&self, space: &Space) -> Result<Self> {
        let mut now = self.clone();
        for ((_, name), item) in &mut now.0 {
            let found = item.api(space).get_opt(name).await?;
            item.generation = found.as_ref().and_then(|it| it.metadata.generation);
            item.value = found.map_or(Ok(Value::Null), serde_json::to_value)?;
            item.normalise();
        }
        Ok(now)
    }

    /// Waits until the objects are as they are here, and gives them with what else is known of them.
    pub async fn until_so_in(&self, space: &Space) -> Result<Self> {
        let so = async || self.now(space).await.ok().filter(|now| self.difference(now).is_none());
        let result = until("the children are as those of a new server", PATIENCE, so).await;
        let Err(error) = result else { return result };
        let difference = self.difference(&self.now(space).await?);
        Err(error.context(difference.unwrap_or_else(|| "just now they are".into())))
    }

    /// Nothing was changed since.
    pub async fn is_unharmed_in(&self, space: &Space) -> Result<()> {
        let now = self.now(space).await?;
        let fixed = |it: &&Item| !it.is_scaled_by_others;
        let generations = |it: &Self| it.0.values().filter(fixed).map(|it| it.generation).collect::<Vec<_>>();
        if let Some(difference) = self.difference(&now) {
            anyhow::bail!("what runs was changed: {difference}");
        }
        ensure!(generations(self) == generations(&now), "what runs was written");
        Ok(())
    }

    /// Waits until what was there before and is not here is gone, but for what may outlive its server.
    pub async fn until_gone_in(&self, space: &Space, before: &Self) -> Result<()> {
        for (key, item) in before.0.iter().filter(|(key, _)| !self.0.contains_key(*key)) {
            let gone = async || match item.api(space).get_opt(&key.1).await {
                Ok(None) => Some(()),
                Ok(Some(found)) => {
                    // A Secret goes with what it opens.
                    let is_data = key.0 == "PersistentVolumeClaim" && found.owner_references().is_empty();
                    (is_data || key.0 == "Secret" || found.metadata.deletion_timestamp.is_some()).then_some(())
                }
                Err(_) => None,
            };
            until(&format!("{} {} is gone", key.0, key.1), PATIENCE, gone).await?;
        }
        Ok(())
    }

    /// As if everything were called otherwise.
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        let item = |mut item: Item| {
            item.value = serde_json::from_str(&name(&item.value.to_string())).unwrap_or_default();
            item
        };
        Self(self.0.into_iter().map(|((kind, it), found)| ((kind, name(&it)), item(found))).collect())
    }

    /// Where `other` is first not as this is.
    pub fn difference(&self, other: &Self) -> Option<String> {
        self.0.iter().find_map(|(key @ (kind, name), item)| {
            let found = other.0.get(key).map_or(&Value::Null, |it| &it.value);
            first_difference(&format!("{kind} {name}"), &item.value, found)
        })
    }
}

impl Item {
    fn api(&self, space: &Space) -> Api<DynamicObject> {
        let client = space.world.admin.clone();
        if self.is_cluster_wide {
            Api::all_with(client, &self.resource)
        } else {
            Api::namespaced_with(client, &space.name, &self.resource)
        }
    }

    fn normalise(&mut self) {
        let value = &mut self.value;
        if value.is_null() {
            return;
        }
        if self.resource.kind == "Secret" {
            // Its password is nobody's business.
            *value = json!({"type": value["type"]});
            return;
        }
        let metadata = &value["metadata"];
        let kept = ["name", "namespace", "labels", "annotations", "ownerReferences"];
        let mut metadata: Map<_, _> =
            kept.iter().filter_map(|it| Some(((*it).to_owned(), metadata.get(*it)?.clone()))).collect();
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| ![APPLIED_HASH, "deployment.kubernetes.io/revision"].contains(&key.as_str()));
        }
        for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            owner["uid"] = Value::Null;
        }
        metadata.retain(|_, it| it.as_object().is_none_or(|it| !it.is_empty()));
        value["metadata"] = Value::Object(metadata);
        if let Some(hash) = value.pointer_mut(REFERENCES) {
            *hash = json!("some");
        }
        let Some(object) = value.as_object_mut() else { return };
        object.retain(|key, _| !["status", "apiVersion", "kind"].contains(&key.as_str()));
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
        for given in ["clusterIP", "clusterIPs", "healthCheckNodePort", "volumeName"] {
            spec.remove(given);
        }
        if self.is_scaled_by_others {
            spec.remove("replicas");
        }
        if self.resource.kind == "Service" {
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                port.as_object_mut().and_then(|it| it.remove("nodePort"));
            }
        }
    }
}

/// Differs from server to server.
const REFERENCES: &str = "/spec/template/metadata/annotations/landfall.dev~1references-hash";

fn first_difference(path: &str, wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
            let of = |object: &Map<String, Value>, key: &String| object.get(key).cloned().unwrap_or_default();
            keys.into_iter()
                .find_map(|key| first_difference(&format!("{path}.{key}"), &of(wanted, key), &of(found, key)))
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let items = wanted.iter().zip(found).enumerate();
            items
                .into_iter()
                .find_map(|(at, (wanted, found))| first_difference(&format!("{path}[{at}]"), wanted, found))
        }
        _ => (wanted != found).then(|| format!("{path} is {found}, and {wanted} of a new server")),
    }
}

/// What the API server would store of objects that it was asked about before.
#[derive(Default)]
pub struct Known(HashMap<String, Item>);

/// Asks the API server what it would store.
struct Look<'a> {
    space: &'a Space,
    seen: Seen,
    known: &'a mut Known,
}

impl Step<Desired, Nothing> for Look<'_> {
    type Error = anyhow::Error;

    async fn step<K: Child>(&mut self, children: Vec<K>) -> Result<()> {
        let params = PatchParams { dry_run: true, ..PatchParams::apply("tests") };
        for mut child in children {
            // Only what is stored can own anything, as far as the types know.
            let name = child.name_any();
            let api = K::Scope::api::<K>(self.space.world.admin.clone(), child.namespace().as_deref());
            for owner in child.owner_references_mut() {
                if owner.uid.is_empty() {
                    owner.uid = "00000000-0000-4000-8000-000000000000".into();
                }
            }
            let asked = serde_json::to_value(&child)?;
            let text = asked.to_string();
            if let Some(item) = self.known.0.get(&text) {
                self.seen.0.insert((K::kind(&()).into_owned(), name), item.clone());
                continue;
            }
            let stored = api.patch(&name, &params, &Patch::Apply(&child)).await;
            let stored = stored.with_context(|| format!("{} {name} of a new server", K::kind(&())))?;
            let mut item = Item {
                resource: ApiResource::erase::<K>(&()),
                is_cluster_wide: K::Scope::IS_CLUSTER_WIDE,
                is_scaled_by_others: asked["spec"]["replicas"].is_null(),
                value: serde_json::to_value(&stored)?,
                generation: None,
            };
            item.normalise();
            self.known.0.insert(text, item.clone());
            self.seen.0.insert((K::kind(&()).into_owned(), name), item);
        }
        Ok(())
    }
}

/// Waits until a server has no children but these. Garbage collection takes its time.
pub async fn nothing_else_is_left(
    space: &Space,
    server: &str,
    wanted: impl Fn() -> Option<Children<Desired>>,
) -> Result<()> {
    let left = async || {
        let mut search = Search { space, server, found: Vec::new() };
        wanted()?.try_each(&mut search).await.ok()?;
        Some(search.found)
    };
    let none = async || left().await.filter(Vec::is_empty);
    let Err(error) = until("nothing else is left", PATIENCE, none).await else { return Ok(()) };
    Err(error.context(format!("{:?}", left().await)))
}

struct Search<'a> {
    space: &'a Space,
    server: &'a str,
    found: Vec<String>,
}

impl Step<Desired, Nothing> for Search<'_> {
    type Error = anyhow::Error;

    async fn step<K: Child>(&mut self, wanted: Vec<K>) -> Result<()> {
        let ours = ListParams::default().labels(&format!("{}={}", labels::INSTANCE, self.server));
        let api = K::Scope::api::<K>(self.space.world.admin.clone(), Some(&self.space.name));
        for found in api.list(&ours).await? {
            let is_wanted = wanted.iter().any(|it| it.name_any() == found.name_any());
            let is_going = found.meta().deletion_timestamp.is_some();
            // A claim keeps data that nobody else may delete, and its Secret opens it.
            let is_kept = K::MAY_OUTLIVE && found.owner_references().is_empty();
            if !is_wanted && !is_going && !is_kept {
                self.found.push(format!("{} {}", K::kind(&()), found.name_any()));
            }
        }
        Ok(())
    }
}

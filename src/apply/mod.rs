//! `Children<Desired> -> Children<Live>`: makes the cluster so, with one write for each object that
//! differs and none for the others, and removes what is no longer wanted.
//!
//! Nothing is touched that the operator did not make. An object that the cache does not show is
//! applied with a resource version that no object can have: the API server creates it if it is
//! absent and answers with a conflict if it exists. Only then is it read, to see whose it is. This
//! costs no request in the usual case, where asking first would cost one for each object.

mod cluster_wide;
pub mod diff;
mod error;

pub use cluster_wide::wants_cluster_wide;
pub use error::ApplyError;

use kube::api::{Api, DeleteParams, PartialObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{FIELD_MANAGER, MCPServer};
use crate::cache::{Cache, group_of_server, owner, owner_uid};
use crate::children::{Child, Children, Desired, Family, Live, Make, Settled, Step};
use crate::labels;
use crate::metrics::Metrics;
use crate::reach::Reach;
use crate::validate::ValidatedServer;
use diff::Difference;

/// One cache for each kind of child.
pub enum Caches {}
impl Family for Caches {
    type Of<K: Child> = Arc<Cache<K>>;
}

/// Makes a cache for each kind.
pub struct NewCaches;
impl Make<Caches> for NewCaches {
    fn make<K: Child>(&mut self) -> Arc<Cache<K>> {
        Arc::new(Cache::new(group))
    }
}

/// No stored object has this version: the first that etcd gives is larger.
const NEVER_STORED: &str = "1";

/// What has become of the children.
pub struct Applied {
    /// The children as they are now.
    pub children: Children<Live>,
    /// What would have been written, were the server not suspended.
    pub pending: Vec<String>,
}

/// Writes children.
#[derive(Clone)]
pub struct Applier {
    pub client: Client,
    pub caches: Arc<Children<Caches>>,
    pub metrics: Arc<Metrics>,
    /// Objects of write-once kinds that are known to exist, by their owner's uid and their name.
    pub made: Arc<Mutex<HashSet<String>>>,
}

impl Applier {
    /// Applies `desired`, then removes what `server` has beyond it.
    pub async fn apply(&self, server: &ValidatedServer, desired: Children<Desired>) -> Result<Applied, ApplyError> {
        let mut pass = Pass { applier: self, server, pending: Vec::new() };
        let children = Box::pin(desired.try_each(&mut Write(&mut pass))).await?;
        let children = children.try_each(&mut Prune(&mut pass)).await?;
        Ok(Applied { children, pending: pass.pending })
    }

    async fn delete<K: Child>(&self, object: &K) -> Result<(), ApplyError> {
        let name = object.name_any();
        tracing::info!(kind = %K::kind(&()), %name, "deleting what is no longer wanted");
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: object.uid(), resource_version: None }),
            ..DeleteParams::background()
        };
        let api: Api<K> = K::Scope::api(self.client.clone(), object.namespace().as_deref());
        let result = api.delete(&name, &params).await;
        self.metrics.child_write(&K::kind(&()), "delete", result.is_ok());
        match result {
            Ok(_) => Ok(()),
            // Gone already, or replaced by an object that is not the one we saw.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            Err(error) => Err(ApplyError::new::<K>("delete", &name, error)),
        }
    }
}

/// One pass over the children of one server.
struct Pass<'a> {
    applier: &'a Applier,
    server: &'a ValidatedServer,
    pending: Vec<String>,
}

struct Write<'a, 'b>(&'a mut Pass<'b>);
struct Prune<'a, 'b>(&'a mut Pass<'b>);

impl Step<Desired, Live> for Write<'_, '_> {
    type Error = ApplyError;

    async fn step<K: Child>(&mut self, desired: Vec<K>) -> Result<Vec<Arc<K>>, ApplyError> {
        let mut live = Vec::with_capacity(desired.len());
        for object in desired {
            if K::WRITE_ONCE {
                self.0.make_once(object).await?;
            } else {
                live.extend(self.0.write(object).await?);
            }
        }
        Ok(live)
    }
}

impl Step<Live, Live> for Prune<'_, '_> {
    type Error = ApplyError;

    async fn step<K: Child>(&mut self, wanted: Vec<Arc<K>>) -> Result<Vec<Arc<K>>, ApplyError> {
        let cache = K::of(&*self.0.applier.caches);
        for object in cache.group(&self.0.group::<K>()) {
            let is_wanted = wanted.iter().any(|it| it.meta().name == object.meta().name);
            if !is_wanted && object.meta().deletion_timestamp.is_none() {
                self.0.remove(&*object).await?;
            }
        }
        Ok(wanted)
    }
}

impl Pass<'_> {
    /// The object as it is after the write, if any was needed; `None` where suspension forbids to
    /// create it.
    async fn write<K: Child>(&mut self, object: K) -> Result<Option<Arc<K>>, ApplyError> {
        let name = object.name_any();
        let cached = self.cached::<K>(&name);
        let wish = Wish::of(&object, cached.as_deref())?;
        let live = cached.as_deref().map(manifest).transpose()?;
        let Some(difference) = diff::difference(&wish.desired, live.as_ref()) else {
            return Ok(cached);
        };
        if self.server.suspend {
            self.pending.push(format!("{} \"{name}\"", K::kind(&())));
            return Ok(cached);
        }
        tracing::info!(kind = %K::kind(&()), %name, ?difference, "applying");
        if cached.as_deref().is_some_and(|it| owner(it).is_none()) && owner(&object).is_some() {
            self.ensure_alive::<K>(&name).await?;
        }
        let applied = match self.patch(&name, wish).await {
            Err(ApplyError::Conflict { .. }) if difference == Difference::Missing => {
                self.take_back(&name, &object).await?
            }
            other => other?,
        };
        Ok(Some(self.remember(applied)))
    }

    /// Creates an object that is never looked at again. One that exists by that name is left as it is:
    /// it was made by this server before, or by the one whose data it takes up.
    async fn make_once<K: Child>(&mut self, object: K) -> Result<(), ApplyError> {
        let name = object.name_any();
        let Some(object) = object.begin(&self.live()) else { return Ok(()) };
        let key = format!("{}/{name}", owner_uid_of(&object));
        if self.applier.made.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        if self.server.suspend {
            self.pending.push(format!("{} \"{name}\"", K::kind(&())));
            return Ok(());
        }
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let result = self.api::<K>().create(&params, &object).await;
        self.applier.metrics.child_write(&K::kind(&()), "create", result.is_ok());
        match result {
            Ok(_) => tracing::info!(kind = %K::kind(&()), %name, "created"),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(ApplyError::new::<K>("create", &name, error)),
        }
        self.applier.made.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(())
    }

    /// Everything that the server has, as far as it is watched.
    fn live(&self) -> Children<Live> {
        struct OfServer<'a>(&'a Children<Caches>, &'a ValidatedServer);
        impl Make<Live> for OfServer<'_> {
            fn make<K: Child>(&mut self) -> Vec<Arc<K>> {
                let (cache, server) = (K::of(self.0), self.1);
                let outlived = cache.group(&group_of_server(&server.namespace, server.name.as_str()));
                cache.group(&server.owner.uid).into_iter().chain(outlived).collect()
            }
        }
        Children::from_each(&mut OfServer(&self.applier.caches, self.server))
    }

    /// The object as the cache has it, if it is this server's.
    fn cached<K: Child>(&self, name: &str) -> Option<Arc<K>> {
        let cache = K::of(&*self.applier.caches);
        let without_owner = || cache.get(&group_of_server(&self.server.namespace, self.server.name.as_str()), name);
        cache.get(&self.server.owner.uid, name).or_else(without_owner)
    }

    /// Applies over an object that the cache did not show, if it is this server's.
    async fn take_back<K: Child>(&self, name: &str, object: &K) -> Result<K, ApplyError> {
        let found = self.api::<K>().get_opt(name).await.map_err(|error| ApplyError::new::<K>("get", name, error))?;
        let Some(found) = found else { return Err(ApplyError::vanished::<K>(name)) };
        match owner_uid(&found) {
            Some(uid) if uid == self.server.owner.uid => {}
            None if is_orphan(&found, self.server) && owner(object).is_some() => self.ensure_alive::<K>(name).await?,
            None if is_orphan(&found, self.server) => {}
            _ => return Err(ApplyError::conflict_over(&found)),
        }
        self.patch(name, Wish::of(object, Some(&found))?).await
    }

    /// A server that is being deleted with `--cascade=orphan` lets go of its children one by one,
    /// and the cache may not have shown its end yet. To take them back now would be their death:
    /// they would name an owner that no longer exists.
    async fn ensure_alive<K: Child>(&self, name: &str) -> Result<(), ApplyError> {
        let servers: Api<MCPServer> = Api::namespaced(self.applier.client.clone(), &self.server.namespace);
        let server = servers.get_metadata_opt(self.server.name.as_str()).await;
        let server = server.map_err(|error| ApplyError::new::<K>("take back", name, error))?;
        let is_alive = |it: &PartialObjectMeta<MCPServer>| {
            it.metadata.uid.as_ref() == Some(&self.server.owner.uid) && it.metadata.deletion_timestamp.is_none()
        };
        if server.as_ref().is_some_and(is_alive) { Ok(()) } else { Err(ApplyError::vanished::<K>(name)) }
    }

    async fn patch<K: Child>(&self, name: &str, wish: Wish) -> Result<K, ApplyError> {
        let mut desired = wish.desired;
        if let Some(metadata) = desired["metadata"].as_object_mut() {
            metadata.extend(wish.guard);
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let result = self.api::<K>().patch(name, &params, &Patch::Apply(&desired)).await;
        self.applier.metrics.child_write(&K::kind(&()), "apply", result.is_ok());
        result.map_err(|error| ApplyError::new::<K>("apply", name, error))
    }

    async fn remove<K: Child>(&mut self, object: &K) -> Result<(), ApplyError> {
        if self.server.suspend {
            self.pending.push(format!("deletion of {} \"{}\"", K::kind(&()), object.name_any()));
            return Ok(());
        }
        self.applier.delete(object).await
    }

    fn remember<K: Child>(&self, mut object: K) -> Arc<K> {
        object.managed_fields_mut().clear();
        object.trim();
        let object = Arc::new(object);
        K::of(&*self.applier.caches).wrote(Arc::clone(&object));
        object
    }

    fn api<K: Child>(&self) -> Api<K> {
        K::Scope::api(self.applier.client.clone(), Some(&self.server.namespace))
    }

    /// Where the cache has what this server has and may lose: not what may outlive it.
    fn group<K: Child>(&self) -> String {
        if K::Scope::IS_CLUSTER_WIDE {
            group_of_server(&self.server.namespace, self.server.name.as_str())
        } else {
            self.server.owner.uid.clone()
        }
    }
}

/// An object as it should be, and what has to be so of the one that exists for it to be written.
struct Wish {
    desired: Value,
    guard: Map<String, Value>,
}

impl Wish {
    fn of<K: Child>(object: &K, live: Option<&K>) -> Result<Self, ApplyError> {
        let mut desired = manifest(object)?;
        let hash = diff::hash(&desired);
        let mut guard = Map::new();
        if let Some(live) = live {
            let mut object = object.clone();
            let settled =
                object.settle(live).map_err(|message| ApplyError::change_refused::<K>(&object.name_any(), message))?;
            // Should somebody have replaced it in the meantime, the API server will say so.
            guard.insert("uid".into(), json!(live.uid()));
            if settled == Settled::TakenOver {
                desired = manifest(&object)?;
                guard.insert("resourceVersion".into(), json!(live.resource_version()));
            }
        } else {
            guard.insert("resourceVersion".into(), json!(NEVER_STORED));
        }
        diff::seal(&mut desired, hash);
        Ok(Self { desired, guard })
    }
}

/// The group in which a cache has a child: its owner's uid. One without an owner is found by what it
/// says of itself.
fn group<K: Child>(object: &K) -> Option<String> {
    owner_uid(object).filter(|_| labels::has(object, labels::MANAGED_BY, labels::LANDFALL)).or_else(|| {
        let (namespace, server) = K::Scope::server_of(object).filter(|_| K::IS_WITHOUT_OWNER)?;
        let is_ours = object.annotations().contains_key(diff::APPLIED_HASH);
        is_ours.then(|| group_of_server(&namespace, &server))
    })
}

/// The uid of whatever owns it, be that a controller or not.
fn owner_uid_of<K: Child>(object: &K) -> &str {
    object.owner_references().first().map_or("", |it| it.uid.as_str())
}

/// The object as JSON, with its type.
fn manifest<K: Child>(object: &K) -> Result<Value, ApplyError> {
    serde_json::to_value(object).map_err(|error| ApplyError::unwritable::<K>(&object.name_any(), &error))
}

/// What nobody controls but names this server and carries our hash was made by us. Of most kinds it
/// outlived its owner because that was deleted with `--cascade=orphan`.
fn is_orphan<K: Child>(object: &K, server: &ValidatedServer) -> bool {
    let is_ours = K::Scope::IS_CLUSTER_WIDE || labels::has(object, labels::MANAGED_BY, labels::LANDFALL);
    let made_for = K::Scope::server_of(object);
    is_ours
        && made_for.is_some_and(|(namespace, name)| namespace == server.namespace && name == server.name.as_str())
        && object.annotations().contains_key(diff::APPLIED_HASH)
}

//! `Children<Desired> -> Children<Live>`: makes the cluster so, with one write for each object that
//! differs and none for the others, and removes what is no longer wanted.
//!
//! Nothing is touched that the operator did not make. An object that the cache does not show is
//! applied with a resource version that no object can have: the API server creates it if it is
//! absent and answers with a conflict if it exists. Only then is it read, to see whose it is. This
//! costs no request in the usual case, where asking first would cost one for each object.
//!
//! What to do about an object is decided in [`mod@decide`], from what [`Seen`] shows; here it is done.

mod cluster_wide;
pub mod decide;
pub mod diff;
mod error;
mod seen;

pub use cluster_wide::wants_cluster_wide;
pub use error::ApplyError;
pub use seen::{Caches, NewCaches, Seen};

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{FIELD_MANAGER, MCPServer};
use crate::children::{Child, Children, Desired, Live, Make, Nothing, Step};
use crate::lean::Lean;
use crate::metrics::Metrics;
use crate::reach::Reach;
use crate::validate::ValidatedServer;
use decide::{Decision, Facts, Once, decide, decide_once, is_superfluous, may_be_left, removal};

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
        let mut pass = Pass { applier: self, server, server_stays: false, pending: Vec::new() };
        let children = Box::pin(desired.try_each(&mut Write(&mut pass))).await?;
        let children = children.try_each(&mut Prune(&mut pass)).await?;
        Ok(Applied { children, pending: pass.pending })
    }

    /// Whether anything of the server with this uid is known to exist.
    pub fn has_any_of(&self, uid: &str) -> bool {
        struct HasAny<'a>(&'a Children<Caches>, &'a str, bool);
        impl Make<Nothing> for HasAny<'_> {
            fn make<K: Child>(&mut self) {
                self.2 |= K::of(self.0).has_group(self.1);
            }
        }
        let mut any = HasAny(&self.caches, uid, false);
        Children::<Nothing>::from_each(&mut any);
        any.2
    }

    async fn delete<K: Child>(&self, object: &K) -> Result<(), ApplyError> {
        let name = object.name_any();
        tracing::info!(kind = %K::kind(&()), %name, "deleting what is no longer wanted");
        let api: Api<K> = K::Scope::api(self.client.clone(), object.namespace().as_deref());
        let result = api.delete(&name, &removal(object)).await;
        self.metrics.child_write(&K::kind(&()), "delete", result.is_ok());
        match result {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            // A conflict says that it is another object than the one that was seen, or just that others wrote, too:
            // the next pass sees which.
            Err(error) => Err(ApplyError::new::<K>("delete", &name, error)),
        }
    }
}

/// One pass over the children of one server.
struct Pass<'a> {
    applier: &'a Applier,
    server: &'a ValidatedServer,
    /// Whether the API server said so in this pass.
    server_stays: bool,
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
        for object in self.0.seen().removable(&wanted) {
            if is_superfluous(&*object, self.0.server) {
                self.0.remove(&*object).await?;
            }
        }
        Ok(wanted)
    }
}

impl Pass<'_> {
    fn seen(&self) -> Seen<'_> {
        Seen { caches: &self.applier.caches, server: self.server }
    }

    /// The object as it is after the write, if any was needed; `None` where suspension forbids to
    /// create it.
    async fn write<K: Child>(&mut self, object: K) -> Result<Option<Arc<K>>, ApplyError> {
        let name = object.name_any();
        let mut facts = Facts { live: self.seen().object::<K>(&name), server_stays: self.server_stays };
        let mut was_read = false;
        loop {
            match decide(&object, self.server, &facts)? {
                Decision::Keep if was_read => return Ok(facts.live.map(|it| self.remember(Arc::unwrap_or_clone(it)))),
                Decision::Keep => return Ok(facts.live),
                Decision::Hold => {
                    self.pending.push(format!("{} \"{name}\"", K::kind(&())));
                    return Ok(facts.live);
                }
                Decision::AskForServer => {
                    self.ensure_stays::<K>(&name).await?;
                    self.server_stays = true;
                    facts.server_stays = true;
                }
                Decision::Apply { wish, difference } => {
                    tracing::info!(kind = %K::kind(&()), %name, ?difference, "applying");
                    match self.patch(&name, &*wish).await {
                        Err(ApplyError::Conflict { .. }) if facts.live.is_none() => {
                            facts.live = Some(self.read(&name).await?);
                            was_read = true;
                        }
                        applied => return Ok(Some(self.remember(applied?))),
                    }
                }
            }
        }
    }

    /// Creates an object that is never looked at again. One that exists by that name is left as it is:
    /// it was made by this server before, or by the one whose data it takes up. But it may also be just
    /// what the claim of that name before this one left, on its way to be removed; then the pass waits.
    async fn make_once<K: Child>(&mut self, object: K) -> Result<(), ApplyError> {
        let name = object.name_any();
        let decision = {
            let made = self.applier.made.lock().unwrap_or_else(PoisonError::into_inner);
            decide_once(object, self.server, &self.seen().all(), |key| made.contains(key))
        };
        let (object, key, owned_since) = match decision {
            Once::Leave => return Ok(()),
            Once::Hold => {
                self.pending.push(format!("{} \"{name}\"", K::kind(&())));
                return Ok(());
            }
            Once::Create { object, key, owned_since } => (object, key, owned_since),
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let result = self.api::<K>().create(&params, &object).await;
        self.applier.metrics.child_write(&K::kind(&()), "create", result.is_ok());
        match result {
            Ok(_) => tracing::info!(kind = %K::kind(&()), %name, "created"),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                if may_be_left(owned_since.as_ref(), Timestamp::now()) {
                    return Err(ApplyError::left::<K>(&name));
                }
            }
            Err(error) => return Err(ApplyError::new::<K>("create", &name, error)),
        }
        self.applier.made.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(())
    }

    /// Reads an object that the cache does not show.
    async fn read<K: Child>(&self, name: &str) -> Result<Arc<K>, ApplyError> {
        let api: Api<Lean<K>> = K::Scope::api(self.applier.client.clone(), Some(&self.server.namespace));
        let found = api.get_opt(name).await.map_err(|error| ApplyError::new::<K>("get", name, error))?;
        found.map(|it| Arc::new(it.0)).ok_or_else(|| ApplyError::vanished::<K>(name))
    }

    /// Whether the server is there and stays: before it takes an object back, or makes it anew.
    async fn ensure_stays<K: Child>(&self, name: &str) -> Result<(), ApplyError> {
        let servers: Api<MCPServer> = Api::namespaced(self.applier.client.clone(), &self.server.namespace);
        let server = servers.get_metadata_opt(self.server.name.as_str()).await;
        let server = server.map_err(|error| ApplyError::new::<K>("apply", name, error))?;
        let stays = |it: &PartialObjectMeta<MCPServer>| {
            it.metadata.uid.as_ref() == Some(&self.server.owner.uid) && it.metadata.deletion_timestamp.is_none()
        };
        if server.as_ref().is_some_and(stays) { Ok(()) } else { Err(ApplyError::vanished::<K>(name)) }
    }

    async fn patch<K: Child>(&self, name: &str, wish: &K) -> Result<K, ApplyError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let api: Api<Lean<K>> = K::Scope::api(self.applier.client.clone(), Some(&self.server.namespace));
        let result = api.patch(name, &params, &Patch::Apply(wish)).await;
        self.applier.metrics.child_write(&K::kind(&()), "apply", result.is_ok());
        result.map(|it| it.0).map_err(|error| ApplyError::new::<K>("apply", name, error))
    }

    async fn remove<K: Child>(&mut self, object: &K) -> Result<(), ApplyError> {
        if self.server.suspend {
            self.pending.push(format!("deletion of {} \"{}\"", K::kind(&()), object.name_any()));
            return Ok(());
        }
        self.applier.delete(object).await
    }

    fn remember<K: Child>(&self, mut object: K) -> Arc<K> {
        object.trim();
        let object = Arc::new(object);
        K::of(&*self.applier.caches).wrote(&object);
        object
    }

    fn api<K: Child>(&self) -> Api<K> {
        K::Scope::api(self.applier.client.clone(), Some(&self.server.namespace))
    }
}

//! What the caches show of one server: pure, too.

use kube::ResourceExt;
use std::sync::Arc;

use super::diff;
use crate::cache::{Cache, group_of_server, owner_uid};
use crate::children::{Child, Children, Family, Live, Make};
use crate::labels;
use crate::reach::Reach;
use crate::validate::ValidatedServer;

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

/// What the caches show of one server.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub caches: &'a Children<Caches>,
    pub server: &'a ValidatedServer,
}

impl Seen<'_> {
    /// The object of this name, if it is this server's.
    pub fn object<K: Child>(&self, name: &str) -> Option<Arc<K>> {
        let cache = K::of(self.caches);
        cache.get(&self.server.owner.uid, name).or_else(|| cache.get(&self.outlived(), name))
    }

    /// Everything that the server has, as far as it is watched.
    pub fn all(&self) -> Children<Live> {
        struct All<'a>(Seen<'a>);
        impl Make<Live> for All<'_> {
            fn make<K: Child>(&mut self) -> Vec<Arc<K>> {
                let cache = K::of(self.0.caches);
                let outlived = cache.group(&self.0.outlived());
                cache.group(&self.0.server.owner.uid).into_iter().chain(outlived).collect()
            }
        }
        Children::from_each(&mut All(*self))
    }

    /// What the server has beyond `wanted` and may lose: not what may outlive it.
    pub fn removable<K: Child>(&self, wanted: &[Arc<K>]) -> Vec<Arc<K>> {
        let group = if K::Scope::IS_CLUSTER_WIDE { &self.outlived() } else { &self.server.owner.uid };
        K::of(self.caches).named(group, |name| !wanted.iter().any(|it| it.meta().name.as_deref() == Some(name)))
    }

    fn outlived(&self) -> String {
        group_of_server(&self.server.namespace, self.server.name.as_str())
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

//! Children that are the whole cluster's. Garbage collection does not know whose they are, so they
//! are deleted here when their server is.

use std::sync::Arc;

use super::{Applier, ApplyError};
use crate::cache::group_of_server;
use crate::children::{Child, Children, Desired, Live, Make, Nothing, Step};
use crate::reach::Reach;

/// Whether `desired` has any.
pub fn wants_cluster_wide(desired: &Children<Desired>) -> bool {
    struct Wants<'a>(&'a Children<Desired>, bool);
    impl Make<Nothing> for Wants<'_> {
        fn make<K: Child>(&mut self) {
            self.1 |= K::Scope::IS_CLUSTER_WIDE && !K::of(self.0).is_empty();
        }
    }
    let mut wants = Wants(desired, false);
    Children::<Nothing>::from_each(&mut wants);
    wants.1
}

struct Left<'a> {
    applier: &'a Applier,
    group: String,
    count: usize,
}

impl Make<Live> for Left<'_> {
    fn make<K: Child>(&mut self) -> Vec<Arc<K>> {
        if !K::Scope::IS_CLUSTER_WIDE {
            return Vec::new();
        }
        let left = K::of(&*self.applier.caches).group(&self.group);
        self.count += left.len();
        left
    }
}

struct Delete<'a>(&'a Applier);

impl Step<Live, Nothing> for Delete<'_> {
    type Error = ApplyError;

    async fn step<K: Child>(&mut self, left: Vec<Arc<K>>) -> Result<(), ApplyError> {
        for object in left.iter().filter(|it| it.meta().deletion_timestamp.is_none()) {
            self.0.delete(&**object).await?;
        }
        Ok(())
    }
}

impl Applier {
    /// Whether a server still has any.
    pub fn has_cluster_wide(&self, namespace: &str, server: &str) -> bool {
        self.left(namespace, server).1 > 0
    }

    /// Deletes all that a server has, and says whether none was left to delete: they are gone only
    /// when the watch has shown it.
    pub async fn delete_cluster_wide(&self, namespace: &str, server: &str) -> Result<bool, ApplyError> {
        let (left, count) = self.left(namespace, server);
        left.try_each(&mut Delete(self)).await?;
        Ok(count == 0)
    }

    fn left(&self, namespace: &str, server: &str) -> (Children<Live>, usize) {
        let mut left = Left { applier: self, group: group_of_server(namespace, server), count: 0 };
        let children = Children::from_each(&mut left);
        (children, left.count)
    }
}

//! What to do about one object: pure. [`super`] does it, and asks again with what it has learned.
//!
//! So every decision can be tried out against any state of a cluster: `tests/model` tries all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use serde_json::Value;
use std::sync::Arc;

use super::diff::{self, Difference};
use super::error::ApplyError;
use crate::cache::{owner, owner_uid};
use crate::children::{Child, Children, Live, Make, Nothing, Settled};
use crate::labels;
use crate::reach::Reach;
use crate::validate::ValidatedServer;

/// No stored object has this version: the first that etcd gives is larger.
const NEVER_STORED: &str = "1";

/// What is known when an object is decided about.
#[derive(Clone, Debug)]
pub struct Facts<K> {
    /// The object that exists: as the cache has it, or as it was read because it was to be created
    /// and the API server said that it is there.
    pub live: Option<Arc<K>>,
    /// Whether the API server was asked, and said that the server is there and stays.
    pub server_stays: bool,
}

/// What to do about an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<K> {
    /// Nothing: it is as it should be.
    Keep,
    /// Nothing, since the server is suspended.
    Hold,
    /// First find out whether the server is there and stays.
    AskForServer,
    /// Write this. Where nothing was live, a conflict says that it exists: then it is to be read.
    Apply { wish: Box<K>, difference: Difference },
}

/// What to do about an object that should exist.
pub fn decide<K: Child>(object: &K, server: &ValidatedServer, facts: &Facts<K>) -> Result<Decision<K>, ApplyError> {
    let live = facts.live.as_deref();
    if let Some(found) = live.filter(|it| !is_of(*it, server)) {
        return Err(ApplyError::conflict_over(found));
    }
    let wish = wish(object, live)?;
    let difference = match live {
        Some(live) => diff::difference(&manifest(&wish)?, &manifest(live)?),
        None => Some(Difference::Missing),
    };
    let Some(difference) = difference else { return Ok(Decision::Keep) };
    if server.suspend {
        return Ok(Decision::Hold);
    }
    // A server that is being deleted with `--cascade=orphan` lets go of its children one by one, and
    // the cache may not have shown its end yet. To take them back now would be their death: they would
    // name an owner that no longer exists.
    let was_let_go = live.is_some_and(|it| owner(it).is_none());
    // What a server had, and has no more, may have gone with it.
    let was_removed = live.is_none() && !server.is_new;
    if (was_let_go || was_removed) && owner(object).is_some() && !facts.server_stays {
        return Ok(Decision::AskForServer);
    }
    Ok(Decision::Apply { wish: Box::new(wish), difference })
}

/// What to do about an object of a write-once kind.
#[derive(Clone, Debug)]
pub enum Once<K> {
    /// Nothing: it was made before, or it is too early.
    Leave,
    /// Nothing, since the server is suspended.
    Hold,
    /// Create it. Afterwards it exists, and `key` is to be remembered. If it exists already, and
    /// [`may_be_left`] by another owner, it is not the one that was to be made.
    Create { object: Box<K>, key: String, owned_since: Option<Time> },
}

/// Longer than it takes until garbage collection has removed what an object left that is gone.
const COLLECTED: SignedDuration = SignedDuration::from_secs(10);

/// Whether an object that exists, and cannot be read, may be what an earlier owner of the same name has
/// left: about to be removed, as that one was. All that can be seen is that its owner is young.
pub fn may_be_left(owned_since: Option<&Time>, now: Timestamp) -> bool {
    owned_since.is_some_and(|since| now.duration_since(since.0) < COLLECTED)
}

/// What to do about an object of a write-once kind, which is never looked at. `live` is all that the
/// server has, and `is_made` tells by its key what is known to exist.
pub fn decide_once<K: Child>(
    object: K,
    server: &ValidatedServer,
    live: &Children<Live>,
    is_made: impl Fn(&str) -> bool,
) -> Once<K> {
    let Some(object) = object.begin(live) else { return Once::Leave };
    let key = format!("{}/{}", owner_uid_of(&object), object.name_any());
    if is_made(&key) {
        return Once::Leave;
    }
    if server.suspend {
        return Once::Hold;
    }
    let owned_since = since(live, owner_uid_of(&object));
    Once::Create { object: Box::new(object), key, owned_since }
}

/// When the object of this uid was made.
fn since(live: &Children<Live>, uid: &str) -> Option<Time> {
    struct Find<'a>(&'a Children<Live>, &'a str, Option<Time>);
    impl Make<Nothing> for Find<'_> {
        fn make<K: Child>(&mut self) {
            let found = K::of(self.0).iter().find(|it| it.meta().uid.as_deref() == Some(self.1));
            self.2 = self.2.take().or_else(|| found?.meta().creation_timestamp.clone());
        }
    }
    let mut find = Find(live, uid, None);
    Children::<Nothing>::from_each(&mut find);
    find.2
}

/// Whether an object that a server has beyond what it should have is to be removed.
///
/// One that was not built since it had to wait is wanted, too: had the cache shown it a moment earlier, it
/// would not have had to. After a start, what is seen first may be of before its first rollout.
pub fn is_superfluous<K: Child>(object: &K, server: &ValidatedServer) -> bool {
    let waits = || K::MAY_WAIT && server.is_waiting(&object.name_any());
    object.meta().deletion_timestamp.is_none() && !waits()
}

/// How to remove just this object, and no other that has its name by then.
pub fn removal<K: Child>(object: &K) -> DeleteParams {
    let preconditions = Some(Preconditions { uid: object.uid(), resource_version: None });
    DeleteParams { preconditions, ..DeleteParams::background() }
}

/// The object as it should be, sealed, with what has to be so of the one that exists for it to be written.
fn wish<K: Child>(object: &K, live: Option<&K>) -> Result<K, ApplyError> {
    let hash = diff::hash(object).map_err(|error| ApplyError::unwritable::<K>(&object.name_any(), &error))?;
    let mut wish = object.clone();
    if let Some(live) = live {
        let settled =
            wish.settle(live).map_err(|message| ApplyError::change_refused::<K>(&object.name_any(), message))?;
        // Should somebody have replaced it in the meantime, the API server will say so.
        wish.meta_mut().uid = live.uid();
        if settled == Settled::TakenOver {
            wish.meta_mut().resource_version = live.resource_version();
        }
    } else {
        wish.meta_mut().resource_version = Some(NEVER_STORED.into());
    }
    diff::seal(&mut wish, hash);
    Ok(wish)
}

/// Whether an object is this server's: owned by it, or made for it and owned by nobody.
fn is_of<K: Child>(object: &K, server: &ValidatedServer) -> bool {
    owner_uid(object).map_or_else(|| is_orphan(object, server), |uid| uid == server.owner.uid)
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

/// The uid of whatever owns it, be that a controller or not.
fn owner_uid_of<K: Child>(object: &K) -> &str {
    object.owner_references().first().map_or("", |it| it.uid.as_str())
}

/// The object as JSON, with its type.
fn manifest<K: Child>(object: &K) -> Result<Value, ApplyError> {
    serde_json::to_value(object).map_err(|error| ApplyError::unwritable::<K>(&object.name_any(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::build;
    use crate::testing::{smallest, smallest_with, validated};
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::json;

    #[test]
    fn a_child_that_is_missing_is_made_at_once_only_where_the_server_is_new() {
        let mut server = validated(&smallest()).expect("valid");
        let deployment = build(&server).deployments.remove(0);
        let missing = |server_stays| Facts { live: None, server_stays };
        let decided = |server: &_, facts| decide(&deployment, server, &facts).expect("decided");
        let applied = decided(&server, missing(false));
        assert!(matches!(applied, Decision::Apply { difference: Difference::Missing, .. }), "{applied:?}");
        server.is_new = false;
        assert_eq!(decided(&server, missing(false)), Decision::AskForServer, "it may have gone with its server");
        assert!(matches!(decided(&server, missing(true)), Decision::Apply { .. }));
    }

    #[test]
    fn a_workload_that_shows_only_after_it_had_to_wait_is_no_more_superfluous_than_before() {
        let rich = json!({"dependencies": [{"name": "db", "preset": "postgres", "version": "17"}]});
        let mut server = validated(&smallest_with(&rich)).expect("valid");
        assert!(!server.waits_for.is_empty() && build(&server).deployments.is_empty());
        let named = |name: &str| Deployment {
            metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
            ..Deployment::default()
        };
        let own = server.pod.part.to_string();
        assert!(!is_superfluous(&named(&own), &server));
        assert!(is_superfluous(&named("other"), &server), "no workload of this server");
        server.waits_for.clear();
        assert!(is_superfluous(&named(&own), &server), "it had not to wait, and was not built");
    }

    #[test]
    fn what_an_owner_that_is_gone_left_is_not_taken_for_ones_own() {
        let since = Time(Timestamp::UNIX_EPOCH);
        let after = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        assert!(may_be_left(Some(&since), after(0)), "garbage collection may not have come to it yet");
        assert!(!may_be_left(Some(&since), after(10)), "by now it has: the object is the owner's own");
        assert!(!may_be_left(None, after(0)), "nothing is known of its owner");
    }
}

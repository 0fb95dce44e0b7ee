//! What went away unseen. A watch that broke, and whose past is gone, lists anew: that shows what there
//! is, and says no word of what there is no more, so nobody would look at the servers whose it was.

use kube::Resource;
use kube::runtime::watcher::Event;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The objects that a watch has shown, by a hash of their uids.
#[derive(Default)]
pub(super) struct Losses {
    seen: HashSet<u64>,
    /// What a running list has shown so far.
    listed: HashSet<u64>,
}

impl Losses {
    /// Takes in what the watch shows; says whether something went away unseen.
    pub(super) fn observe<K: Resource>(&mut self, event: &Event<K>) -> bool {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(object) => {
                self.listed.insert(key(object));
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                return !std::mem::replace(&mut self.seen, listed).is_subset(&self.seen);
            }
            Event::Apply(object) => {
                self.seen.insert(key(object));
            }
            Event::Delete(object) => {
                self.seen.remove(&key(object));
            }
        }
        false
    }
}

fn key(object: &impl Resource) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(&object.meta().uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn object(uid: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"name": "it", "uid": uid}})).expect("a valid object")
    }

    /// Whether a list with these objects shows a loss.
    fn lists(losses: &mut Losses, uids: &[&str]) -> bool {
        assert!(!losses.observe(&Event::<ConfigMap>::Init));
        for uid in uids {
            assert!(!losses.observe(&Event::InitApply(object(uid))));
        }
        losses.observe(&Event::<ConfigMap>::InitDone)
    }

    #[test]
    fn what_a_list_no_longer_has_is_lost_unless_its_end_was_seen() {
        let mut losses = Losses::default();
        assert!(!lists(&mut losses, &["a", "b"]));
        assert!(!lists(&mut losses, &["a", "b", "c"]));
        assert!(lists(&mut losses, &["a", "c"]));
        assert!(!losses.observe(&Event::Delete(object("a"))));
        assert!(!losses.observe(&Event::Apply(object("d"))));
        assert!(!lists(&mut losses, &["c", "d"]));
        assert!(lists(&mut losses, &["c", "another by the name of d"]));
        assert!(!lists(&mut losses, &["c", "another by the name of d"]));
    }
}

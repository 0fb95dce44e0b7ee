//! Lets new servers in a few at a time.
//!
//! The controller's queue has no order: whatever is in it may be next. Were all of a thousand new servers
//! in it, one that has just become ready would wait behind hundreds that have not begun, and no client
//! would hear of it. So a server without children waits here until it is its turn, in the order in which
//! they came, and finds in the queue only those that are under way.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::{Lookup, ObjectRef};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::references::ObjectName;

/// Of the workers, one in so many is for servers that have begun.
const SHARE_OF_OTHERS: usize = 4;

/// Who waits, and who has been let in.
pub(super) struct Intake {
    places: usize,
    state: Mutex<State>,
    /// Nobody listens any more while the operator stops.
    next: UnboundedSender<ObjectName>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<ObjectName>,
    /// The same, to be found.
    queued: HashSet<ObjectName>,
    /// Whose first pass has yet to end.
    inside: HashSet<ObjectName>,
}

impl Intake {
    /// For so many workers; the stream is of those whose turn it is.
    pub(super) fn new(workers: u16) -> (Self, UnboundedReceiver<ObjectName>) {
        let (next, turns) = unbounded();
        let workers = usize::from(workers);
        let places = (workers - workers / SHARE_OF_OTHERS).max(1);
        (Self { places, state: Mutex::default(), next }, turns)
    }

    /// A new server is there, or has changed.
    pub(super) fn offer(&self, server: ObjectName) {
        let mut state = self.state();
        if state.inside.contains(&server) {
            // It has changed, and its first pass may have begun with what it was before.
            let _ = self.next.unbounded_send(server);
        } else if state.queued.insert(server.clone()) {
            state.waiting.push_back(server);
            self.let_in(&mut state);
        }
    }

    /// A pass over a server has ended, however it did.
    pub(super) fn ended<K: Lookup>(&self, server: &ObjectRef<K>) {
        let name = (server.namespace.clone().unwrap_or_default(), server.name.clone());
        let mut state = self.state();
        if state.inside.remove(&name) {
            self.let_in(&mut state);
        }
    }

    /// Whether more servers wait than can be let in.
    pub(super) fn is_crowded(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    fn let_in(&self, state: &mut State) {
        while state.inside.len() < self.places
            && let Some(server) = state.waiting.pop_front()
        {
            state.queued.remove(&server);
            state.inside.insert(server.clone());
            let _ = self.next.unbounded_send(server);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn server(name: &str) -> ObjectName {
        ("team".into(), name.into())
    }

    fn pass_of(name: &str) -> ObjectRef<ConfigMap> {
        ObjectRef::new(name).within("team")
    }

    fn let_in(turns: &mut UnboundedReceiver<ObjectName>) -> Vec<String> {
        std::iter::from_fn(|| turns.try_recv().ok()).map(|(_, name)| name).collect()
    }

    #[test]
    fn each_waits_until_one_before_it_has_begun() {
        let (intake, mut turns) = Intake::new(4);
        for name in ["a", "b", "c", "d", "e"] {
            intake.offer(server(name));
        }
        assert_eq!(let_in(&mut turns), ["a", "b", "c"], "one worker is left for others");
        assert!(intake.is_crowded());
        intake.ended(&pass_of("other"));
        assert!(let_in(&mut turns).is_empty());
        intake.ended(&pass_of("b"));
        assert_eq!(let_in(&mut turns), ["d"]);
        intake.ended(&pass_of("a"));
        assert_eq!(let_in(&mut turns), ["e"]);
        assert!(!intake.is_crowded());
    }

    #[test]
    fn a_single_worker_lets_new_servers_in_too() {
        let (intake, mut turns) = Intake::new(1);
        intake.offer(server("a"));
        assert_eq!(let_in(&mut turns), ["a"]);
    }

    #[test]
    fn one_that_changes_is_looked_at_again_and_takes_no_other_place() {
        let (intake, mut turns) = Intake::new(1);
        for name in ["a", "b", "b"] {
            intake.offer(server(name));
        }
        assert_eq!(let_in(&mut turns), ["a"]);
        intake.offer(server("a"));
        assert_eq!(let_in(&mut turns), ["a"]);
        intake.ended(&pass_of("a"));
        assert_eq!(let_in(&mut turns), ["b"]);
        intake.ended(&pass_of("b"));
        assert!(let_in(&mut turns).is_empty());
    }
}

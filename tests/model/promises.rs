//! What is promised of a cluster in which nothing happens any more.

use std::fmt::Write as _;

use crate::api_server::FOREIGN;
use crate::cluster::{Cluster, Owner};
use crate::lab::{Id, Next, Request, Shown, Wish};
use crate::state::State;
use landfall::apply::diff::APPLIED_HASH;
use landfall::labels;

impl Cluster {
    /// Whether what is there is what a fresh build makes, and nothing else.
    pub fn check_settled(&self, state: &State) -> Result<(), String> {
        let mut wanted = vec![false; self.samples.len()];
        let mut is_blocked = vec![false; state.servers.len()];
        for shown in state.servers.iter().flatten() {
            let plan = self.lab.last_plan(*shown);
            for wish in &plan.wishes {
                wanted[usize::from(wish.slot)] = true;
                if !self.is_right(state, *shown, wish)? {
                    // The operator says so, and waits for a person.
                    is_blocked[usize::from(shown.name)] = true;
                    break;
                }
            }
            if !is_blocked[usize::from(shown.name)] && !state.is_password_lost {
                let there: Vec<_> = state.store.iter().map(|it| it.map(|it| it.seen)).collect();
                self.lab.is_reported(*shown, &plan, &there)?;
            }
        }
        for (slot, stored) in (0..).zip(&state.store) {
            // Who takes off the label takes the object out of the operator's sight; it goes with the server.
            let Some(stored) = stored.filter(|it| self.is_watched(slot, it.seen.content)) else { continue };
            let owners = self.owners(stored.seen.content);
            let of = |it: &&Shown| owners.contains(&Owner::Server(it.name, it.uid));
            let owner = state.servers.iter().flatten().find(of);
            if owner.is_some_and(|it| !wanted[usize::from(slot)] && !is_blocked[usize::from(it.name)]) {
                return Err(format!("{} is left over", self.name(slot)));
            }
        }
        Ok(())
    }

    /// Whether a wish came true; `false` where the place is somebody else's, so that nobody but a person
    /// can help.
    fn is_right(&self, state: &State, shown: Shown, wish: &Wish) -> Result<bool, String> {
        let stored = state.store[usize::from(wish.slot)];
        if wish.is_once {
            return match stored {
                None if state.is_password_lost => Ok(true),
                None => Err(format!("{} is missing", self.name(wish.slot))),
                Some(_) => Ok(true),
            };
        }
        let Some(stored) = stored else {
            let is_waiting = state.is_password_lost && self.is_workload[usize::from(wish.slot)];
            return if is_waiting { Ok(true) } else { Err(format!("{} is missing", self.name(wish.slot))) };
        };
        let is_mine = self.is_mine.get((shown, stored.seen.content), |_| self.is_marked(shown, stored.seen.content));
        if !is_mine {
            return Ok(false);
        }
        let expected = match self.lab.decide(shown, wish, None, false) {
            Next::Ask(Request::Apply { manifest }) => self.merge(None, None, self.manifest(manifest).body),
            other => return Err(format!("{} should be made, and not {other:?}", self.name(wish.slot))),
        };
        let is_alike = self.alike.get((stored.seen.content, expected), |_| {
            let mut live = (*self.lab.value(stored.seen.content)).clone();
            if let Some(annotations) = live["metadata"]["annotations"].as_object_mut() {
                annotations.remove(FOREIGN);
            }
            if let Some(live) = live.as_object_mut() {
                live.remove("status");
            }
            live == *self.lab.value(expected)
        });
        if is_alike {
            return Ok(true);
        }
        let mut text = format!("{} is not as a fresh build makes it:", self.name(wish.slot));
        for id in [stored.seen.content, expected] {
            let _ = write!(text, "\n     {}", self.lab.value(id));
        }
        Err(text)
    }

    /// Whether an object says that it is this server's: owned by it, or made by us and owned by nobody.
    fn is_marked(&self, shown: Shown, content: Id) -> bool {
        let object = self.lab.value(content);
        let metadata = &object["metadata"];
        let owners = self.owners(content);
        let is_ours = metadata["labels"][labels::MANAGED_BY] == labels::LANDFALL
            && metadata["labels"][labels::INSTANCE] == self.lab.servers[usize::from(shown.name)].0
            && metadata["annotations"][APPLIED_HASH].is_string();
        owners.contains(&Owner::Server(shown.name, shown.uid)) || (owners.is_empty() && is_ours)
    }
}

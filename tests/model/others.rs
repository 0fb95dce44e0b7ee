//! What users do, what others do, and what the rest of the cluster does with what the operator makes.

use serde_json::{Value, json};

use crate::api_server::FOREIGN;
use crate::cluster::{Cluster, Login};
use crate::lab::{Id, Shown, Slot, byte};
use crate::scope::Way;
use crate::state::State;
use landfall::apply::diff::APPLIED_HASH;
use landfall::labels;

impl Cluster {
    /// The content after a change by somebody else.
    pub fn meddled(&self, slot: Slot, content: Id, way: Way) -> Id {
        self.changed.get((slot, content, way as u8), |_| {
            let mut object = (*self.lab.value(content)).clone();
            let metadata = &mut object["metadata"];
            let mut take = |map: &str, key: &str| {
                if let Some(map) = metadata[map].as_object_mut() {
                    map.remove(key);
                }
            };
            match way {
                Way::TakeLabel => take("labels", labels::MANAGED_BY),
                Way::TakeHash => take("annotations", APPLIED_HASH),
                Way::Disown => metadata["ownerReferences"] = Value::Null,
                Way::Edit => metadata["labels"]["app.kubernetes.io/name"] = json!("edited"),
                Way::Annotate => metadata["annotations"][FOREIGN] = json!("mine"),
                Way::Delete | Way::Replace | Way::Make => {}
            }
            if way == Way::Disown
                && let Some(metadata) = metadata.as_object_mut()
            {
                metadata.remove("ownerReferences");
            }
            self.lab.id(&object)
        })
    }

    pub fn meddle(&self, state: &mut State, slot: Slot, way: Way) -> Result<(), String> {
        match way {
            Way::Delete => self.remove(state, slot, true)?,
            Way::Replace => {
                self.remove(state, slot, true)?;
                self.make(state, slot, self.foreign(slot), None, None);
            }
            Way::Make => {
                self.make(state, slot, self.foreign(slot), None, None);
            }
            _ => {
                let content = state.store[usize::from(slot)].map(|it| it.seen.content);
                if let Some(content) = content {
                    self.write(state, slot, self.meddled(slot, content, way));
                }
            }
        }
        Ok(())
    }

    pub fn user(state: &mut State, server: usize, spec: Option<u8>) {
        let before = state.servers[server];
        state.servers[server] = spec.map(|spec| {
            if before.is_none() {
                state.server_uids[server] += 1;
            }
            Shown { name: byte(server), spec, uid: state.server_uids[server] }
        });
        state.server_news.push((byte(server), state.servers[server]));
    }

    /// Pods start: what they write can be read only with the password that they started with.
    pub fn open(&self, state: &mut State) {
        for login in &self.logins {
            let uid = |slot: Slot| state.store[usize::from(slot)].map(|it| it.seen.uid);
            let (Some(claim), Some(secret), Some(_)) = (uid(login.holder), uid(login.secret), uid(login.workload))
            else {
                continue;
            };
            // A pod takes longer to start than garbage collection to remove what is left of a claim before.
            if self.is_garbage(state, login.secret) {
                continue;
            }
            let is_open = state.data.iter().any(|it| it.0 == login.holder && it.1 == claim);
            if self.is_claim[usize::from(login.holder)] && !is_open {
                state.data.push((login.holder, claim, secret));
            }
        }
    }

    pub fn may_be_ready(&self, state: &State, slot: Slot) -> bool {
        let there = |slot: Slot| state.store[usize::from(slot)].is_some();
        let is_held = |it: &Login| {
            it.workload != slot || (there(it.secret) && there(it.holder) && !self.is_garbage(state, it.secret))
        };
        self.is_workload[usize::from(slot)]
            && state.store[usize::from(slot)].is_some_and(|it| it.maker.is_some() && !self.is_ready(it.seen.content))
            && self.logins.iter().all(is_held)
    }

    pub fn ready(&self, state: &mut State, slot: Slot) {
        let Some(content) = state.store[usize::from(slot)].map(|it| it.seen.content) else { return };
        let content = self.changed.get((slot, content, u8::MAX), |_| {
            let mut object = (*self.lab.value(content)).clone();
            object["status"] = json!({"replicas": 1, "readyReplicas": 1});
            self.lab.id(&object)
        });
        self.write(state, slot, content);
    }
}

//! What the API server does with requests, and its garbage collector with what is left: the part of it
//! that the operator relies on.

use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, Owner};
use crate::lab::{Id, Lab, NAMESPACE, News, Request, Seen, Slot};
use crate::scope::Broken;
use crate::state::{Answer, State, Stored};
use landfall::apply::diff::APPLIED_HASH;

/// An annotation that somebody else has put on.
pub const FOREIGN: &str = "example.com/note";

impl Cluster {
    /// Carries out what the pass over a server asks.
    pub fn execute(&self, state: &mut State, server: usize) -> Result<(), String> {
        let Some(pass) = state.passes[server].clone() else { return Ok(()) };
        let slot = pass.slot;
        let answer = match &pass.request {
            Request::Apply { manifest } => self.apply(state, server, slot, *manifest)?,
            Request::Create { content, .. } => self.create(state, server, slot, *content)?,
            Request::Delete { uid } => self.delete(state, server, slot, *uid)?,
            Request::Read => {
                let found = state.store[usize::from(slot)].map(|it| it.seen);
                Answer::Found(found.map(|it| self.as_read(it, pass.shown)))
            }
            Request::AskForServer => {
                Answer::ServerStays(state.servers[server].is_some_and(|it| it.uid == pass.shown.uid))
            }
        };
        if let Some(pass) = &mut state.passes[server] {
            pass.answer = Some(answer);
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, server: usize, slot: Slot, manifest: Id) -> Result<Answer, String> {
        let Manifest { mut uid, mut version, mut body } = self.manifest(manifest);
        match self.broken {
            Some(Broken::AppliesWithoutUid) => uid = None,
            Some(Broken::AppliesOverAnything) => version = None,
            Some(Broken::ForgetsTheHash) => body = self.without_hash(body),
            _ => {}
        }
        let at = usize::from(slot);
        let Some(stored) = state.store[at] else {
            // Kubernetes: "uid mismatch: the provided object specified uid …, and no existing object was found".
            if uid.is_some() || version.is_some_and(|it| it != "1") {
                return Ok(Answer::Conflict);
            }
            let content = self.merge(None, None, body);
            return Ok(Answer::Written(self.make(state, slot, content, Some(body), Some(server))));
        };
        let is_other = uid.is_some_and(|it| it != Lab::uid(slot, stored.seen.uid));
        if is_other || version.is_some_and(|it| it != Lab::version(stored.seen.version)) {
            return Ok(Answer::Conflict);
        }
        if stored.maker.map(usize::from) != Some(server) {
            return Err(format!("{} was overwritten, which this server's operator did not make", self.name(slot)));
        }
        let content = self.merge(Some(stored.seen.content), stored.applied, body);
        let seen = self.write(state, slot, content);
        if let Some(stored) = &mut state.store[at] {
            stored.applied = Some(body);
        }
        Ok(Answer::Written(seen))
    }

    fn create(&self, state: &mut State, server: usize, slot: Slot, content: Id) -> Result<Answer, String> {
        if state.store[usize::from(slot)].is_some() && self.broken != Some(Broken::CreatesOverAnything) {
            return Ok(Answer::Exists { is_garbage: self.is_garbage(state, slot) });
        }
        self.make(state, slot, content, None, Some(server));
        let owners = self.owners(content);
        let held = state.data.iter().any(|(claim, uid, _)| owners.contains(&Owner::Object(*claim, *uid)));
        if held && !state.is_password_lost {
            return Err(format!("{} is a second password for data that has one", self.name(slot)));
        }
        Ok(Answer::Created)
    }

    fn delete(&self, state: &mut State, server: usize, slot: Slot, uid: Option<Id>) -> Result<Answer, String> {
        let uid = uid.filter(|_| self.broken != Some(Broken::DeletesWithoutUid));
        let Some(stored) = state.store[usize::from(slot)] else { return Ok(Answer::Deleted) };
        if uid.is_some_and(|it| *self.lab.value(it) != json!(Lab::uid(slot, stored.seen.uid))) {
            return Ok(Answer::Conflict);
        }
        if stored.maker.map(usize::from) != Some(server) {
            return Err(format!("{} was deleted, which this server's operator did not make", self.name(slot)));
        }
        self.remove(state, slot, false)?;
        Ok(Answer::Deleted)
    }

    /// A new object.
    pub fn make(&self, state: &mut State, slot: Slot, content: Id, applied: Option<Id>, maker: Option<usize>) -> Seen {
        let at = usize::from(slot);
        let (version, born) = state.now(slot);
        state.uids[at] += 1;
        let seen = Seen { content, version, uid: state.uids[at], born: if self.has_age[at] { born } else { 0 } };
        state.store[at] = Some(Stored { seen, applied, maker: maker.map(crate::lab::byte) });
        if self.is_watched(slot, content) {
            state.news.push((slot, News::Shown(seen)));
        }
        seen
    }

    /// Another content of an object, if it is another.
    pub fn write(&self, state: &mut State, slot: Slot, content: Id) -> Seen {
        let version = state.now(slot).0;
        let Some(stored) = &mut state.store[usize::from(slot)] else { unreachable!("it was there") };
        let before = stored.seen;
        if before.content != content {
            stored.seen = Seen { content, version, ..before };
            let seen = stored.seen;
            match (self.is_watched(slot, before.content), self.is_watched(slot, content)) {
                (_, true) => state.news.push((slot, News::Shown(seen))),
                (true, false) => state.news.push((slot, News::Gone(seen))),
                (false, false) => {}
            }
            return seen;
        }
        before
    }

    /// An object ends. Data is to outlive all but its own deletion by somebody else.
    pub fn remove(&self, state: &mut State, slot: Slot, by_others: bool) -> Result<(), String> {
        let version = state.now(slot).0;
        let Some(stored) = state.store[usize::from(slot)].take() else { return Ok(()) };
        if self.is_watched(slot, stored.seen.content) {
            state.news.push((slot, News::Gone(Seen { version, ..stored.seen })));
        }
        if by_others {
            state.is_password_lost |= self.logins.iter().any(|it| it.secret == slot);
        } else if self.is_claim[usize::from(slot)] {
            return Err(format!("the data of {} is lost", self.name(slot)));
        }
        state.data.retain(|(claim, uid, _)| *claim != slot || *uid != stored.seen.uid);
        Ok(())
    }

    /// Whether the garbage collector removes an object: all of its owners are gone.
    pub fn is_garbage(&self, state: &State, slot: Slot) -> bool {
        let Some(stored) = &state.store[usize::from(slot)] else { return false };
        let owners = self.owners(stored.seen.content);
        !owners.is_empty() && !owners.iter().any(|it| is_alive(state, *it))
    }

    /// Server-side apply: what was applied and is no longer goes, what is wanted is put over the rest.
    pub fn merge(&self, existing: Option<Id>, applied: Option<Id>, body: Id) -> Id {
        self.merged.get((existing, applied, body), |_| {
            let body = self.lab.value(body);
            let mut content = existing.map_or_else(|| json!({}), |it| (*self.lab.value(it)).clone());
            if let Some(applied) = applied {
                take_out(&mut content, &self.lab.value(applied), &body);
            }
            put_over(&mut content, &body);
            if content["kind"] == "PersistentVolumeClaim" && content["spec"]["storageClassName"].is_null() {
                content["spec"]["storageClassName"] = json!("standard");
            }
            self.lab.id(&content)
        })
    }

    /// What somebody else makes of this name: a copied manifest, labels and all.
    pub fn foreign(&self, slot: Slot) -> Id {
        let (kind, name) = self.lab.slot(slot);
        let copied = self.lab.value(self.samples[usize::from(slot)]);
        let mut content = (*copied).clone();
        content["kind"] = json!(kind);
        content["metadata"] = json!({"name": name, "namespace": NAMESPACE, "labels": copied["metadata"]["labels"]});
        self.lab.id(&content)
    }

    pub fn manifest(&self, id: Id) -> Manifest {
        self.manifests.get(id, |_| {
            let mut body = (*self.lab.value(id)).clone();
            let mut take = |key: &str| Some(body["metadata"].as_object_mut()?.remove(key)?.as_str()?.to_owned());
            let (uid, version) = (take("uid"), take("resourceVersion"));
            Manifest { uid, version, body: self.lab.id(&body) }
        })
    }

    /// What is read, as it would look to an operator that takes all for its own.
    fn as_read(&self, seen: Seen, shown: crate::lab::Shown) -> Seen {
        if self.broken != Some(Broken::TakesAllForItsOwn) {
            return seen;
        }
        let mut content = (*self.lab.value(seen.content)).clone();
        let owner = json!({"apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "controller": true,
            "name": self.lab.servers[usize::from(shown.name)].0, "uid": Lab::server_uid(shown)});
        content["metadata"]["ownerReferences"] = json!([owner]);
        Seen { content: self.lab.id(&content), ..seen }
    }

    fn without_hash(&self, body: Id) -> Id {
        let mut body = (*self.lab.value(body)).clone();
        if let Some(annotations) = body["metadata"]["annotations"].as_object_mut() {
            annotations.remove(APPLIED_HASH);
        }
        self.lab.id(&body)
    }
}

fn is_alive(state: &State, owner: Owner) -> bool {
    match owner {
        Owner::Server(name, uid) => state.servers[usize::from(name)].is_some_and(|it| it.uid == uid),
        Owner::Object(slot, uid) => state.store[usize::from(slot)].is_some_and(|it| it.seen.uid == uid),
    }
}

/// What an apply says, and what has to be so of the object for it.
#[derive(Clone)]
pub struct Manifest {
    pub uid: Option<String>,
    pub version: Option<String>,
    pub body: Id,
}

/// Takes out of `content` what stands in `applied` and not in `body`.
fn take_out(content: &mut Value, applied: &Value, body: &Value) {
    let (Some(content), Some(applied)) = (content.as_object_mut(), applied.as_object()) else { return };
    let none = Map::new();
    let body = body.as_object().unwrap_or(&none);
    for (key, was) in applied {
        match (body.get(key), content.get_mut(key)) {
            (None, Some(now)) if now.is_object() && was.is_object() => {
                take_out(now, was, &Value::Null);
                if now.as_object().is_some_and(Map::is_empty) {
                    content.remove(key);
                }
            }
            (None, _) => {
                content.remove(key);
            }
            (Some(stays), Some(now)) => take_out(now, was, stays),
            (Some(_), None) => {}
        }
    }
}

fn put_over(content: &mut Value, body: &Value) {
    match (content, body) {
        (Value::Object(content), Value::Object(body)) => {
            body.iter().for_each(|(key, value)| put_over(content.entry(key.clone()).or_insert(Value::Null), value));
        }
        (content, body) => *content = body.clone(),
    }
}

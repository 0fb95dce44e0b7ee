//! What may happen in a cluster, and what is promised whatever happens.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::api_server::Manifest;
use crate::explorer::Model;
use crate::lab::{Id, Lab, Shown, Slot, Wish, byte};
use crate::memo::Memo;
use crate::scope::{Broken, Scope, Way};
use crate::state::{Answer, Left, State};
use landfall::labels;

/// How many changes the watch may be behind the garbage collector.
const LAG: usize = 2;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Action {
    // Users.
    Create(usize, u8),
    Edit(usize, u8),
    End(usize),
    // Others.
    Meddle(Slot, Way),
    // The operator.
    Crash {
        is_stale: bool,
    },
    Begin(usize),
    /// The API server carries out what a pass asks.
    Execute(usize),
    Answered(usize),
    Show,
    ShowServer,
    // The rest of the cluster.
    Collect(Slot),
    Ready(Slot),
}

/// What an object is owned by, as its uid tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Server(u8, u8),
    Object(Slot, u8),
}

impl Owner {
    fn of(uid: &str) -> Option<Self> {
        let mut parts = uid.split('.');
        let kind = parts.next()?;
        let (name, uid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(if kind == "server" { Self::Server(name, uid) } else { Self::Object(name, uid) })
    }
}

/// A generated password: where it is, what it opens, and what runs with it.
#[derive(Clone, Copy)]
pub struct Login {
    pub secret: Slot,
    pub holder: Slot,
    pub workload: Slot,
}

/// A cluster, as far as it does not change.
pub struct Cluster {
    pub lab: Lab,
    pub broken: Option<Broken>,
    pub logins: Vec<Login>,
    /// Of each place: an object that may be there; and what of it matters often.
    pub samples: Vec<Id>,
    pub has_age: Vec<bool>,
    pub is_claim: Vec<bool>,
    pub is_secret: Vec<bool>,
    pub is_workload: Vec<bool>,
    pub kind_of: Vec<usize>,
    pub kinds: usize,
    pub merged: Memo<(Option<Id>, Option<Id>, Id), Id>,
    pub manifests: Memo<Id, Manifest>,
    owned: Memo<Id, Rc<Vec<Owner>>>,
    watched: Memo<(Slot, Id), bool>,
    pub changed: Memo<(Slot, Id, u8), Id>,
    pub is_mine: Memo<(Shown, Id), bool>,
    pub alike: Memo<(Id, Id), bool>,
    meddled: Vec<Slot>,
    ways: &'static [Way],
    left: Left,
    at_first: usize,
    is_settled: bool,
    may_end: bool,
}

impl Cluster {
    pub fn new(scope: Scope) -> Self {
        let lab = Lab::new(scope.servers);
        let slots: Vec<Slot> = (0..byte(lab.slots())).collect();
        let mut wishes: Vec<Wish> = Vec::new();
        for (name, (_, specs)) in (0..).zip(&lab.servers) {
            for spec in 0..byte(specs.len()) {
                wishes.extend(lab.last_plan(Shown { name, spec, uid: 1 }).wishes.iter().cloned());
            }
        }
        let sample = |slot: Slot| wishes.iter().find(|it| it.slot == slot).expect("somebody wants it").object;
        let samples: Vec<Id> = slots.iter().map(|it| sample(*it)).collect();
        let kind = |slot: &Slot| lab.slot(*slot).0;
        let is_kind =
            |kinds: &[&str]| -> Vec<bool> { slots.iter().map(|it| kinds.contains(&kind(it).as_str())).collect() };
        let place =
            |kind: &str, name: &str| slots.iter().copied().find(|it| lab.slot(*it) == (kind.into(), name.into()));
        let logins = slots.iter().filter(|it| kind(it) == "Secret").filter_map(|secret| {
            let object = lab.value(samples[usize::from(*secret)]);
            let owner = &object["metadata"]["ownerReferences"][0];
            let labels = &object["metadata"]["labels"];
            let workload = format!("{}-{}", labels[labels::INSTANCE].as_str()?, labels[labels::COMPONENT].as_str()?);
            Some(Login {
                secret: *secret,
                holder: place(owner["kind"].as_str()?, owner["name"].as_str()?)?,
                workload: place("StatefulSet", &workload).or_else(|| place("Deployment", &workload))?,
            })
        });
        Self {
            broken: scope.broken,
            logins: logins.collect(),
            has_age: is_kind(&["PersistentVolumeClaim", "Service", "StatefulSet", "Deployment"]),
            is_claim: is_kind(&["PersistentVolumeClaim"]),
            is_secret: is_kind(&["Secret"]),
            is_workload: is_kind(&["StatefulSet", "Deployment"]),
            kind_of: slots.iter().map(|it| lab.kind_at(*it)).collect(),
            kinds: slots.iter().map(|it| lab.kind_at(*it)).max().unwrap_or_default(),
            meddled: slots.iter().copied().filter(|it| scope.meddled.contains(&kind(it).as_str())).collect(),
            samples,
            merged: Memo::new(),
            manifests: Memo::new(),
            owned: Memo::new(),
            watched: Memo::new(),
            changed: Memo::new(),
            is_mine: Memo::new(),
            alike: Memo::new(),
            ways: scope.ways,
            left: scope.left,
            at_first: scope.at_first,
            is_settled: scope.is_settled,
            may_end: scope.may_end,
            lab,
        }
    }

    pub fn name(&self, slot: Slot) -> String {
        let (kind, name) = self.lab.slot(slot);
        format!("{kind} \"{name}\"")
    }

    pub fn is_watched(&self, slot: Slot, content: Id) -> bool {
        self.watched.get((slot, content), |_| self.lab.is_watched(slot, content))
    }

    /// What an object is owned by.
    pub fn owners(&self, content: Id) -> Rc<Vec<Owner>> {
        self.owned.get(content, |_| {
            let content = self.lab.value(content);
            let owners = content["metadata"]["ownerReferences"].as_array();
            let uids = owners.into_iter().flatten().filter_map(|it| it["uid"].as_str());
            Rc::new(uids.filter_map(Owner::of).collect())
        })
    }

    pub fn is_ready(&self, content: Id) -> bool {
        self.lab.value(content)["status"]["readyReplicas"] == 1
    }

    fn would_ask(&self, state: &State, server: usize) -> bool {
        // The watch lags behind a server for the time of one pass: with more, an operator that does not
        // hear that a server is gone would make its children again and again, in ever new states.
        if state.passes[server].is_some() || state.view[server].is_none() || state.is_late[server] {
            return false;
        }
        let mut state = state.clone();
        self.begin(&mut state, server);
        state.passes[server].is_some()
    }

    fn slots(&self) -> std::ops::Range<Slot> {
        0..byte(self.samples.len())
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        let mut state = State::new(&self.lab, self.left);
        for server in 0..self.at_first {
            Self::user(&mut state, server, Some(0));
        }
        state.server_news.clear();
        state.view.clone_from(&state.servers);
        let mut turn = 0;
        while let Some((action, next)) = self.fair(&state, turn).filter(|_| self.is_settled) {
            state = self.after(&state, &action).expect("nobody interferes");
            turn = next;
        }
        state
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        for server in 0..state.servers.len() {
            match &state.passes[server] {
                Some(pass) if pass.answer.is_some() => actions.push(Action::Answered(server)),
                Some(_) => actions.push(Action::Execute(server)),
                None if self.would_ask(state, server) => actions.push(Action::Begin(server)),
                None => {}
            }
        }
        if !state.news.is_empty() {
            actions.push(Action::Show);
        }
        if !state.server_news.is_empty() {
            actions.push(Action::ShowServer);
        }
        // One after the other, but what makes a difference in any order: a password and what it is for.
        let mut garbage: Vec<Slot> = self.slots().filter(|slot| self.is_garbage(state, *slot)).collect();
        garbage.sort_by_key(|slot| self.is_secret[usize::from(*slot)]);
        garbage.dedup_by_key(|slot| self.is_secret[usize::from(*slot)]);
        // And not far ahead of the watch, which would only make many states of one.
        if state.news.len() < LAG {
            actions.extend(garbage.into_iter().map(Action::Collect));
        }
        actions.extend(self.slots().find(|slot| self.may_be_ready(state, *slot)).map(Action::Ready));
        if state.left.users > 0 {
            for (server, (_, specs)) in self.lab.servers.iter().enumerate() {
                let specs = 0..byte(specs.len());
                match state.servers[server] {
                    None => actions.extend(specs.map(|spec| Action::Create(server, spec))),
                    Some(now) => {
                        let others = specs.filter(|spec| *spec != now.spec);
                        actions.extend(others.map(|spec| Action::Edit(server, spec)));
                        actions.extend(self.may_end.then_some(Action::End(server)));
                    }
                }
            }
        }
        if state.left.others > 0 {
            for slot in &self.meddled {
                let there = state.store[usize::from(*slot)];
                let is_ours = there.is_some_and(|it| it.maker.is_some());
                let can = |way: &&Way| match way {
                    Way::Make => there.is_none(),
                    Way::Delete => there.is_some(),
                    Way::Replace => is_ours,
                    way => {
                        is_ours
                            && there.is_some_and(|it| self.meddled(*slot, it.seen.content, **way) != it.seen.content)
                    }
                };
                actions.extend(self.ways.iter().filter(can).map(|way| Action::Meddle(*slot, *way)));
            }
        }
        if state.left.crashes > 0 {
            actions.push(Action::Crash { is_stale: false });
            actions.push(Action::Crash { is_stale: true });
        }
        actions
    }

    fn after(&self, state: &State, action: &Action) -> Result<State, String> {
        let mut state = state.clone();
        match action {
            Action::Create(server, spec) | Action::Edit(server, spec) => {
                state.left.users -= 1;
                Self::user(&mut state, *server, Some(*spec));
            }
            Action::End(server) => {
                state.left.users -= 1;
                Self::user(&mut state, *server, None);
            }
            Action::Meddle(slot, way) => {
                state.left.others -= 1;
                self.meddle(&mut state, *slot, *way)?;
            }
            Action::Crash { is_stale } => {
                state.left.crashes -= 1;
                self.crash(&mut state, *is_stale);
            }
            Action::Begin(server) => self.begin(&mut state, *server),
            Action::Execute(server) => self.execute(&mut state, *server)?,
            Action::Answered(server) => self.answered(&mut state, *server),
            Action::Show => self.show(&mut state),
            Action::ShowServer => {
                let (server, shown) = state.server_news.remove(0);
                state.view[usize::from(server)] = shown;
                state.is_late[usize::from(server)] = false;
            }
            Action::Collect(slot) => self.remove(&mut state, *slot, false)?,
            Action::Ready(slot) => self.ready(&mut state, *slot),
        }
        self.open(&mut state);
        state.settle(&self.lab);
        Ok(state)
    }

    fn fair(&self, state: &State, turn: usize) -> Option<(Action, usize)> {
        let servers = state.servers.len();
        if !state.news.is_empty() {
            return Some((Action::Show, turn));
        }
        if !state.server_news.is_empty() {
            return Some((Action::ShowServer, turn));
        }
        if let Some(slot) = self.slots().find(|slot| self.is_garbage(state, *slot)) {
            return Some((Action::Collect(slot), turn));
        }
        if let Some(slot) = self.slots().find(|slot| self.may_be_ready(state, *slot)) {
            return Some((Action::Ready(slot), turn));
        }
        for server in 0..servers {
            if let Some(pass) = &state.passes[server] {
                let is_answered = pass.answer.is_some();
                return Some((if is_answered { Action::Answered(server) } else { Action::Execute(server) }, turn));
            }
        }
        let in_turn = (0..servers).map(|it| (it + turn) % servers);
        let server = in_turn.into_iter().find(|server| self.would_ask(state, *server))?;
        Some((Action::Begin(server), (server + 1) % servers))
    }

    fn outcome(&self, state: &State) -> u64 {
        let is_success = |it: &Answer| matches!(it, Answer::Written(_) | Answer::Created | Answer::Deleted);
        let writes = state.passes.iter().flatten().filter_map(|it| it.answer.as_ref()).any(is_success);
        let mut hasher = DefaultHasher::new();
        (&state.store, writes).hash(&mut hasher);
        hasher.finish()
    }

    fn settled(&self, state: &State) -> Result<(), String> {
        self.check_settled(state)
    }

    fn describe(&self, state: &State, action: &Action) -> String {
        self.in_words(state, action)
    }
}

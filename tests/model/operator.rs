//! The operator's loop around its decisions: as `landfall::apply` does it, one call at a time.
//!
//! This is the one thing that is told anew here, because the operator's own waits on a network. What
//! each call is, and whether there is one, comes from its own code.

use std::rc::Rc;

use crate::cluster::Cluster;
use crate::lab::{Lab, News, Next, Plan, Request, Slot};
use crate::scope::Broken;
use crate::state::{Answer, At, Pass, State};

impl Cluster {
    /// A pass over a server begins, if the operator knows of that server. It is over at once if there is
    /// nothing to ask.
    pub fn begin(&self, state: &mut State, server: usize) {
        let Some(shown) = state.view[server] else { return };
        state.is_late[server] = state.server_news.iter().any(|it| usize::from(it.0) == server);
        let workloads = (0..).zip(&state.cache).filter(|(slot, _)| self.is_workload[usize::from(*slot)]);
        let workloads = workloads.filter_map(|(slot, seen)| {
            let seen = self.lab.cached(shown, slot, *seen)?;
            Some((slot, self.is_ready(seen.content)))
        });
        let pass = Pass {
            shown,
            workloads: workloads.collect(),
            at: At::Wish(0),
            slot: 0,
            live: None,
            server_stays: false,
            request: Request::Read,
            answer: None,
        };
        self.go_on(state, server, pass, At::Wish(0));
    }

    pub fn plan(&self, pass: &Pass) -> Rc<Plan> {
        self.lab.plan(pass.shown, pass.workloads.clone())
    }

    /// Goes on from `at` to the next call.
    fn go_on(&self, state: &mut State, server: usize, mut pass: Pass, mut at: At) {
        let plan = self.plan(&pass);
        state.passes[server] = None;
        loop {
            let (slot, next) = match &mut at {
                At::Wish(index) => {
                    let Some(wish) = plan.wishes.get(usize::from(*index)) else {
                        at = At::Prune(0, self.superfluous(state, &pass, &plan, 0));
                        continue;
                    };
                    pass.live = None;
                    let next = if wish.is_once {
                        self.lab.decide_once(pass.shown, wish, &state.cache, &state.made)
                    } else {
                        pass.live = self.lab.cached(pass.shown, wish.slot, state.cache[usize::from(wish.slot)]);
                        self.lab.decide(pass.shown, wish, pass.live, false)
                    };
                    if next == Next::Nothing {
                        *index += 1;
                        continue;
                    }
                    (wish.slot, next)
                }
                At::Prune(kind, left) => {
                    if left.is_empty() {
                        if usize::from(*kind) >= self.kinds {
                            return;
                        }
                        at = At::Prune(*kind + 1, self.superfluous(state, &pass, &plan, *kind + 1));
                        continue;
                    }
                    let (slot, request) = left.remove(0);
                    pass.live = None;
                    (slot, Next::Ask(request))
                }
            };
            let Next::Ask(request) = next else { return };
            state.passes[server] = Some(Pass { at, slot, server_stays: false, request, answer: None, ..pass });
            return;
        }
    }

    /// What of a kind is to be removed, as the cache shows it when the kind's turn comes.
    fn superfluous(&self, state: &State, pass: &Pass, plan: &Plan, kind: u8) -> Vec<(Slot, Request)> {
        let of_kind = (0..).zip(&state.cache).filter(|(slot, _)| self.kind_of[usize::from(*slot)] == usize::from(kind));
        of_kind
            .filter_map(|(slot, seen)| Some((slot, self.lab.removal(pass.shown, &plan.wishes, slot, (*seen)?)?)))
            .collect()
    }

    /// The operator takes in an answer, and goes on to its next call.
    pub fn answered(&self, state: &mut State, server: usize) {
        let Some(mut pass) = state.passes[server].take() else { return };
        let Some(answer) = pass.answer.take() else { return };
        let at = usize::from(pass.slot);
        let next_wish = match &pass.at {
            At::Wish(index) => At::Wish(index + 1),
            prune @ At::Prune(..) => prune.clone(),
        };
        match answer {
            Answer::Written(seen) => {
                let seen = News::Wrote(seen);
                state.cache[at] = self.lab.after_news(pass.slot, state.cache[at], state.gone[at], seen);
                self.go_on(state, server, pass, next_wish);
            }
            Answer::Exists { is_garbage: true } if !Lab::is_taken(self.broken != Some(Broken::TakesWhatIsLeft)) => {}
            Answer::Created | Answer::Exists { .. } => {
                if let Request::Create { key, .. } = pass.request
                    && !state.made.contains(&key)
                {
                    state.made.push(key);
                }
                self.go_on(state, server, pass, next_wish);
            }
            Answer::Deleted => self.go_on(state, server, pass, next_wish),
            Answer::Conflict if matches!(pass.request, Request::Delete { .. }) => {
                self.go_on(state, server, pass, next_wish);
            }
            Answer::Conflict if pass.live.is_none() => {
                state.passes[server] = Some(Pass { request: Request::Read, ..pass });
            }
            Answer::Found(Some(found)) => {
                pass.live = Some(found);
                self.decide_again(state, server, pass, next_wish);
            }
            Answer::ServerStays(true) => {
                pass.server_stays = true;
                self.decide_again(state, server, pass, next_wish);
            }
            // The pass fails, and is begun again.
            Answer::Conflict | Answer::Found(None) | Answer::ServerStays(false) => {}
        }
    }

    fn decide_again(&self, state: &mut State, server: usize, pass: Pass, next: At) {
        let At::Wish(index) = pass.at else { return };
        let plan = self.plan(&pass);
        match self.lab.decide(pass.shown, &plan.wishes[usize::from(index)], pass.live, pass.server_stays) {
            // What was read is as it should be, and is remembered so.
            Next::Nothing => {
                let at = usize::from(pass.slot);
                if let Some(found) = pass.live {
                    let news = News::Wrote(found);
                    state.cache[at] = self.lab.after_news(pass.slot, state.cache[at], state.gone[at], news);
                }
                self.go_on(state, server, pass, next);
            }
            Next::Ask(request) => state.passes[server] = Some(Pass { request, ..pass }),
            Next::Refuse(_) => {}
        }
    }

    pub fn show(&self, state: &mut State) {
        if state.news.is_empty() {
            return;
        }
        let (slot, news) = state.news.remove(0);
        let at = usize::from(slot);
        state.cache[at] = self.lab.after_news(slot, state.cache[at], None, news);
        if state.cache[at].is_none() {
            let (News::Shown(seen) | News::Gone(seen) | News::Wrote(seen)) = news;
            state.gone[at] = Some(seen);
        }
    }

    /// The operator ends and starts anew: it has nothing but what it lists, which is what there is, or
    /// long out of date.
    pub fn crash(&self, state: &mut State, is_stale: bool) {
        state.passes.fill(None);
        state.made.clear();
        state.cache.fill(None);
        state.gone.fill(None);
        state.server_news.clear();
        state.is_late.fill(false);
        state.view.clone_from(&state.servers);
        let there = (0..).zip(&state.store).filter_map(|(slot, it)| Some((slot, it.as_ref()?.seen)));
        let there = there.filter(|(slot, seen)| self.is_watched(*slot, seen.content));
        state.news = there.map(|(slot, seen)| (slot, News::Shown(seen))).collect();
        while !is_stale && !state.news.is_empty() {
            self.show(state);
        }
    }
}

//! The decisions themselves: the operator's own, called with what the model has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::Event;
use landfall::apply::decide::{Decision, Facts, Once, decide, decide_once, is_superfluous, may_be_left, removal};
use landfall::apply::{Caches, NewCaches, Seen as SeenOf};
use landfall::cache::{Cache, group_of_server, owner_uid};
use landfall::children::{Child, Children};
use landfall::observe::observe;
use landfall::reach::Reach;
use landfall::status::{self, Outcome};
use landfall::validate::ValidatedServer;
use landfall::verification::{Verification, Verifications};
use serde_json::json;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::lab::{Id, Lab, News, Next, Plan, Request, Seen, Shown, Slot, Visit, Wish, with_kind};

impl Lab {
    /// The plan without regard to what runs: for whose it is, nothing else is needed.
    fn validated(&self, shown: Shown) -> Rc<Plan> {
        self.plan(shown, Vec::new())
    }

    /// [`decide`] about one wish.
    pub fn decide(&self, shown: Shown, wish: &Wish, live: Option<Seen>, server_stays: bool) -> Next {
        struct Decide<'a>(&'a Lab, &'a ValidatedServer, Id, Slot, Option<Seen>, bool);
        impl Visit for Decide<'_> {
            type Out = Next;
            fn visit<K: Child>(self) -> Next {
                let object: K = self.0.typed(self.2);
                let live = self.4.map(|it| Arc::new(self.0.live::<K>(self.3, it)));
                match decide(&object, self.1, &Facts { live, server_stays: self.5 }) {
                    Ok(Decision::Keep | Decision::Hold) => Next::Nothing,
                    Ok(Decision::AskForServer) => Next::Ask(Request::AskForServer),
                    Ok(Decision::Apply { wish, .. }) => {
                        let manifest = serde_json::to_value(wish).expect("JSON");
                        Next::Ask(Request::Apply { manifest: self.0.id(&manifest) })
                    }
                    Err(error) => Next::Refuse(self.0.id(&json!(error.to_string()))),
                }
            }
        }
        self.decisions.get((shown, wish.object, wish.slot, live, server_stays), |_| {
            let plan = self.validated(shown);
            let ask = Decide(self, &plan.server, wish.object, wish.slot, live, server_stays);
            with_kind(&self.slot(wish.slot).0, ask)
        })
    }

    /// [`decide_once`] about one wish, `made` being sorted.
    pub fn decide_once(&self, shown: Shown, wish: &Wish, cache: &[Option<Seen>], made: &[Id]) -> Next {
        struct Decide<'a>(&'a Lab, &'a ValidatedServer, Id, &'a Children<Caches>, HashSet<String>);
        impl Visit for Decide<'_> {
            type Out = Next;
            fn visit<K: Child>(self) -> Next {
                let live = SeenOf { caches: self.3, server: self.1 }.all();
                match decide_once::<K>(self.0.typed(self.2), self.1, &live, |key| self.4.contains(key)) {
                    Once::Leave | Once::Hold => Next::Nothing,
                    Once::Create { object, key, .. } => {
                        let mut content = serde_json::to_value(object).expect("JSON");
                        // Each is another; which it is, the uid of the Secret tells.
                        content["data"]["password"] = json!("");
                        Next::Ask(Request::Create { content: self.0.id(&content), key: self.0.id(&json!(key)) })
                    }
                }
            }
        }
        let live: Vec<_> = (0..).zip(cache).filter_map(|(slot, seen)| Some((slot, (*seen)?))).collect();
        self.once.get((shown, wish.object, wish.slot, live, made.to_vec()), |(.., live, made)| {
            let plan = self.validated(shown);
            let caches = Children::from_each(&mut NewCaches);
            for (slot, seen) in live {
                self.put(&caches, *slot, News::Wrote(*seen));
            }
            let made = made.iter().filter_map(|it| self.value(*it).as_str().map(str::to_owned)).collect();
            with_kind(&self.slot(wish.slot).0, Decide(self, &plan.server, wish.object, &caches, made))
        })
    }

    /// What the operator's cache shows a server of an object: nothing where it is not its own.
    pub fn cached(&self, shown: Shown, slot: Slot, seen: Option<Seen>) -> Option<Seen> {
        struct Find<'a>(&'a ValidatedServer, &'a Children<Caches>, String);
        impl Visit for Find<'_> {
            type Out = bool;
            fn visit<K: Child>(self) -> bool {
                SeenOf { caches: self.1, server: self.0 }.object::<K>(&self.2).is_some()
            }
        }
        seen.filter(|seen| {
            self.cached.get((shown, slot, *seen), |_| {
                let caches = Children::from_each(&mut NewCaches);
                self.put(&caches, slot, News::Wrote(*seen));
                let (kind, name) = self.slot(slot);
                with_kind(&kind, Find(&self.validated(shown).server, &caches, name))
            })
        })
    }

    /// How a cached object is removed, if it is to be: it is this server's, and not `wanted`.
    pub fn removal(&self, shown: Shown, wanted: &[Wish], slot: Slot, seen: Seen) -> Option<Request> {
        struct Find<'a>(&'a Lab, &'a ValidatedServer, &'a Children<Caches>, &'a [Id]);
        impl Visit for Find<'_> {
            type Out = Option<Next>;
            fn visit<K: Child>(self) -> Option<Next> {
                let wanted: Vec<Arc<K>> = self.3.iter().map(|it| Arc::new(self.0.typed(*it))).collect();
                let removable = SeenOf { caches: self.2, server: self.1 }.removable(&wanted);
                let object = removable.iter().find(|it| is_superfluous(&***it, self.1))?;
                let uid = removal(&**object).preconditions.and_then(|it| it.uid);
                Some(Next::Ask(Request::Delete { uid: uid.map(|it| self.0.id(&json!(it))) }))
            }
        }
        let kind = self.slot(slot).0;
        let wanted: Vec<Id> = wanted.iter().filter(|it| self.slot(it.slot).0 == kind).map(|it| it.object).collect();
        let found = self.superfluous.get((shown, wanted, slot, seen), |(_, wanted, ..)| {
            let caches = Children::from_each(&mut NewCaches);
            self.put(&caches, slot, News::Wrote(seen));
            with_kind(&kind, Find(self, &self.validated(shown).server, &caches, wanted))
        });
        match found {
            Some(Next::Ask(request)) => Some(request),
            _ => None,
        }
    }

    /// What the operator's cache has of a place after some news. `gone` is what the watch last showed
    /// there to be gone.
    pub fn after_news(&self, slot: Slot, cached: Option<Seen>, gone: Option<Seen>, news: News) -> Option<Seen> {
        self.news.get((slot, cached, gone, news), |_| {
            let all = Children::from_each(&mut NewCaches);
            if let Some(gone) = gone {
                self.put(&all, slot, News::Gone(gone));
            }
            if let Some(cached) = cached {
                self.put(&all, slot, News::Shown(cached));
            }
            self.put(&all, slot, news);
            let (News::Shown(new) | News::Gone(new) | News::Wrote(new)) = news;
            [Some(new), cached].into_iter().flatten().find(|it| self.is_in(&all, slot, *it))
        })
    }

    fn put(&self, caches: &Children<Caches>, slot: Slot, news: News) {
        struct Put<'a>(&'a Lab, &'a Children<Caches>, Slot, News);
        impl Visit for Put<'_> {
            type Out = ();
            fn visit<K: Child>(self) {
                let cache = K::of(self.1);
                match self.3 {
                    News::Shown(seen) => cache.observe(&Event::Apply(self.0.live(self.2, seen))),
                    News::Gone(seen) => cache.observe(&Event::Delete(self.0.live(self.2, seen))),
                    News::Wrote(seen) => cache.wrote(&self.0.live(self.2, seen)),
                }
            }
        }
        with_kind(&self.slot(slot).0, Put(self, caches, slot, news));
    }

    /// Whether just this state of an object is cached.
    fn is_in(&self, caches: &Children<Caches>, slot: Slot, seen: Seen) -> bool {
        struct Find<'a>(&'a Lab, &'a Children<Caches>, Slot, Seen);
        impl Visit for Find<'_> {
            type Out = bool;
            fn visit<K: Child>(self) -> bool {
                let object: K = self.0.live(self.2, self.3);
                let cache: &Cache<K> = K::of(self.1);
                let outlived = NamespaceResourceScope::server_of(&object).map(|it| group_of_server(&it.0, &it.1));
                let mut groups = owner_uid(&object).into_iter().chain(outlived);
                let found = groups.find_map(|group| cache.get(&group, &object.name_any()));
                found.is_some_and(|it| it.meta() == object.meta())
            }
        }
        with_kind(&self.slot(slot).0, Find(self, caches, slot, seen))
    }

    /// Whether the status that follows from what is there says that all of it is so, and is not written
    /// a second time: `observe` and `status`.
    pub fn is_reported(&self, shown: Shown, plan: &Plan, there: &[Option<Seen>]) -> Result<(), String> {
        let caches = Children::from_each(&mut NewCaches);
        for (slot, seen) in (0..).zip(there) {
            if let Some(seen) = seen {
                self.put(&caches, slot, News::Wrote(*seen));
            }
        }
        let live = SeenOf { caches: &caches, server: &plan.server }.all();
        let observation = observe(&plan.server, &live, &[], Timestamp::UNIX_EPOCH);
        let verification = Verifications::from(Verification::Off);
        let (server, generation) = (&plan.server, self.server(shown).metadata.generation);
        let outcome =
            Outcome::Observed { server, observation: &observation, verification: &verification, pending: &[] };
        let first = status::next(None, generation, &outcome, Timestamp::UNIX_EPOCH);
        let second = status::next(Some(&first), generation, &outcome, Timestamp::UNIX_EPOCH);
        if second != first {
            return Err(format!("the status changes by itself: {first:?} {second:?}"));
        }
        match first.dependencies.iter().find(|it| !it.ready) {
            Some(it) => Err(format!("dependency {} is said not to be ready: {:?}", it.name, it.message)),
            None => Ok(()),
        }
    }

    fn typed<K: Child>(&self, id: Id) -> K {
        serde_json::from_value((*self.value(id)).clone()).expect("an object of its kind")
    }

    /// An object as the API server gives it, and as the cache keeps it.
    fn live<K: Child>(&self, slot: Slot, seen: Seen) -> K {
        let mut object: K = self.typed(seen.content);
        let metadata = object.meta_mut();
        metadata.uid = Some(Self::uid(slot, seen.uid));
        metadata.resource_version = Some(Self::version(seen.version));
        let moment = format!("\"2026-01-01T00:00:{:02}Z\"", seen.born);
        metadata.creation_timestamp = serde_json::from_str(&moment).expect("a time");
        object.trim();
        object
    }

    /// Whether the operator takes an object that exists for its own. Its owner is young if the object is
    /// garbage: that garbage collection is quick is what the operator relies on.
    pub fn is_taken(is_garbage: bool) -> bool {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::from(!is_garbage));
        !may_be_left(Some(&Time(Timestamp::UNIX_EPOCH)), now)
    }
}

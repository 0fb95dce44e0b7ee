//! The operator's real code, called with what the model has: numbers in, numbers out. Here are plans,
//! `validate` and `build`; in [`crate::decisions`] what is decided about each object.
//!
//! Everything here is a function of its arguments and is worked out once for each, which makes it
//! possible to ask some hundred thousand times. Objects, and all else that is large, are known by
//! number.

use kube::ResourceExt;
use landfall::api::MCPServer;
use landfall::build::build;
use landfall::children::{Child, Children, Desired, Make, Nothing};
use landfall::labels;
use landfall::references::{References, Running};
use landfall::settings::Platform;
use landfall::validate::{ValidatedServer, validate};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::memo::Memo;

/// A JSON value or a text, by number.
pub type Id = u32;

/// A place where an object of one kind and name may be, by number.
pub type Slot = u8;

/// Namespace of everything.
pub const NAMESPACE: &str = "team";

/// One state of an object. Versions and moments are ranks: only their order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    /// All that does not come from the API server.
    pub content: Id,
    pub version: u8,
    /// How often an object of this name was made before.
    pub uid: u8,
    /// When it was made.
    pub born: u8,
}

/// What a pass asks of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Apply { manifest: Id },
    Read,
    AskForServer,
    Create { content: Id, key: Id },
    Delete { uid: Option<Id> },
}

/// What follows from a decision of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    Nothing,
    Ask(Request),
    Refuse(Id),
}

/// What the operator wants of one object.
#[derive(Clone, Debug)]
pub struct Wish {
    pub slot: Slot,
    pub object: Id,
    pub is_once: bool,
}

/// What follows from a spec and from what of it runs.
pub struct Plan {
    pub server: ValidatedServer,
    pub wishes: Vec<Wish>,
}

/// A server as the operator is shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Which server.
    pub name: u8,
    /// Which of its specs.
    pub spec: u8,
    pub uid: u8,
}

/// The kind that one is looked for by.
pub trait Visit {
    type Out;
    fn visit<K: Child>(self) -> Self::Out;
}

pub fn with_kind<V: Visit>(kind: &str, visit: V) -> V::Out {
    struct Find<'a, V: Visit>(&'a str, Option<V>, Option<V::Out>);
    impl<V: Visit> Make<Nothing> for Find<'_, V> {
        fn make<K: Child>(&mut self) {
            if K::kind(&()) == self.0 {
                self.2 = self.1.take().map(Visit::visit::<K>);
            }
        }
    }
    let mut find = Find(kind, Some(visit), None);
    Children::<Nothing>::from_each(&mut find);
    find.2.unwrap_or_else(|| panic!("{kind} is a kind of child"))
}

/// A change that the operator's cache takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// The watch shows an object.
    Shown(Seen),
    /// The watch shows that it is gone, or has lost the label that is watched.
    Gone(Seen),
    /// A write of its own was answered.
    Wrote(Seen),
}

/// The operator's code and everything that is known by number.
pub struct Lab {
    /// Name of each server, and the specs that it may have.
    pub servers: Vec<(&'static str, Vec<Value>)>,
    values: RefCell<Vec<Rc<Value>>>,
    ids: RefCell<HashMap<String, Id>>,
    slots: RefCell<Vec<(String, String)>>,
    plans: Memo<(Shown, Vec<(Slot, bool)>), Rc<Plan>>,
    pub decisions: Memo<(Shown, Id, Slot, Option<Seen>, bool), Next>,
    pub once: Memo<(Shown, Id, Slot, Vec<(Slot, Seen)>, Vec<Id>), Next>,
    pub cached: Memo<(Shown, Slot, Seen), bool>,
    pub superfluous: Memo<(Shown, Vec<Id>, Slot, Seen), Option<Next>>,
    pub news: Memo<(Slot, Option<Seen>, Option<Seen>, News), Option<Seen>>,
}

impl Lab {
    pub fn new(servers: Vec<(&'static str, Vec<Value>)>) -> Self {
        let lab = Self {
            servers,
            values: RefCell::default(),
            ids: RefCell::default(),
            slots: RefCell::default(),
            plans: Memo::new(),
            decisions: Memo::new(),
            once: Memo::new(),
            cached: Memo::new(),
            superfluous: Memo::new(),
            news: Memo::new(),
        };
        // Every place has its number before anything begins.
        for name in 0..lab.servers.len() {
            for spec in 0..lab.servers[name].1.len() {
                lab.last_plan(Shown { name: byte(name), spec: byte(spec), uid: 1 });
            }
        }
        lab
    }

    pub fn id(&self, value: &Value) -> Id {
        let text = value.to_string();
        if let Some(id) = self.ids.borrow().get(&text) {
            return *id;
        }
        let id = Id::try_from(self.values.borrow().len()).expect("fewer values");
        self.values.borrow_mut().push(Rc::new(value.clone()));
        self.ids.borrow_mut().insert(text, id);
        id
    }

    pub fn value(&self, id: Id) -> Rc<Value> {
        Rc::clone(&self.values.borrow()[id as usize])
    }

    pub fn slots(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Kind and name of a place.
    pub fn slot(&self, slot: Slot) -> (String, String) {
        self.slots.borrow()[usize::from(slot)].clone()
    }

    fn slot_of(&self, kind: &str, name: &str) -> Slot {
        let mut slots = self.slots.borrow_mut();
        let known = slots.iter().position(|it| it.0 == kind && it.1 == name);
        byte(known.unwrap_or_else(|| {
            slots.push((kind.to_owned(), name.to_owned()));
            slots.len() - 1
        }))
    }

    pub fn server_uid(shown: Shown) -> String {
        format!("server.{}.{}", shown.name, shown.uid)
    }

    pub fn uid(slot: Slot, uid: u8) -> String {
        format!("object.{slot}.{uid}")
    }

    /// The resource as the API server has it.
    pub fn server(&self, shown: Shown) -> MCPServer {
        let (name, specs) = &self.servers[usize::from(shown.name)];
        let resource = json!({
            "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": Self::server_uid(shown), "generation": 1},
            "spec": specs[usize::from(shown.spec)],
        });
        serde_json::from_value(resource).expect("a valid resource")
    }

    /// What is to be made of `shown`, as far as it may be while these workloads are there, ready or
    /// not: `validate` and `build`.
    pub fn plan(&self, shown: Shown, workloads: Vec<(Slot, bool)>) -> Rc<Plan> {
        self.plans.get((shown, workloads), |(shown, workloads)| {
            let running = workloads
                .iter()
                .map(|(slot, is_ready)| (self.slot(*slot).1, Running { hash: None, is_ready: *is_ready }));
            let references = References::default().with_workloads(running.collect());
            let server = validate(&self.server(*shown), &references, &Platform::default()).expect("a valid spec");
            let wishes = self.wishes(&build(&server));
            Rc::new(Plan { server, wishes })
        })
    }

    /// All that is to be made of `shown` in the end.
    pub fn last_plan(&self, shown: Shown) -> Rc<Plan> {
        let mut ready: BTreeMap<Slot, bool> = BTreeMap::new();
        loop {
            let plan = self.plan(shown, ready.clone().into_iter().collect());
            let before = ready.len();
            ready.extend(plan.wishes.iter().map(|it| it.slot).filter(|it| self.is_workload(*it)).map(|it| (it, true)));
            if ready.len() == before {
                return plan;
            }
        }
    }

    pub fn is_workload(&self, slot: Slot) -> bool {
        matches!(self.slot(slot).0.as_str(), "Deployment" | "StatefulSet")
    }

    fn wishes(&self, desired: &Children<Desired>) -> Vec<Wish> {
        struct Flatten<'a>(&'a Lab, &'a Children<Desired>, Vec<Wish>);
        impl Make<Nothing> for Flatten<'_> {
            fn make<K: Child>(&mut self) {
                for object in K::of(self.1) {
                    let slot = self.0.slot_of(&K::kind(&()), &object.name_any());
                    let object = self.0.id(&serde_json::to_value(object).expect("JSON"));
                    self.2.push(Wish { slot, object, is_once: K::WRITE_ONCE });
                }
            }
        }
        let mut flatten = Flatten(self, desired, Vec::new());
        Children::<Nothing>::from_each(&mut flatten);
        flatten.2
    }

    /// The resource version of a rank: what etcd gives is larger than 1.
    pub fn version(rank: u8) -> String {
        (u32::from(rank) + 10).to_string()
    }

    /// Whether a request says which version it is for, beyond "none".
    pub fn has_version(&self, request: &Request) -> bool {
        let Request::Apply { manifest } = request else { return false };
        let version = &self.value(*manifest)["metadata"]["resourceVersion"];
        version.as_str().is_some_and(|it| it != "1")
    }

    /// Whether the operator's watch shows an object.
    pub fn is_watched(&self, slot: Slot, content: Id) -> bool {
        struct Selects;
        impl Visit for Selects {
            type Out = (bool, bool);
            fn visit<K: Child>(self) -> (bool, bool) {
                (K::is_watched(&Platform::default()), K::REFERRED_TO_AS.is_some() || K::IS_ROUTE)
            }
        }
        let (is_watched, is_all) = with_kind(&self.slot(slot).0, Selects);
        let has_label = self.value(content)["metadata"]["labels"][labels::MANAGED_BY] == labels::LANDFALL;
        is_watched && (is_all || has_label)
    }

    /// How many kinds there are pruned, in order: the place of a kind among them.
    pub fn kind_at(&self, slot: Slot) -> usize {
        struct Place<'a>(&'a str, usize, Option<usize>);
        impl Make<Nothing> for Place<'_> {
            fn make<K: Child>(&mut self) {
                if K::kind(&()) == self.0 {
                    self.2 = Some(self.1);
                }
                self.1 += 1;
            }
        }
        let kind = self.slot(slot).0;
        let mut place = Place(&kind, 0, None);
        Children::<Nothing>::from_each(&mut place);
        place.2.unwrap_or_default()
    }
}

pub fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("a small number")
}

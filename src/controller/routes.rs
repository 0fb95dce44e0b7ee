//! Which routes there are in the cluster, ours and others', and which hosts they have.

use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::api::MCPServer;
use crate::cache::owner;
use crate::children::Child;
use crate::references::Claim;

/// Kind, namespace and name of a route.
pub(super) type RouteKey = (String, String, String);

/// The routes that there are, by host.
#[derive(Default)]
pub(super) struct Routes(Mutex<State>);

#[derive(Default)]
struct State {
    claims: HashMap<RouteKey, Claim>,
    by_host: HashMap<String, BTreeSet<RouteKey>>,
    /// What a running list has shown so far, by kind.
    listed: HashMap<String, HashSet<RouteKey>>,
}

impl Routes {
    /// Takes in what the watch of a kind of routes shows.
    pub(super) fn observe<K: Child>(&self, event: &Event<K>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = K::kind(&()).into_owned();
        match event {
            Event::Init => drop(state.listed.insert(kind, HashSet::new())),
            Event::InitApply(object) => {
                state.listed.entry(kind).or_default().insert(key(object));
                state.insert(object);
            }
            Event::InitDone => {
                let listed = state.listed.remove(&kind).unwrap_or_default();
                let gone: Vec<_> =
                    state.claims.keys().filter(|it| it.0 == kind && !listed.contains(*it)).cloned().collect();
                for key in &gone {
                    state.remove(key);
                }
            }
            Event::Apply(object) => state.insert(object),
            Event::Delete(object) => state.remove(&key(object)),
        }
    }

    /// Those that have this host.
    pub(super) fn of(&self, host: &str) -> Vec<Claim> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = state.by_host.get(host).into_iter().flatten();
        keys.filter_map(|key| state.claims.get(key).cloned()).collect()
    }
}

impl State {
    fn insert<K: Child>(&mut self, object: &K) {
        let key = key(object);
        self.remove(&key);
        let Some(route) = object.route() else { return };
        for host in &route.hosts {
            self.by_host.entry(host.clone()).or_default().insert(key.clone());
        }
        let server = owner(object).filter(|it| it.kind == MCPServer::kind(&())).map(|it| it.name.clone());
        let created: Option<Timestamp> = object.creation_timestamp().map(|it| it.0);
        let (kind, namespace, name) = key.clone();
        self.claims.insert(key, Claim { kind, namespace, name, server, created, route });
    }

    fn remove(&mut self, key: &RouteKey) {
        let Some(claim) = self.claims.remove(key) else { return };
        for host in &claim.route.hosts {
            if let Some(keys) = self.by_host.get_mut(host) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_host.remove(host);
                }
            }
        }
    }
}

pub(super) fn key<K: Child>(object: &K) -> RouteKey {
    (K::kind(&()).into_owned(), object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::networking::v1::Ingress;
    use serde_json::json;

    fn ingress(name: &str, host: &str) -> Ingress {
        serde_json::from_value(json!({
            "metadata": {"namespace": "team", "name": name},
            "spec": {"rules": [{"host": host}]},
        }))
        .expect("a valid Ingress")
    }

    fn names(routes: &Routes, host: &str) -> Vec<String> {
        routes.of(host).into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_route_is_found_by_the_host_that_it_has_now() {
        let routes = Routes::default();
        routes.observe(&Event::Apply(ingress("a", "one.example")));
        routes.observe(&Event::Apply(ingress("b", "one.example")));
        assert_eq!(names(&routes, "one.example"), ["a", "b"]);
        routes.observe(&Event::Apply(ingress("a", "two.example")));
        assert_eq!(names(&routes, "one.example"), ["b"]);
        assert_eq!(names(&routes, "two.example"), ["a"]);
        routes.observe(&Event::Init::<Ingress>);
        routes.observe(&Event::InitApply(ingress("b", "one.example")));
        routes.observe(&Event::InitDone::<Ingress>);
        assert!(names(&routes, "two.example").is_empty(), "gone while nobody watched");
        routes.observe(&Event::Delete(ingress("b", "one.example")));
        assert!(names(&routes, "one.example").is_empty());
    }
}

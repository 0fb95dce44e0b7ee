//! What a spec refers to outside of itself, and what of it exists. The data here is pure; the
//! caches that answer are filled in [`crate::controller`].
//!
//! No value of a Secret or ConfigMap is kept, only a digest per key.

mod front;
mod raw;

pub use front::{Claim, Front, GatewayApi, Known, KnownGateway, ObjectName, Route};

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, EnvFromSource, EnvVar, SecretKeySelector};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::api::{Dependency, File, MCPServerSpec};
use crate::digest::{Digest, Sha256};

/// Kinds of objects that a spec may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A `ConfigMap`.
    ConfigMap,
    /// A `Secret`.
    Secret,
}

impl Source {
    /// The kind as Kubernetes spells it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// One reference of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Kind of the object.
    pub source: Source,
    /// Its name, in the server's namespace.
    pub name: String,
    /// The key that is used; `None` for all.
    pub key: Option<String>,
    /// Whether the server starts without it.
    pub optional: bool,
    /// The field that refers to it.
    pub field: String,
}

/// What is known of a referenced object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Objects of this kind are not watched.
    Unknown,
    /// It does not exist.
    Absent,
    /// It exists, with these keys.
    Present(BTreeMap<String, Digest>),
}

/// What exists of all that a spec refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct References {
    wanted: Vec<Reference>,
    found: BTreeMap<(Source, String), Found>,
    /// The workloads that there are, by name.
    workloads: BTreeMap<String, Running>,
    front: Front,
}

/// What is known of a workload of the server that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The hash of references that its pods were made with.
    pub hash: Option<String>,
    /// Whether one of its pods is ready.
    pub is_ready: bool,
}

impl References {
    /// Asks `look_up` once for each object that `spec` refers to.
    pub fn gather(spec: &MCPServerSpec, look_up: impl Fn(Source, &str) -> Found) -> Self {
        let wanted = wanted(spec);
        let objects: BTreeSet<_> = wanted.iter().map(|it| (it.source, it.name.clone())).collect();
        let found = objects.into_iter().map(|object| {
            let found = look_up(object.0, &object.1);
            (object, found)
        });
        let found = found.collect();
        Self { wanted, found, workloads: BTreeMap::new(), front: Front::default() }
    }

    /// With the workloads that there are, by name.
    #[must_use]
    pub fn with_workloads(mut self, workloads: BTreeMap<String, Running>) -> Self {
        self.workloads = workloads;
        self
    }

    /// With what there is of the ways in.
    #[must_use]
    pub fn with_front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// What there is of the ways in.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Everything that the spec refers to.
    pub fn wanted(&self) -> &[Reference] {
        &self.wanted
    }

    /// What is known of a workload of the server, if it exists.
    pub fn workload(&self, name: &str) -> Option<&Running> {
        self.workloads.get(name)
    }

    /// Whether an object, or a key of it, is known not to exist.
    pub fn lacks(&self, source: Source, name: &str, key: Option<&str>) -> bool {
        match self.found.get(&(source, name.to_owned())) {
            Some(Found::Absent) => true,
            Some(Found::Present(keys)) => key.is_some_and(|key| !keys.contains_key(key)),
            Some(Found::Unknown) | None => false,
        }
    }

    /// Changes when pods have to be made anew, since a key that `spec` uses has another value, has
    /// appeared or is gone. `None` for a spec that uses none, as far as they are watched.
    ///
    /// `salt` is different for each server, so that nobody can see from two hashes whether two
    /// servers have the same password. `workload` is what the pods belong to.
    pub fn hash(&self, spec: &MCPServerSpec, salt: &str, workload: &str) -> Option<String> {
        let wanted = wanted_by_pods(spec);
        // What a pod cannot start without is gone, perhaps just until it is written anew: new pods
        // would not start, so those that run are left alone.
        let is_broken = wanted.iter().any(|it| !it.optional && self.lacks(it.source, &it.name, it.key.as_deref()));
        let running = self.workload(workload).and_then(|it| it.hash.clone());
        if is_broken && running.is_some() {
            return running;
        }
        let used: BTreeSet<_> = wanted.iter().flat_map(|it| self.used(it)).collect();
        if used.is_empty() {
            return None;
        }
        let mut hash = Sha256::default();
        hash.add(salt.as_bytes());
        for (source, name, key, digest) in used {
            for part in [source.kind().as_bytes(), name.as_bytes(), key.as_bytes()] {
                hash.add(part);
            }
            // Nothing has an empty digest: it stands for a key that does not exist.
            hash.add(digest.map_or(&[], |it| it.as_slice()));
        }
        Some(hash.text())
    }

    /// What a reference uses: source, name, key and the digest of its value. An object that is used
    /// as a whole and does not exist has one empty key.
    fn used<'a>(&'a self, it: &'a Reference) -> Vec<(Source, &'a str, &'a str, Option<&'a Digest>)> {
        let name = it.name.as_str();
        match (self.found.get(&(it.source, it.name.clone())), it.key.as_deref()) {
            (None | Some(Found::Unknown), _) => Vec::new(),
            (Some(Found::Absent), key) => vec![(it.source, name, key.unwrap_or_default(), None)],
            (Some(Found::Present(keys)), Some(key)) => vec![(it.source, name, key, keys.get(key))],
            (Some(Found::Present(keys)), None) => {
                keys.iter().map(|(key, digest)| (it.source, name, key.as_str(), Some(digest))).collect()
            }
        }
    }

    /// A sentence for each reference that leads nowhere and has to lead somewhere.
    pub fn missing(&self) -> Vec<String> {
        self.wanted.iter().filter(|it| !it.optional).filter_map(|it| self.why_missing(it)).collect()
    }

    fn why_missing(&self, it: &Reference) -> Option<String> {
        let Reference { source, name, field, .. } = it;
        match (self.found.get(&(*source, name.clone())), &it.key) {
            (Some(Found::Absent), _) => {
                Some(format!("{field}: {source} \"{name}\" does not exist in this namespace: create it"))
            }
            (Some(Found::Present(keys)), Some(key)) if !keys.contains_key(key) => {
                let there: Vec<_> = keys.keys().map(String::as_str).take(10).collect();
                let there = if there.is_empty() { "no keys".into() } else { there.join(", ") };
                Some(format!("{field}: {source} \"{name}\" has no key \"{key}\"; it has {there}"))
            }
            _ => None,
        }
    }
}

/// Everything that `spec` refers to.
fn wanted(spec: &MCPServerSpec) -> Vec<Reference> {
    let of_dependencies = spec.dependencies.iter().flat_map(|dependency| {
        let path = format!("spec.dependencies[{}].", dependency.name);
        let wanted = wanted_by_pods(&dependency.as_server()).into_iter();
        wanted.map(move |it| Reference { field: it.field.replacen("spec.", &path, 1), ..it })
    });
    wanted_by_pods(spec).into_iter().chain(of_dependencies).collect()
}

/// What the pods of one workload use.
fn wanted_by_pods(spec: &MCPServerSpec) -> Vec<Reference> {
    let keys = spec.env.iter().filter_map(|it| of_variable("spec.env", it));
    let whole = spec.env_from.iter().enumerate().flat_map(|(at, from)| of_source(&format!("spec.envFrom[{at}]"), from));
    let files = spec.files.iter().filter_map(of_file);
    let logins = spec.dependencies.iter().flat_map(of_dependency);
    keys.chain(whole).chain(files).chain(raw::wanted(spec)).chain(logins).collect()
}

/// The Secrets that the variables of a dependency come from.
fn of_dependency(dependency: &Dependency) -> Vec<Reference> {
    let secrets = dependency.secrets().map(|(field, key, secret)| Reference {
        source: Source::Secret,
        name: secret.name.clone(),
        key: Some(key.to_owned()),
        optional: false,
        field: format!("spec.dependencies[{}].{field}", dependency.name),
    });
    secrets.collect()
}

fn of_variable(list: &str, variable: &EnvVar) -> Option<Reference> {
    let from = variable.value_from.as_ref()?;
    let field = format!("{list}[{}]", variable.name);
    of_key(field, from.config_map_key_ref.as_ref(), from.secret_key_ref.as_ref())
}

fn of_file(file: &File) -> Option<Reference> {
    let field = format!("spec.files[{}]", file.path);
    of_key(field, file.config_map_key_ref.as_ref(), file.secret_key_ref.as_ref())
}

fn of_key(
    field: String,
    config_map: Option<&ConfigMapKeySelector>,
    secret: Option<&SecretKeySelector>,
) -> Option<Reference> {
    let config_map = config_map.map(|it| (Source::ConfigMap, &it.name, &it.key, it.optional));
    let secret = secret.map(|it| (Source::Secret, &it.name, &it.key, it.optional));
    let (source, name, key, optional) = secret.or(config_map)?;
    Some(Reference { source, name: name.clone(), key: Some(key.clone()), optional: optional.unwrap_or(false), field })
}

fn of_source(field: &str, from: &EnvFromSource) -> Vec<Reference> {
    let secret = from.secret_ref.as_ref().map(|it| (Source::Secret, &it.name, it.optional));
    let config_map = from.config_map_ref.as_ref().map(|it| (Source::ConfigMap, &it.name, it.optional));
    let both = secret.into_iter().chain(config_map);
    both.map(|(source, name, optional)| Reference {
        source,
        name: name.clone(),
        key: None,
        optional: optional.unwrap_or(false),
        field: field.to_owned(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use serde_json::json;

    fn spec() -> MCPServerSpec {
        serde_json::from_value(json!({
            "image": "mcp/everything",
            "port": 3001,
            "env": [
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "anthropic"}}},
                {"name": "OPT", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "openai", "optional": true}}},
                {"name": "PLAIN", "value": "x"},
            ],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
        }))
        .expect("a valid spec")
    }

    #[test]
    fn a_missing_object_is_named_with_its_field() {
        let references = References::gather(&spec(), |_, _| Found::Absent);
        assert_eq!(
            references.missing(),
            [
                "spec.env[KEY]: Secret \"keys\" does not exist in this namespace: create it",
                "spec.envFrom[0]: ConfigMap \"settings\" does not exist in this namespace: create it",
            ]
        );
    }

    #[test]
    fn a_missing_key_is_named_with_those_that_exist() {
        let references = References::gather(&spec(), |_, _| keys(&[("antropic", "1"), ("openai", "2")]));
        assert_eq!(
            references.missing(),
            ["spec.env[KEY]: Secret \"keys\" has no key \"anthropic\"; it has antropic, openai"]
        );
    }

    fn keys(pairs: &[(&str, &str)]) -> Found {
        let digest = |value: &str| digest::of(value.as_bytes()).finish();
        Found::Present(pairs.iter().map(|(key, value)| ((*key).to_owned(), digest(value))).collect())
    }

    /// Hash with this Secret, and a `ConfigMap` that never changes.
    fn hash(secret: &Found) -> Option<String> {
        let references = References::gather(&spec(), |source, _| match source {
            Source::Secret => secret.clone(),
            Source::ConfigMap => keys(&[("a", "1")]),
        });
        references.hash(&spec(), "uid", "it")
    }

    #[test]
    fn the_hash_follows_the_keys_that_are_used() {
        let before = hash(&keys(&[("anthropic", "1")]));
        assert!(before.is_some());
        assert_eq!(before, hash(&keys(&[("anthropic", "1"), ("unused", "2")])));
        let others = [
            keys(&[("anthropic", "2")]),
            // Optional, and there now.
            keys(&[("anthropic", "1"), ("openai", "1")]),
            keys(&[("anthropic", "1"), ("openai", "")]),
            Found::Absent,
            Found::Unknown,
        ];
        let hashes: BTreeSet<_> = others.iter().map(hash).chain([before]).collect();
        assert_eq!(hashes.len(), others.len() + 1, "{hashes:?}");
    }

    #[test]
    fn the_hash_is_each_servers_own() {
        let references = References::gather(&spec(), |_, _| keys(&[("anthropic", "1")]));
        assert_ne!(references.hash(&spec(), "one", "it"), references.hash(&spec(), "two", "it"));
    }

    #[test]
    fn pods_are_not_rolled_to_where_they_could_not_start() {
        let running = Running { hash: Some("before".into()), is_ready: true };
        let running = BTreeMap::from([("it".to_owned(), running)]);
        let gone = References::gather(&spec(), |_, _| Found::Absent).with_workloads(running.clone());
        assert_eq!(gone.hash(&spec(), "uid", "it").as_deref(), Some("before"));
        assert_eq!(gone.hash(&spec(), "uid", "another").as_deref().filter(|it| *it == "before"), None);
        let there = References::gather(&spec(), |_, _| keys(&[("anthropic", "1")])).with_workloads(running);
        assert_ne!(there.hash(&spec(), "uid", "it").as_deref(), Some("before"));
    }

    #[test]
    fn what_is_in_raw_parts_is_found() {
        let mut spec = spec();
        let raw = |value: serde_json::Value| value.as_object().cloned().expect("an object");
        spec.volumes = vec![
            raw(json!({"name": "a", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}})),
            raw(json!({"name": "b", "projected": {"sources": [{"configMap": {"name": "c", "optional": true}}]}})),
            raw(json!({"name": 5})),
        ];
        spec.init_containers = vec![raw(json!({"name": "i", "envFrom": [{"secretRef": {"name": "e"}}]}))];
        let found: Vec<_> = raw::wanted(&spec).into_iter().map(|it| (it.source, it.name, it.key, it.field)).collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            found,
            [
                (Source::Secret, text("s"), Some(text("k")), text("spec.volumes[a]")),
                (Source::ConfigMap, text("c"), None, text("spec.volumes[b]")),
                (Source::Secret, text("e"), None, text("spec.initContainers[i].envFrom[0]")),
            ]
        );
    }

    #[test]
    fn what_is_not_watched_is_not_called_missing() {
        let references = References::gather(&spec(), |_, _| Found::Unknown);
        assert!(references.missing().is_empty());
    }
}

//! What a spec refers to outside of itself, and what of it exists. The data here is pure; the
//! caches that answer are filled in [`crate::controller`].
//!
//! No value of a Secret or ConfigMap is kept, only a digest per key.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::api::MCPServerSpec;

/// Kinds of objects that a spec may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A `ConfigMap`.
    ConfigMap,
    /// A `Secret`.
    Secret,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
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

/// Digest of a key's value.
pub type Digest = u64;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    found: BTreeMap<(Source, String), Found>,
}

impl References {
    /// Asks `look_up` once for each object that `spec` refers to.
    pub fn gather(spec: &MCPServerSpec, look_up: impl Fn(Source, &str) -> Found) -> Self {
        let objects: BTreeSet<_> = wanted(spec).into_iter().map(|it| (it.source, it.name)).collect();
        let found = objects.into_iter().map(|object| {
            let found = look_up(object.0, &object.1);
            (object, found)
        });
        Self { found: found.collect() }
    }

    /// A sentence for each reference of `spec` that leads nowhere and has to lead somewhere.
    pub fn missing(&self, spec: &MCPServerSpec) -> Vec<String> {
        wanted(spec).iter().filter(|it| !it.optional).filter_map(|it| self.why_missing(it)).collect()
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
pub fn wanted(spec: &MCPServerSpec) -> Vec<Reference> {
    let keys = spec.env.iter().filter_map(of_variable);
    let whole = spec.env_from.iter().enumerate().flat_map(|(at, from)| of_source(at, from));
    keys.chain(whole).collect()
}

fn of_variable(variable: &EnvVar) -> Option<Reference> {
    let from = variable.value_from.as_ref()?;
    let field = format!("spec.env[{}]", variable.name);
    if let Some(it) = &from.secret_key_ref {
        Some(Reference {
            source: Source::Secret,
            name: it.name.clone(),
            key: Some(it.key.clone()),
            optional: it.optional.unwrap_or(false),
            field,
        })
    } else {
        from.config_map_key_ref.as_ref().map(|it| Reference {
            source: Source::ConfigMap,
            name: it.name.clone(),
            key: Some(it.key.clone()),
            optional: it.optional.unwrap_or(false),
            field,
        })
    }
}

fn of_source(at: usize, from: &EnvFromSource) -> Vec<Reference> {
    let field = format!("spec.envFrom[{at}]");
    let secret = from.secret_ref.as_ref().map(|it| (Source::Secret, &it.name, it.optional));
    let config_map = from.config_map_ref.as_ref().map(|it| (Source::ConfigMap, &it.name, it.optional));
    let both = secret.into_iter().chain(config_map);
    both.map(|(source, name, optional)| Reference {
        source,
        name: name.clone(),
        key: None,
        optional: optional.unwrap_or(false),
        field: field.clone(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
            references.missing(&spec()),
            [
                "spec.env[KEY]: Secret \"keys\" does not exist in this namespace: create it",
                "spec.envFrom[0]: ConfigMap \"settings\" does not exist in this namespace: create it",
            ]
        );
    }

    #[test]
    fn a_missing_key_is_named_with_those_that_exist() {
        let keys = BTreeMap::from([("antropic".to_owned(), 1), ("openai".to_owned(), 2)]);
        let references = References::gather(&spec(), |_, _| Found::Present(keys.clone()));
        assert_eq!(
            references.missing(&spec()),
            ["spec.env[KEY]: Secret \"keys\" has no key \"anthropic\"; it has antropic, openai"]
        );
    }

    #[test]
    fn what_is_not_watched_is_not_called_missing() {
        let references = References::gather(&spec(), |_, _| Found::Unknown);
        assert!(references.missing(&spec()).is_empty());
    }
}

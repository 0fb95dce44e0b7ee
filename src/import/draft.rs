//! A server on its way: its spec as far as it is known, what a person has to be told, and the keys of the
//! Secret that a person has to fill.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use super::{Import, Outcome, Refusal, SecretToMake, address, secret};
use crate::api::{Credentials, Dependency, MCPServer, MCPServerSpec, PresetName, Scratch};

/// Room for what is added to a server's name.
const LONGEST_NAME: usize = 40;

const NO_VARIABLE: &str = "env: a variable with a name that none can have is left out";

/// How a path on the machine of a person begins.
const LOCAL_PATHS: [&str; 9] = ["./", "../", "~", "/Users/", "/home/", "C:\\", "${HOME}", "$HOME", "${userHome}"];

#[derive(Default)]
pub(super) struct Draft {
    pub name: String,
    pub spec: MCPServerSpec,
    pub notes: Vec<String>,
    pub namespace: Option<String>,
    /// Whether its texts were written for Kubernetes, where `$(NAME)` stands for a variable.
    is_of_kubernetes: bool,
    /// Paths in the container at which something was that is not there now.
    pub missing: Vec<String>,
    secret: BTreeSet<String>,
    secret_name: Option<String>,
}

impl Draft {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name_of(name), ..Self::default() }
    }

    /// One in place of another operator's resource, whose objects may be there.
    pub(super) fn in_place_of(document: &Value) -> Self {
        let mut draft = Self::new(document["metadata"]["name"].as_str().unwrap_or_default());
        draft.is_of_kubernetes = true;
        draft.namespace = document["metadata"]["namespace"].as_str().map(Into::into);
        draft.note("delete the other operator's MCPServer first, where its objects have the names that Landfall's get");
        draft
    }

    /// Tells a person something. Each thing once.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(super) fn finish(mut self) -> Outcome {
        for path in std::mem::take(&mut self.missing) {
            let names = |it: &EnvVar| it.value.as_deref() == Some(&path);
            for name in self.spec.env.iter().filter(|it| names(it)).map(|it| it.name.clone()).collect::<Vec<_>>() {
                self.note(format!("env {name}: left out, it names {path}, which is not there now"));
            }
            self.spec.env.retain(|it| !names(it));
        }
        let server = MCPServer {
            metadata: ObjectMeta { name: Some(self.name), namespace: self.namespace, ..ObjectMeta::default() },
            spec: self.spec,
            status: None,
        };
        let secret = self.secret_name.map(|name| SecretToMake { name, keys: self.secret });
        Outcome::Server(Box::new(Import { server, secret, notes: self.notes }))
    }

    /// Notes the fields of a document that are not among those which are carried over.
    pub(super) fn leave(&mut self, at: &str, map: &Value, carried: &[&str]) {
        let fields = map.as_object().into_iter().flatten();
        let left = fields.filter(|(key, value)| !carried.contains(&key.as_str()) && !is_empty(value));
        for key in left.map(|(key, _)| key).collect::<Vec<_>>() {
            self.note(format!("{at}{key}: not carried over, there is nothing like it here"));
        }
    }

    /// A part of a document as the type that Kubernetes has for it.
    pub(super) fn part<T: DeserializeOwned>(&mut self, at: &str, value: &Value) -> Option<T> {
        if value.is_null() {
            return None;
        }
        let read = serde_json::from_value(value.clone());
        read.map_err(|_| self.note(format!("{at}: not carried over, it is not what Kubernetes knows under this name")))
            .ok()
    }

    /// Whether the server has this variable already.
    pub(super) fn has(&self, name: &str) -> bool {
        self.spec.env.iter().any(|it| it.name == name)
    }

    /// A variable with its value as it stands: for what is known to be no secret.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.spec.env.push(EnvVar { name: name.into(), value: Some(value.into()), value_from: None });
        }
    }

    /// A variable whose value a person puts into the Secret.
    pub(super) fn ask(&mut self, name: &str) {
        if !is_variable(name) {
            return self.note(NO_VARIABLE);
        }
        if self.has(name) {
            return;
        }
        let secret_key_ref = SecretKeySelector { name: self.secret_name(), key: name.into(), optional: None };
        let value_from = EnvVarSource { secret_key_ref: Some(secret_key_ref), ..EnvVarSource::default() };
        self.secret.insert(name.to_owned());
        self.spec.env.push(EnvVar { name: name.into(), value: None, value_from: Some(value_from) });
    }

    /// The name of the Secret to make: not that of one which the server uses already.
    fn secret_name(&mut self) -> String {
        let name = format!("{}-secrets", self.name);
        let from_env =
            self.spec.env.iter().filter_map(|it| it.value_from.as_ref()?.secret_key_ref.as_ref()).map(|it| &it.name);
        let from_whole = self.spec.env_from.iter().filter_map(|it| it.secret_ref.as_ref()).map(|it| &it.name);
        let is_taken = self.secret_name.is_none() && from_env.chain(from_whole).any(|it| *it == name);
        self.secret_name.get_or_insert(if is_taken { format!("{}-imported-secrets", self.name) } else { name }).clone()
    }

    /// A variable as a person wrote it.
    pub(super) fn variable(&mut self, name: &str, value: &str) {
        if !is_variable(name) {
            return self.note(NO_VARIABLE);
        }
        if LOCAL_PATHS.iter().any(|it| value.starts_with(it)) || value.contains("${workspaceFolder") {
            return self.note(format!(
                "env {name}: left out, it was a path on your machine; give the file under spec.files, or a directory under \
                 spec.scratch or spec.storage"
            ));
        }
        if let Some(value) = self.database(value) {
            if value != format!("$({name})") {
                self.set(name, &value);
            }
            return;
        }
        match default_of(value) {
            _ if secret::is(name, value) => self.ask(name),
            Some(default) if !secret::is_value(default) => {
                self.note(format!("env {name}: was to be set from outside; this is its default"));
                let value = self.escaped(default);
                self.set(name, &value);
            }
            _ if value.contains("${") => {
                self.note(format!("env {name}: was to be set from outside; its value is in the Secret to make, though it may be no secret"));
                self.ask(name);
            }
            _ => {
                if address::find(value).is_some_and(|it| address::is_local(it.host)) {
                    self.note(format!(
                        "env {name}: names localhost, which is the pod itself here; name what is meant as others in the cluster \
                         reach it, or add it under spec.dependencies"
                    ));
                }
                let value = self.escaped(value);
                self.set(name, &value);
            }
        }
    }

    /// Arguments as a person wrote them. Secrets among them become variables.
    pub(super) fn arguments<'a>(&mut self, args: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut carried: Vec<String> = Vec::new();
        let mut flag = None;
        for arg in args {
            let (own_flag, value) = match arg.split_once('=').filter(|(name, _)| name.starts_with('-')) {
                Some((name, value)) => (Some(name), value),
                None => (None, arg),
            };
            let of = own_flag.or(flag.filter(|_| !arg.starts_with('-'))).unwrap_or_default();
            let carry = |value: &str| own_flag.map_or_else(|| value.to_owned(), |flag| format!("{flag}={value}"));
            let is_flag = own_flag.is_none() && arg.starts_with('-');
            let is_known = value.strip_prefix("$(").and_then(|it| it.strip_suffix(')')).is_some_and(|it| self.has(it));
            if is_known {
                // Somebody here has put it there.
                carried.push(arg.to_owned());
            } else if !is_flag && (secret::is(of, value) || value.contains("${")) {
                if let Some(value) = self.database(value) {
                    carried.push(carry(&value));
                } else {
                    let name = self.name_for(of);
                    let place = if of.is_empty() { "an argument" } else { of };
                    self.note(format!("args: the value of {place} is the key {name} of the Secret to make"));
                    self.ask(&name);
                    carried.push(carry(&format!("$({name})")));
                }
            } else {
                if LOCAL_PATHS.iter().any(|it| value.starts_with(it)) {
                    self.note(format!("args: \"{value}\" is a path on your machine, which no pod has"));
                }
                let value = if is_flag { None } else { self.database(value) };
                carried.push(value.map_or_else(|| self.escaped(arg), |value| carry(&value)));
            }
            flag = is_flag.then_some(arg);
        }
        carried
    }

    /// A variable that there is not yet, for the value of a flag.
    fn name_for(&self, flag: &str) -> String {
        let name = if flag.is_empty() { "ARGUMENT".to_owned() } else { secret::words(flag) };
        let name = if is_variable(&name) { name } else { format!("ARGUMENT_{name}") };
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.clone()).chain(numbered).find(|it| !self.has(it)).unwrap_or(name)
    }

    /// The value in which a database on localhost has become a dependency.
    fn database(&mut self, value: &str) -> Option<String> {
        let found = address::find(value).filter(|it| address::is_local(it.host))?;
        let preset = address::preset_at(found.port?)?;
        let name = preset.as_str();
        if !self.spec.dependencies.iter().any(|it| it.name == name) {
            self.note(format!(
                "dependencies: {preset} was on localhost; now it is run with the server, and begins empty"
            ));
            self.spec.dependencies.push(Dependency {
                name: name.into(),
                preset: Some(preset),
                credentials: credentials(preset, &found),
                ..Dependency::default()
            });
        }
        found.through(name, Some(preset))
    }

    /// `$(` begins a reference in Kubernetes alone.
    fn escaped(&self, text: &str) -> String {
        if self.is_of_kubernetes { text.to_owned() } else { text.replace("$(", "$$(") }
    }

    /// A directory that the server may write to.
    pub(super) fn scratch(&mut self, path: &str) {
        let path = path.trim_end_matches('/');
        if path.starts_with('/') && path.len() > 1 && !self.spec.scratch.iter().any(|it| it.path == path) {
            self.spec.scratch.push(Scratch { path: path.into(), size_limit: None, medium: None });
        }
    }

    /// Limits of CPU and memory.
    pub(super) fn limit(&mut self, what: &str, quantity: String) {
        let limits = self.spec.resources.get_or_insert_default().limits.get_or_insert_default();
        limits.insert(what.into(), Quantity(quantity));
    }

    /// The image, as Kubernetes takes it.
    pub(super) fn image(&mut self, image: &str) -> Result<(), Refusal> {
        if image.contains("${") || image.is_empty() || image.chars().any(char::is_whitespace) {
            return Err(format!("the image \"{image}\" is no image reference: write it out and import again"));
        }
        let name = image.split('@').next().unwrap_or_default();
        let tag = name.rsplit('/').next().and_then(|it| it.split_once(':'));
        if !image.contains('@') && tag.is_none_or(|(_, tag)| tag == "latest") {
            self.note("image: is whatever is newest when a pod starts; name a version");
        }
        image.clone_into(&mut self.spec.image);
        Ok(())
    }
}

/// The user and database that a URL names, where the database makes its own.
pub(super) fn credentials(preset: PresetName, found: &address::Address<'_>) -> Option<Credentials> {
    let made = |account| matches!(account, crate::presets::Account::Made(_));
    let of = preset.preset().credentials.as_ref().filter(|it| made(it.database))?;
    let fits = |it: &&str| {
        it.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && it.len() <= 63
            && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    let username =
        found.user.map(|it| it.split(':').next().unwrap_or_default()).filter(fits).filter(|_| made(of.username));
    let path = found.after.trim_start_matches('/');
    let database = Some(path.split(['?', '/']).next().unwrap_or_default()).filter(fits);
    let credentials = Credentials {
        username: username.map(Into::into),
        database: database.map(Into::into),
        ..Credentials::default()
    };
    (credentials != Credentials::default()).then_some(credentials)
}

/// A name that Kubernetes takes for a Service.
pub(super) fn name_of(text: &str) -> String {
    let text = text.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let fits = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
    let name: String = text.chars().map(fits).collect::<String>();
    let name: Vec<_> = name.split('-').filter(|it| !it.is_empty()).collect();
    let name = name.join("-");
    let name = name.trim_start_matches(|it: char| !it.is_ascii_lowercase());
    let name = &name[..name.len().min(LONGEST_NAME)];
    match name.trim_end_matches('-') {
        "" => "server".into(),
        name => name.into(),
    }
}

/// What is written `${NAME:-default}` as a whole.
fn default_of(value: &str) -> Option<&str> {
    let inner = value.strip_prefix("${")?.strip_suffix('}')?;
    let (name, default) = inner.split_once(":-").or_else(|| inner.split_once('-'))?;
    (is_variable(name) && !default.contains("${")).then_some(default)
}

fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    starts && name.len() <= 253 && name.chars().all(|it| it.is_ascii_alphanumeric() || "_.-".contains(it))
}

/// A text or a list of texts, as many formats have it.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        Value::Null => Vec::new(),
        other => text(other).into_iter().collect(),
    }
}

/// A text, a number, or true and false, as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The map at a field, or an empty one.
pub(super) fn map<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    value[field].as_object().into_iter().flat_map(Map::iter)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_services() {
        for (text, name) in [
            ("dot-ai", "dot-ai"),
            ("io.github.user/My Server_1", "my-server-1"),
            ("123", "server"),
            ("--x--", "x"),
            ("", "server"),
            ("ünï", "n"),
        ] {
            assert_eq!(name_of(text), name, "{text}");
        }
        assert!(name_of(&"a-".repeat(100)).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_secret_in_an_argument_becomes_a_variable() {
        let mut draft = Draft::new("it");
        let args = draft.arguments(["--token", "abc", "--api-key=def", "--port", "80", "postgres://u:p@db.example/x"]);
        assert_eq!(args, ["--token", "$(TOKEN)", "--api-key=$(API_KEY)", "--port", "80", "$(ARGUMENT)"]);
        assert_eq!(draft.spec.env.len(), 3);
    }

    #[test]
    fn a_database_on_localhost_becomes_a_dependency() {
        let mut draft = Draft::new("it");
        draft.variable("QDRANT_URL", "http://localhost:6333");
        draft.variable("VECTORS", "http://localhost:6333/");
        draft.variable("DATABASE_URI", "postgresql://me:hunter2@127.0.0.1:5432/shop");
        let names: Vec<_> = draft.spec.dependencies.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["qdrant", "postgres"]);
        let values: Vec<_> = draft.spec.env.iter().map(|it| it.value.clone().unwrap_or_default()).collect();
        assert_eq!(values, ["$(QDRANT_URL)", "$(POSTGRES_URL)"]);
        let credentials = draft.spec.dependencies[1].credentials.clone().expect("named in the URL");
        assert_eq!((credentials.username.as_deref(), credentials.database.as_deref()), (Some("me"), Some("shop")));
    }
}

//! A service that a server needs.

use k8s_openapi::api::core::v1::EnvVar;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

use super::Services;
use super::values::{container_port, filled, interpolated, variables, version_of, words_of};
use crate::api::{Credentials, Dependency, DependencyPort, DependencyStorage, PresetName};
use crate::import::draft::{self, Draft, texts};
use crate::import::{docker, secret};
use crate::presets::{Account, Part};

/// Variables of databases that go into the Secret that is generated.
const PASSWORDS: [&str; 4] = ["PASSWORD", "AUTH", "API_KEY", "PASS"];

/// The preset that a service is an image of.
pub(super) fn preset_of(service: &Value) -> Option<PresetName> {
    let image = filled(service["image"].as_str()?);
    let repository = docker::repository(&image);
    let plain = repository.trim_start_matches("docker.io/").trim_start_matches("library/");
    PresetName::ALL.iter().find(|it| it.preset().image == plain).copied().or_else(|| with_data(plain))
}

/// Images that are made of Qdrant's with data in them.
fn with_data(repository: &str) -> Option<PresetName> {
    let preset = PresetName::Qdrant;
    let is_other_make = repository.contains("bitnami");
    (repository.ends_with("/qdrant") && !is_other_make).then_some(preset)
}

/// A name that a dependency may have.
pub(super) fn name_of(service: &str) -> String {
    let name = draft::name_of(service);
    if name == "server" || name.ends_with("-headless") { format!("{name}-1") } else { name }
}

/// Adds a service to the dependencies of a server.
pub(super) fn carry(draft: &mut Draft, name: &str, service: &Value, needs: &BTreeSet<&str>, services: &Services<'_>) {
    let mut dependency = Dependency { name: name_of(name), ..Dependency::default() };
    if dependency.name != name {
        draft.note(format!("dependencies[{}]: was called {name}", dependency.name));
    }
    dependency.depends_on = needs.iter().map(|it| name_of(it)).collect();
    let is_carried = match preset_of(service) {
        Some(preset) => known(draft, &mut dependency, preset, service),
        None => plain(draft, &mut dependency, service, services),
    };
    if is_carried {
        draft.spec.dependencies.push(dependency);
    }
}

/// A database that Landfall knows: it needs little more than its name.
fn known(draft: &mut Draft, dependency: &mut Dependency, preset: PresetName, service: &Value) -> bool {
    let place = format!("dependencies[{}]", dependency.name);
    let image = filled(service["image"].as_str().unwrap_or_default());
    let of = preset.preset();
    dependency.preset = Some(preset);
    let is_its_own = docker::repository(&image).ends_with(of.image);
    dependency.version = version_of(of, &image).filter(|_| is_its_own);
    match &dependency.version {
        None if !is_its_own => {
            draft.note(format!("{place}: is taken for {preset}, with an image of its own; what is in the image is hidden by the storage"));
            dependency.image = Some(image);
        }
        None => {
            draft.note(format!("{place}: was {image}; now the version {} that the preset has by default", of.version));
        }
        Some(version) if of.image_of(Some(version)).rsplit(':').next() != image.rsplit(':').next() => {
            draft.note(format!("{place}: was {image}; now {}", of.image_of(Some(version))));
        }
        Some(_) => {}
    }
    let known = of.credentials.as_ref();
    let part_of =
        |name: &str| known.and_then(|it| it.env.iter().find(|(known, _)| *known == name)).map(|(_, part)| *part);
    let mut credentials = Credentials::default();
    for (name, value) in variables(service) {
        let value = value.filter(|it| !it.contains("${"));
        match part_of(&name) {
            Some(Part::Username) => credentials.username = value,
            Some(Part::Database) => credentials.database = value,
            Some(Part::Password) => {
                draft.note(format!("{place}: has a password of its own that is generated, in place of {name}"));
                if known.is_some_and(|it| !it.by_default) {
                    credentials.generate = Some(true);
                }
            }
            None if of.env.iter().any(|(known, _)| *known == name) => {}
            None if known.is_some_and(|it| it.composed.iter().any(|(known, _)| *known == name)) => {
                draft.note(format!("{place}: has a password of its own that is generated, in place of {name}"));
            }
            None if secret::is(&name, value.as_deref().unwrap_or_default()) => {
                draft.note(format!("{place}: {name} is not carried over, it may be a secret"));
            }
            None => match value {
                Some(value) => dependency.env.push(EnvVar { name, value: Some(value), value_from: None }),
                None => draft.note(format!("{place}: {name} was to be set from outside, and is left out")),
            },
        }
    }
    let made = |account: fn(&crate::presets::CredentialsOf) -> Account| {
        known.is_some_and(|it| matches!(account(it), Account::Made(_)))
    };
    credentials.username = credentials.username.filter(|_| made(|it| it.username));
    credentials.database = credentials.database.filter(|_| made(|it| it.database));
    if credentials != Credentials::default() {
        dependency.credentials = Some(credentials);
    }
    if !service["command"].is_null() {
        draft.note(format!("{place}: its command is not carried over, the preset has its own"));
    }
    draft.note(format!("{place}: begins empty; copy its data with the database's own tools"));
    true
}

/// Any other service. It needs an image and a port.
fn plain(draft: &mut Draft, dependency: &mut Dependency, service: &Value, services: &Services<'_>) -> bool {
    let place = format!("dependencies[{}]", dependency.name);
    let Some(image) = service["image"].as_str() else {
        draft.note(format!(
            "{place}: left out, it is built from source; build its image, push it to a registry, and add it"
        ));
        return false;
    };
    let ports: Vec<_> = texts(&service["ports"]).into_iter().chain(texts(&service["expose"])).collect();
    let ports: BTreeSet<_> = ports.iter().filter_map(|it| container_port(it)).collect();
    if ports.is_empty() {
        draft.note(format!("{place}: left out, it does not say on which port it listens; add it with its ports"));
        return false;
    }
    let named = ports.into_iter().map(|port| DependencyPort { name: format!("port-{port}"), port });
    dependency.ports = named.collect();
    dependency.image = Some(filled(image));
    let words = |field: &str| match &service[field] {
        Value::String(text) => words_of(text),
        other => texts(other),
    };
    dependency.command = words("entrypoint");
    dependency.args = words("command");
    let words: Vec<_> = dependency.command.iter().chain(&dependency.args).map(String::as_str).collect();
    let is_named = |pair: &[&str]| pair[0].starts_with('-') && secret::is_name(pair[0]) && !pair[1].starts_with('-');
    if words.iter().any(|it| secret::is_value(it)) || words.windows(2).any(is_named) {
        dependency.command.clear();
        draft.note(format!("{place}: its arguments are not carried over, one may be a secret"));
        dependency.args.clear();
    }
    for (name, value) in variables(service) {
        let value = value.map(|it| services.as_a_dependency(&it).unwrap_or(it));
        match value.filter(|it| !secret::is(&name, it) && !it.contains("${")) {
            Some(value) => dependency.env.push(EnvVar { name, value: Some(value), value_from: None }),
            None => draft.note(format!(
                "{place}: {name} is not carried over, it may be a secret; give it from a Secret of yours"
            )),
        }
    }
    for (source, target) in service["volumes"].as_array().into_iter().flatten().filter_map(volume) {
        let is_named = !source.is_empty() && !source.starts_with(['/', '.', '~', '$']);
        if is_named && dependency.storage.is_none() {
            draft.note(format!("{place}: its volume \"{source}\" begins empty, and how large it is was not said"));
            dependency.storage = Some(DependencyStorage {
                mount_path: Some(target),
                size: Some(Quantity("1Gi".into())),
                ..Default::default()
            });
        } else {
            draft.note(format!("{place}: {target} is not carried over"));
        }
    }
    true
}

/// Whether a value was the password of this dependency in the file.
pub(super) fn was_password(dependency: &Dependency, value: &str, services: &Services<'_>) -> bool {
    let Some(preset) = dependency.preset.filter(|_| value.len() > 3 && !value.contains("${")) else { return false };
    if preset.preset().credentials.is_none() {
        return false;
    }
    let service = services.0.iter().find(|(name, _)| name_of(name) == dependency.name).map(|(_, it)| *it);
    let is_password = |name: &str| PASSWORDS.iter().any(|it| name.ends_with(it));
    service.is_some_and(|it| {
        variables(it).iter().any(|(name, own)| {
            is_password(name) && own.as_deref().is_some_and(|own| own.rsplit('/').next() == Some(value))
        })
    })
}

/// Source and target of a volume; the source of one without a name is empty.
pub(super) fn volume(volume: &Value) -> Option<(String, String)> {
    if let Some(text) = volume.as_str() {
        let text = interpolated(text);
        let mut parts = text.split(':');
        let first = parts.next()?.to_owned();
        return Some(match parts.next() {
            Some(target) => (first, target.to_owned()),
            None => (String::new(), first),
        });
    }
    let target = volume["target"].as_str()?.to_owned();
    Some((volume["source"].as_str().unwrap_or_default().to_owned(), target))
}

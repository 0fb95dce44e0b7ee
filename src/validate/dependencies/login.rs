//! User and password of a dependency: where they are kept, and which there are.

use k8s_openapi::api::core::v1::SecretKeySelector;

use super::super::variables::{Value, Variable};
use super::super::{PartName, Problems};
use crate::api::{Credentials, Dependency};
use crate::presets::{Account, CredentialsOf, Part};

/// A Secret to be made once; its password is made with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedCredentials {
    /// Name of the Secret.
    pub secret: String,
    pub username: Option<String>,
    pub database: Option<String>,
}

/// User and password of a dependency.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Login {
    /// What there is, and where it comes from.
    parts: Vec<(Part, Value)>,
    generated: Option<GeneratedCredentials>,
}

impl Login {
    pub(super) fn of(dependency: &Dependency, part: &PartName, is_stored: bool, problems: &mut Problems) -> Self {
        let own = dependency.credentials.clone().unwrap_or_default();
        let known = dependency.preset.and_then(|it| it.preset().credentials.as_ref());
        if let Some(secret) = &own.secret_ref {
            return Self::existing(&secret.name, known, dependency.external.is_some());
        }
        if dependency.external.is_some() {
            return Self::default();
        }
        let by_default =
            known.map_or(dependency.credentials.is_some(), |it| it.by_default || dependency.credentials.is_some());
        if own.generate.unwrap_or(by_default) {
            return Self::made(&own, known, part.credentials(is_stored), problems);
        }
        if known.is_some_and(|it| !it.optional) {
            problems.add(
                "spec.credentials.generate",
                "is false, and this database does not run without a password: remove it",
            );
        }
        Self::default()
    }

    fn made(own: &Credentials, known: Option<&CredentialsOf>, secret: String, problems: &mut Problems) -> Self {
        let mut account = |field: &str, own: &Option<String>, known: Option<Account>| match (known, own) {
            (Some(Account::Fixed(name)), Some(own)) if own != name => {
                problems.add(format!("spec.credentials.{field}"), format!("is always \"{name}\" here: remove it"));
                None
            }
            (Some(Account::Absent), Some(_)) => {
                problems.add(format!("spec.credentials.{field}"), "is nothing that this database has: remove it");
                None
            }
            (Some(Account::Fixed(name)), _) | (Some(Account::Made(name)), None) => Some(name.to_owned()),
            (Some(Account::Made(_)) | None, own) => own.clone(),
            (Some(Account::Absent), None) => None,
        };
        let username = account("username", &own.username, known.map(|it| it.username));
        let database = account("database", &own.database, known.map(|it| it.database));
        let there = |part: Part| match part {
            Part::Username => username.is_some(),
            Part::Password => true,
            Part::Database => database.is_some(),
        };
        let parts = Part::ALL.into_iter().filter(|part| there(*part));
        let parts = parts.map(|part| (part, key(&secret, part, false))).collect();
        Self { parts, generated: Some(GeneratedCredentials { secret, username, database }) }
    }

    /// What a Secret of the user has. A database that is run elsewhere may do without some of it.
    fn existing(secret: &str, known: Option<&CredentialsOf>, is_external: bool) -> Self {
        let value = |part: Part| {
            let account = match part {
                Part::Username => known.map(|it| it.username),
                Part::Database => known.map(|it| it.database),
                Part::Password => None,
            };
            match account {
                Some(Account::Absent) => None,
                Some(Account::Fixed(name)) => Some(Value::Text(name.into())),
                Some(Account::Made(_)) => Some(key(secret, part, is_external)),
                None => Some(key(secret, part, part != Part::Password)),
            }
        };
        let parts = Part::ALL.into_iter().filter_map(|part| Some((part, value(part)?))).collect();
        Self { parts, generated: None }
    }

    pub(super) fn is_none(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn generated(&self) -> Option<&GeneratedCredentials> {
        self.generated.as_ref()
    }

    /// `PREFIX_USERNAME` and so on.
    pub(super) fn variables(&self, prefix: &str) -> impl Iterator<Item = Variable> {
        self.parts
            .iter()
            .map(move |(part, value)| Variable { name: format!("{prefix}_{}", part.variable()), value: value.clone() })
    }

    /// A variable of this name with one part, if there is that part.
    pub(super) fn variable(&self, name: &str, part: Part) -> Option<Variable> {
        let (_, value) = self.parts.iter().find(|(it, _)| *it == part)?;
        Some(Variable { name: name.into(), value: value.clone() })
    }
}

fn key(secret: &str, part: Part, is_optional: bool) -> Value {
    Value::Key(SecretKeySelector { name: secret.into(), key: part.key().into(), optional: is_optional.then_some(true) })
}

//! Generated credentials of dependencies.
//!
//! Made once, and from then on never read, changed or deleted by the operator, which has no right to
//! either. Each is owned by the claim that holds the data that it opens, so that both end together,
//! or by the Service of a dependency that keeps none.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

use super::metadata_named;
use crate::children::{Child, Children, Live};
use crate::labels;
use crate::presets::Part;
use crate::validate::{GeneratedCredentials, ManagedDependency, ValidatedServer};

/// Letters and digits alone: a password becomes part of URLs. 32 of them are 190 bits.
const LENGTH: usize = 32;

/// Annotation of what owns a Secret with the user and the database that the Secret was made with: it
/// can never be read, and neither can be changed any more.
const LOGIN: &str = "landfall.dev/login";

/// That annotation of what owns the Secret of a dependency.
pub(super) fn login(dependency: &ManagedDependency) -> Option<(String, String)> {
    let GeneratedCredentials { username, database, .. } = dependency.credentials.as_ref()?;
    let [username, database] = [username, database].map(|it| it.as_deref().unwrap_or_default());
    Some((LOGIN.into(), format!("{username}/{database}")))
}

/// A user or a database that a live owner was not made with is refused: the Secret stays as it is, and
/// so does what its password opens.
pub(super) fn check_login(wanted: &impl ResourceExt, live: &impl ResourceExt, way_out: &str) -> Result<(), String> {
    fn parts(owner: &impl ResourceExt) -> Option<(&str, &str)> {
        owner.annotations().get(LOGIN)?.split_once('/')
    }
    let (Some(wanted_parts), Some(given)) = (parts(wanted), parts(live)) else { return Ok(()) };
    let pairs = [("username", given.0, wanted_parts.0), ("database", given.1, wanted_parts.1)];
    let Some((field, given, asked)) = pairs.into_iter().find(|(_, given, asked)| given != asked) else { return Ok(()) };
    let dependency = wanted.labels().get(labels::COMPONENT).map_or("", String::as_str);
    let stay = if given.is_empty() { "remove it".to_owned() } else { format!("write \"{given}\"") };
    Err(format!(
        "spec.dependencies[{dependency}].credentials.{field}: \"{asked}\" is not what its Secret was made with: {stay}, \
         or {way_out}"
    ))
}

impl Child for Secret {
    const WRITE_ONCE: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let of = |it: &ManagedDependency| {
            let login = it.credentials.as_ref().filter(|_| it.waits_for.is_empty());
            login.map(|login| secret(server, it, login))
        };
        server.managed().filter_map(of).collect()
    }

    fn begin(mut self, live: &Children<Live>) -> Option<Self> {
        let name = self.name_any();
        let owner = self.metadata.owner_references.as_mut()?.first_mut()?;
        let claims = live.persistent_volume_claims.iter().map(|it| (PersistentVolumeClaim::kind(&()), &it.metadata));
        let services = live.services.iter().map(|it| (Service::kind(&()), &it.metadata));
        let is_owner = |kind: &str, it: &ObjectMeta| {
            kind == owner.kind && it.name.as_ref() == Some(&owner.name) && it.deletion_timestamp.is_none()
        };
        let (_, found) = claims.chain(services).find(|(kind, it)| is_owner(kind, it))?;
        // What runs on this very claim was made after the Secret that it reads.
        let deployments = live.deployments.iter().filter_map(|it| Some((&it.metadata, &it.spec.as_ref()?.template)));
        let stateful = live.stateful_sets.iter().filter_map(|it| Some((&it.metadata, &it.spec.as_ref()?.template)));
        let is_user = |metadata: &ObjectMeta, pods: &PodTemplateSpec| {
            uses(pods, &name) && metadata.creation_timestamp >= found.creation_timestamp
        };
        if deployments.chain(stateful).any(|(metadata, pods)| is_user(metadata, pods)) {
            return None;
        }
        owner.uid = found.uid.clone()?;
        self.data.get_or_insert_default().insert(Part::Password.key().into(), ByteString(password()?.into_bytes()));
        Some(self)
    }
}

fn secret(server: &ValidatedServer, dependency: &ManagedDependency, login: &GeneratedCredentials) -> Secret {
    let part = &dependency.pod.part;
    let (kind, name) = match dependency.pod.storage {
        Some(_) => (PersistentVolumeClaim::kind(&()), part.storage()),
        None => (Service::kind(&()), part.to_string()),
    };
    let owner = OwnerReference { api_version: "v1".into(), kind: kind.into(), name, ..OwnerReference::default() };
    let mut metadata = metadata_named(server, part, login.secret.clone());
    metadata.owner_references = Some(vec![owner]);
    let names = [(Part::Username, &login.username), (Part::Database, &login.database)];
    let names = names.into_iter().filter_map(|(part, name)| Some((part.key().to_owned(), name.clone()?)));
    let data = names.map(|(key, name)| (key, ByteString(name.into_bytes()))).collect();
    Secret { metadata, data: Some(data), ..Secret::default() }
}

fn uses(pods: &PodTemplateSpec, secret: &str) -> bool {
    let containers = pods.spec.iter().flat_map(|it| &it.containers);
    let variables = containers.flat_map(|it| it.env.iter().flatten()).filter_map(|it| it.value_from.as_ref());
    variables.filter_map(|it| it.secret_key_ref.as_ref()).any(|it| it.name == secret)
}

/// `None` where the system has no randomness to give.
fn password() -> Option<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).ok()?;
        // Of the 256 values only as many are taken as give each letter the same chance.
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < 256 / LETTERS.len() * LETTERS.len());
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        password.extend(letters.take(LENGTH - password.len()));
    }
    Some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_password_is_another_and_fits_into_a_url() {
        let passwords: std::collections::BTreeSet<_> = (0..100).map(|_| password().expect("randomness")).collect();
        assert_eq!(passwords.len(), 100);
        for it in passwords {
            assert!(it.len() == LENGTH && it.bytes().all(|it| it.is_ascii_alphanumeric()), "{it}");
        }
    }
    #[test]
    fn another_login_than_that_of_the_secret_is_refused() {
        let service = |login: Option<&str>| {
            let annotations = login.map(|it| [(LOGIN.to_owned(), it.to_owned())].into());
            let labels = Some([(labels::COMPONENT.to_owned(), "db".to_owned())].into());
            Service { metadata: ObjectMeta { annotations, labels, ..ObjectMeta::default() }, ..Service::default() }
        };
        let refusal = |wanted, live| check_login(&service(wanted), &service(live), "leave").err().unwrap_or_default();
        assert_eq!(refusal(Some("a/b"), Some("a/b")), "");
        assert_eq!(refusal(Some("a/b"), None), "", "it was made before anybody noted that");
        assert_eq!(refusal(None, Some("a/b")), "", "it has no Secret of ours any more");
        assert_eq!(
            refusal(Some("x/b"), Some("a/b")),
            "spec.dependencies[db].credentials.username: \"x\" is not what its Secret was made with: write \"a\", or leave"
        );
        assert_eq!(
            refusal(Some("/b"), Some("/")),
            "spec.dependencies[db].credentials.database: \"b\" is not what its Secret was made with: remove it, or leave"
        );
    }
}

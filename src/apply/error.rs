//! Why children could not be made as they should be, sorted by what helps.

use kube::{Resource, ResourceExt};

use crate::api::FINALIZER;
use crate::cache::owner;
use crate::children::Child;
use crate::labels;

/// How the API server begins to tell that its server-side apply does not understand an object.
const UNREADABLE: [&str; 2] = ["failed to create typed patch object", "failed to convert new object"];

/// A child could not be made as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An object of this name exists and is somebody else's. A person has to decide.
    #[error("{kind} \"{name}\" exists and {owner}: rename this MCPServer, or delete or rename that {kind}")]
    NameConflict { kind: String, name: String, owner: String },
    /// The API server will not have it, now or later. A person has to change something.
    #[error("the cluster refuses {kind} \"{name}\": {message}")]
    Rejected { kind: String, name: String, message: String },
    /// The operator may not do it. An administrator has to grant the right.
    #[error("the operator may not {verb} {kind} \"{name}\": {message}; grant it that right, as its Helm chart does")]
    Forbidden { verb: &'static str, kind: String, name: String, message: String },
    /// Nobody can grant what they do not have themselves. An administrator has to let the operator.
    #[error(
        "the operator may not grant what {kind} \"{name}\" holds: {message}. Remove that from spec.serviceAccount, or \
         let an administrator add it to what the operator may grant (the Helm value rbac.grantable)"
    )]
    GrantRefused { kind: String, name: String, message: String },
    /// It has rights in the whole cluster from an operator that could give them; this one cannot
    /// take them away.
    #[error(
        "this MCPServer has ClusterRoles or ClusterRoleBindings, and the operator was started without \
         allowClusterRules, so it cannot delete them. Start it with allowClusterRules until they are gone; or delete \
         what `kubectl get clusterroles,clusterrolebindings -l {},{}={namespace},{}={server}` shows, and then the \
         finalizer {FINALIZER} of this MCPServer",
        format_args!("{}={}", labels::MANAGED_BY, labels::LANDFALL), labels::NAMESPACE, labels::INSTANCE
    )]
    OutOfReach { namespace: String, server: String },
    /// Kubernetes cannot change an existing object so. A person has to decide.
    #[error("{kind} \"{name}\" cannot be changed so. {message}")]
    ChangeRefused { kind: String, name: String, message: String },
    /// Somebody else wrote at the same time. Trying again helps.
    #[error("{kind} \"{name}\" changed while it was written: {message}")]
    Conflict { kind: String, name: String, message: String },
    /// Anything that should pass by itself.
    #[error("cannot {verb} {kind} \"{name}\": {source}")]
    Api { verb: &'static str, kind: String, name: String, source: Box<kube::Error> },
}

impl ApplyError {
    /// Whether trying again at once would not help: somebody has to change something first.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NameConflict { .. }
                | Self::Rejected { .. }
                | Self::Forbidden { .. }
                | Self::GrantRefused { .. }
                | Self::OutOfReach { .. }
                | Self::ChangeRefused { .. }
        )
    }

    pub(crate) fn new<K: Resource<DynamicType = ()>>(verb: &'static str, name: &str, error: kube::Error) -> Self {
        let (kind, name) = (K::kind(&()).into_owned(), name.to_owned());
        let kube::Error::Api(status) = &error else {
            return Self::Api { verb, kind, name, source: Box::new(error) };
        };
        let message = status.message.clone();
        match status.code {
            409 => Self::Conflict { kind, name, message },
            // The namespace is on its way out, and this server with it.
            403 if message.contains("being terminated") => Self::Api { verb, kind, name, source: Box::new(error) },
            // Both bindings and roles; the list of what is missing stands in lines of its own.
            403 if message.contains("attempting to grant RBAC permissions not currently held") => {
                let missing = message.split_once("not currently held:").map_or("", |(_, missing)| missing);
                let missing: Vec<_> = missing.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
                Self::GrantRefused { kind, name, message: format!("it does not have {} itself", missing.join(", ")) }
            }
            // Admission plugins (quotas, Pod Security, policies) answer with 403 like a missing right.
            403 if message.contains("User \"") && message.contains("\" cannot ") => {
                Self::Forbidden { verb, kind, name, message }
            }
            // Its answer to an applied object that it cannot read, however often it is asked.
            500 if UNREADABLE.iter().any(|it| message.starts_with(it)) => Self::Rejected { kind, name, message },
            400 | 403 | 413 | 422 => Self::Rejected { kind, name, message },
            _ => Self::Api { verb, kind, name, source: Box::new(error) },
        }
    }

    /// `found` has a name that a child should have.
    pub(super) fn conflict_over<K: Child>(found: &K) -> Self {
        let owner = owner(found).map_or_else(
            || "was not made by Landfall".to_owned(),
            |owner| format!("belongs to {} \"{}\"", owner.kind, owner.name),
        );
        Self::NameConflict { kind: K::kind(&()).into_owned(), name: found.name_any(), owner }
    }

    /// What exists cannot become what should be.
    pub(super) fn change_refused<K: Child>(name: &str, message: String) -> Self {
        Self::ChangeRefused { kind: K::kind(&()).into_owned(), name: name.to_owned(), message }
    }

    /// It existed a moment ago.
    pub(super) fn vanished<K: Child>(name: &str) -> Self {
        Self::Conflict { kind: K::kind(&()).into_owned(), name: name.to_owned(), message: "it was deleted".into() }
    }

    /// It exists, and may be removed any moment, with its owner that is gone.
    pub(super) fn left<K: Child>(name: &str) -> Self {
        let message =
            "it exists, and may be what an earlier owner left; if it is still there in ten seconds, it is not";
        Self::Conflict { kind: K::kind(&()).into_owned(), name: name.to_owned(), message: message.into() }
    }

    /// It cannot be put into JSON: a value that the types allow and JSON does not.
    pub(super) fn unwritable<K: Child>(name: &str, error: &serde_json::Error) -> Self {
        Self::Rejected { kind: K::kind(&()).into_owned(), name: name.to_owned(), message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Service;
    use kube::core::Status;

    fn is_final(code: u16, message: &str) -> bool {
        let status = Status { code, message: message.into(), ..Status::default() };
        ApplyError::new::<Service>("apply", "echo", kube::Error::Api(Box::new(status))).is_final()
    }

    #[test]
    fn an_object_that_the_api_server_cannot_read_is_refused_and_trouble_of_its_own_is_not() {
        assert!(is_final(500, "failed to create typed patch object (team/echo; v1, Kind=Service): .spec.a: no field"));
        assert!(is_final(500, "failed to convert new object (team/echo; apps/v1, Kind=Deployment) to proper version"));
        assert!(!is_final(500, "etcdserver: leader changed"));
        assert!(is_final(422, "invalid"));
    }
}

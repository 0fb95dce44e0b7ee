//! The registry of child kinds: the one list from which watching, building, applying, pruning and
//! the RBAC test all follow.
//!
//! A kind is added by a file in [`crate::build`] that implements [`Child`], and a line in
//! `registry!` below. Their order is the order in which they are applied: workloads late, so that
//! what they need is there when their pods start, and what leads clients to them last.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use crate::digest::Digest;
use crate::gateway_api::HTTPRoute;
use crate::reach::Reach;
use crate::references::{Route, Source};
use crate::settings::Platform;
use crate::validate::ValidatedServer;

/// A kind of object that servers are made of.
pub trait Child:
    Resource<DynamicType = (), Scope: Reach>
    + Registered
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
    /// Whether an object of this kind may outlive its server. One that shall is built without an
    /// owner: garbage collection and pruning leave it alone, and a server of the same name finds it
    /// by its labels and takes it up again.
    const MAY_OUTLIVE: bool = false;

    /// Whether objects of this kind are made once, and from then on neither watched nor read, changed
    /// or deleted: they hold what nobody shall see or lose. Nothing but the right to create them is
    /// needed.
    const WRITE_ONCE: bool = false;

    /// What specs call objects of this kind when they refer to them. Then all of the kind are
    /// watched, not only ours.
    const REFERRED_TO_AS: Option<Source> = None;

    /// Whether objects of this kind lead clients to hosts. Then all of the kind are watched, not only
    /// ours: a host may be somebody else's already.
    const IS_ROUTE: bool = false;

    /// Whether the API server may not know this kind, until its definition is installed.
    const MAY_BE_UNKNOWN: bool = false;

    /// Whether objects of this kind are built only when what they depend on is ready, or when they exist.
    const MAY_WAIT: bool = false;

    /// Whether objects of this kind are found by what they say of themselves, having no owner.
    const IS_WITHOUT_OWNER: bool = Self::MAY_OUTLIVE || Self::Scope::IS_CLUSTER_WIDE;

    /// Whether the operator may watch objects of this kind.
    fn is_watched(platform: &Platform) -> bool {
        !Self::WRITE_ONCE && (platform.allow_cluster_rules || !Self::Scope::IS_CLUSTER_WIDE)
    }

    /// The objects of this kind that `server` needs. Cannot fail: what could go wrong was refused
    /// by [`crate::validate`].
    fn build(server: &ValidatedServer) -> Vec<Self>;

    /// Comes to terms with the object that exists: takes over what only looks like a change, and
    /// refuses, with a sentence for people, a change that Kubernetes cannot make.
    fn settle(&mut self, _live: &Self) -> Result<Settled, String> {
        Ok(Settled::AsItWas)
    }

    /// The object of a write-once kind, with what it could not be built of: what is left to chance, or
    /// known only when the kinds before it are there. `None` where `live` shows that it was made
    /// before.
    fn begin(self, _live: &Children<Live>) -> Option<Self> {
        Some(self)
    }

    /// Digests of what specs can refer to in this object.
    fn digests(&self) -> BTreeMap<String, Digest> {
        BTreeMap::new()
    }

    /// The hosts and paths that a route serves.
    fn route(&self) -> Option<Route> {
        None
    }

    /// Drops from a live object what nobody here reads, to keep the cache small.
    fn trim(&mut self) {}
}

/// Whether a wish took something over from the object that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The wish is as it was.
    AsItWas,
    /// It did, so it holds only for just that state of the object.
    TakenOver,
}

/// One value per kind; `F` says which type it has for each.
pub trait Family {
    /// The value's type for kind `K`.
    type Of<K: Child>;
}

/// Objects as they should be.
pub enum Desired {}
impl Family for Desired {
    type Of<K: Child> = Vec<K>;
}

/// Objects as the API server has them. Only [`crate::apply`] makes these, so a status cannot be
/// reported from what was merely planned.
pub enum Live {}
impl Family for Live {
    type Of<K: Child> = Vec<Arc<K>>;
}

/// No value per kind: what counts is what is done for each on the way.
pub enum Nothing {}
impl Family for Nothing {
    type Of<K: Child> = ();
}

/// Makes the value of each kind.
pub trait Make<F: Family> {
    /// The value of kind `K`.
    fn make<K: Child>(&mut self) -> F::Of<K>;
}

/// Turns the value of each kind into another, one kind after the other.
pub trait Step<A: Family, B: Family> {
    /// Why the walk over the kinds ends early.
    type Error;

    /// The new value of kind `K`.
    fn step<K: Child>(&mut self, value: A::Of<K>) -> impl Future<Output = Result<B::Of<K>, Self::Error>> + Send;
}

/// The kind has a place in [`Children`].
pub trait Registered: Sized {
    /// This kind's value.
    fn of<F: Family>(children: &Children<F>) -> &F::Of<Self>
    where
        Self: Child;
}

macro_rules! registry {
    ($($field:ident: $kind:ident,)+) => {
        /// One value for each kind of child.
        pub struct Children<F: Family> {
            $(#[doc = concat!("Of kind `", stringify!($kind), "`.")] pub $field: F::Of<$kind>,)+
        }

        impl<F: Family> Children<F> {
            /// The value of each kind, as `make` gives it.
            pub fn from_each(make: &mut impl Make<F>) -> Self {
                Self { $($field: make.make::<$kind>(),)+ }
            }

            /// Each value turned into another, in the order of the registry.
            pub async fn try_each<B: Family, S: Step<F, B>>(self, step: &mut S) -> Result<Children<B>, S::Error> {
                Ok(Children { $($field: step.step::<$kind>(self.$field).await?,)+ })
            }
        }

        $(impl Registered for $kind {
            fn of<F: Family>(children: &Children<F>) -> &F::Of<Self> {
                &children.$field
            }
        })+
    };
}

registry! {
    service_accounts: ServiceAccount,
    roles: Role,
    role_bindings: RoleBinding,
    cluster_roles: ClusterRole,
    cluster_role_bindings: ClusterRoleBinding,
    config_maps: ConfigMap,
    persistent_volume_claims: PersistentVolumeClaim,
    network_policies: NetworkPolicy,
    services: Service,
    pod_disruption_budgets: PodDisruptionBudget,
    secrets: Secret,
    stateful_sets: StatefulSet,
    deployments: Deployment,
    horizontal_pod_autoscalers: HorizontalPodAutoscaler,
    ingresses: Ingress,
    http_routes: HTTPRoute,
}

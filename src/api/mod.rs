//! The types of the `MCPServer` resource, one file per section of its spec.
//!
//! Doc comments in this module are user documentation: they become the CRD's descriptions and so
//! what `kubectl explain mcpserver.spec` prints. A rule that the API server can check stands beside
//! its field as schema or CEL; what it cannot check is in [`crate::validate`], in the same words.

pub mod conditions;
pub mod crd;
mod dependencies;
mod expose;
mod files;
mod network_policy;
mod pod;
mod preset;
mod probes;
pub mod reference;
mod scaling;
mod schema;
mod server;
mod service;
mod service_account;
mod status;
mod storage;
pub mod unreadable;
mod verification;

pub use dependencies::{
    Credentials, Dependency, DependencyPort, DependencyStorage, External, SecretName, SharedAccount,
};
pub use expose::{Expose, ExposeGateway, ExposeIngress, ExposeTls, ParentReference, RouteTimeouts};
pub use files::File;
pub use network_policy::NetworkPolicySpec;
pub use pod::{PullPolicy, Scratch, ScratchMedium};
pub use preset::PresetName;
pub use probes::{ProbeSpec, Probes};
pub use scaling::{Autoscaling, DisruptionBudget, Sessions};
pub use server::{MCPServer, MCPServerSpec};
pub use service::{ExtraPort, ServiceSpec, ServiceType, SessionAffinity};
pub use service_account::{RoleKind, RoleReference, ServiceAccountSpec};
pub use status::{DependencyStatus, MCPServerStatus, ServerStatus};
pub use storage::{AccessMode, Storage};
pub use verification::{VerificationHeader, VerificationSpec, interval};

/// API group of the resource, and prefix of every annotation that the operator sets.
pub const GROUP: &str = "landfall.dev";

/// Field manager of every child object.
pub const FIELD_MANAGER: &str = "landfall";

/// Finalizer of a server that has children in the whole cluster.
pub const FINALIZER: &str = "landfall.dev/cluster-wide";

/// Field manager of the status, apart from the children's so that neither can prune the other.
pub const STATUS_MANAGER: &str = "landfall-status";

/// MCP endpoint when the spec names none: what the SDKs of the protocol serve by default.
pub const DEFAULT_PATH: &str = "/mcp";

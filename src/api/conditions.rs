//! Types and reasons of conditions: the only place where they are spelled. They are API: scripts
//! and alerts match on them, so a name that was released never changes its meaning.

/// Type of a condition of an `MCPServer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The spec is valid, and the cluster took every child that it asks for.
    Accepted,
    /// Every Secret and ConfigMap that the spec names exists, with the keys that it uses.
    ReferencesResolved,
    /// Every dependency is ready. Absent for a server that has none.
    DependenciesReady,
    /// At least one pod answers its readiness check.
    Available,
    /// An MCP client could use the server a moment ago. Absent where nothing is verified.
    Verified,
    /// Clients outside of the cluster reach the server at its public URL. Absent for a server that is
    /// not exposed.
    Exposed,
    /// A client can use the server, as this generation of the spec describes it, now.
    Ready,
    /// kstatus: on its way to what the spec says. Absent when not.
    Reconciling,
    /// kstatus: only a change by a person can help. Absent when not.
    Stalled,
}

impl ConditionType {
    /// The type as it stands in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::DependenciesReady => "DependenciesReady",
            Self::Available => "Available",
            Self::Verified => "Verified",
            Self::Exposed => "Exposed",
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// Defines [`Reason`] with its spelling and what it means, so that code and documentation cannot
/// drift apart: `docs/conditions.md` is checked against [`Reason::ALL`].
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Reason of a condition.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason as it stands in the status.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// The spec is valid and was applied.
    Accepted,
    /// The spec breaks a rule; the message lists every one.
    InvalidSpec,
    /// The resource cannot be read at all, for example because it was stored under an older schema.
    Undecodable,
    /// An object of a needed name exists and belongs to somebody else.
    NameConflict,
    /// The API server refused a child: a quota, an admission policy, or a value it does not take.
    RejectedByCluster,
    /// Kubernetes cannot change an existing object as the spec asks, or not without losing data.
    ChangeRefused,
    /// The operator lacks a right that it needs for this server.
    Forbidden,
    /// All references exist.
    Resolved,
    /// A Secret, a ConfigMap or a key that the spec names does not exist.
    MissingReference,
    /// Every dependency is ready.
    DependenciesReady,
    /// A dependency is not ready; the message says which, and why.
    DependencyNotReady,
    /// The first pods start when the dependencies are ready.
    WaitingForDependencies,
    /// A claim on storage has no volume.
    StorageNotBound,
    /// At least one pod answers.
    MinimumReplicasAvailable,
    /// Nothing has been seen yet.
    Pending,
    /// Pods are starting and nothing speaks against them.
    Starting,
    /// The number of replicas is zero, as asked.
    ScaledToZero,
    /// The image cannot be pulled.
    ImagePullFailed,
    /// The container starts and ends again.
    CrashLooping,
    /// The container runs but nothing answers on the port.
    NotListening,
    /// The container cannot be made as described: a missing Secret key, a bad command, a user that is not allowed.
    ContainerConfigError,
    /// No node can take the pod.
    Unschedulable,
    /// The cluster refuses to make the pods: a quota or Pod Security.
    PodsRefused,
    /// Pods of the new generation are taking over from those of the old one.
    RollingOut,
    /// The rollout has made no progress for the Deployment's deadline.
    ProgressDeadlineExceeded,
    /// `spec.suspend` holds back a change.
    Suspended,
    /// A client can use the server.
    Ready,
    /// There is nothing to ask yet: not all pods are of this generation, or none answers.
    WaitingForPods,
    /// The first conversation is under way.
    Verifying,
    /// A handshake succeeded, and the tools could be listed.
    Verified,
    /// The handshake succeeded, listing the tools did not.
    VerifiedToolsUnavailable,
    /// The server asks for credentials and says how to get them.
    AuthRequired,
    /// Something asks for credentials without saying how to get them.
    AuthRequiredUnverified,
    /// Only the transport of 2024, HTTP+SSE, is served.
    LegacySSEOnly,
    /// The server does not accept the host name by which it is called.
    HostRejected,
    /// Nothing is served at the path.
    EndpointNotFound,
    /// Something answers that is not an MCP server.
    NotMCP,
    /// No version of the protocol in common.
    UnsupportedProtocolVersion,
    /// The headers of the protocol were lost or changed on the way.
    HeadersStripped,
    /// An MCP server that refuses the handshake.
    HandshakeRejected,
    /// A session is unknown on the next connection.
    SessionNotSticky,
    /// Clients are sent elsewhere.
    Redirected,
    /// Something answers 403: a firewall, a policy, an allow-list.
    AccessDenied,
    /// The server answers 429.
    RateLimited,
    /// Something in front of the server answers in its stead that it is not there.
    BackendUnavailable,
    /// An MCP client reaches the server at its public URL, with TLS and only with credentials.
    Exposed,
    /// An MCP client reaches the server at its public URL, in a way that the message warns of.
    ExposedAtRisk,
    /// The way in was admitted; the operator was told not to call it.
    ExposedUnchecked,
    /// The first call of the public URL is under way.
    CheckingFrontDoor,
    /// The class of the Ingress does not exist.
    IngressClassMissing,
    /// A Gateway or its listener does not exist.
    GatewayMissing,
    /// The cluster has no Gateway API, or one that is too old.
    GatewayAPIMissing,
    /// The host is that of somebody else.
    HostTaken,
    /// The Ingress or the Gateway has no address yet.
    AddressPending,
    /// No controller has looked at the route yet.
    RoutePending,
    /// The Gateway's controller does not take the route.
    RouteNotAccepted,
    /// The Gateway or its listener is not ready for requests.
    GatewayNotReady,
    /// The operator may not see the Gateway, and so not its URL.
    GatewayNotWatched,
    /// The certificate does not exist yet, or is not one for the host that is trusted here.
    CertificateNotReady,
    /// No connection, or closed before an answer.
    Unreachable,
    /// Connected, but no answer in time.
    HandshakeTimeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a conversation can come to is told apart from what Kubernetes says.
    const DOCUMENTS: [&str; 2] = [include_str!("../../docs/conditions.md"), include_str!("../../docs/verification.md")];

    #[test]
    fn every_reason_is_documented_and_no_other() {
        let tables = DOCUMENTS.map(|text| text.split("| Reason |").nth(1).expect("a table of reasons"));
        let rows = tables.iter().flat_map(|table| table.lines().skip(2));
        let rows = rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let (mut documented, mut known): (Vec<_>, Vec<_>) =
            (rows.collect(), Reason::ALL.iter().map(|it| it.as_str()).collect());
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known);
    }
}

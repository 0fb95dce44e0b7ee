//! What a conversation came to, in words for the user.
//!
//! Each [`Outcome`] has a stable [`reason`](Outcome::reason) for conditions and
//! metrics, a sentence on what was seen (`Display`) and a [`hint`](Outcome::hint)
//! that says what to do. Texts of servers inside were cleaned before.

use std::{fmt, time::Duration};

use super::challenge::Challenge;
use crate::api::conditions::Reason;

/// The end of a conversation with an MCP server, or what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A handshake of either era succeeded, and the tools could be listed.
    Verified,
    /// The handshake succeeded, listing the tools did not.
    VerifiedToolsUnavailable { problem: String },
    /// The server is there and asks for credentials, telling how to get them.
    AuthRequired(Challenge),
    /// Something asks for credentials, but not in a way that names MCP or a scheme.
    AuthRequiredUnverified,
    /// Only the transport of 2024-11-05 (HTTP+SSE) is served.
    LegacySseOnly { path: String },
    /// The server does not accept the host name by which it was called.
    HostRejected { message: String },
    /// No such path.
    EndpointNotFound,
    /// Something answers that is not an MCP server.
    NotMcp { seen: String },
    /// No version of the protocol in common.
    UnsupportedProtocolVersion { supported: Vec<String> },
    /// The headers of the 2026-07-28 revision were lost or changed on the way.
    HeadersStripped { message: String },
    /// An MCP server that refuses the handshake.
    HandshakeRejected { code: Option<i64>, message: String },
    /// A session is unknown when the next request takes a new connection.
    SessionNotSticky,
    /// The server sends its clients elsewhere.
    Redirected { location: String },
    /// 403, and not for the host name nor for missing credentials.
    AccessDenied { message: String },
    /// 429.
    RateLimited { retry_after: Option<Duration> },
    /// 502, 503 or 504: a proxy without a backend, or a server that is full.
    BackendUnavailable { status: u16, message: String, retry_after: Option<Duration> },
    /// No connection: name, port, TLS, or closed before any answer.
    Unreachable { step: Step, cause: String },
    /// Connected, but no answer in time.
    HandshakeTimeout,
}

/// How far a connection came that brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The host name has no address.
    Name,
    /// Nothing takes connections at the port.
    Port,
    /// TLS was not agreed on.
    Tls,
    /// The connection was closed instead of answered.
    Answer,
    /// The API server did not pass the request on.
    Proxy,
}

impl Step {
    fn hint(self) -> &'static str {
        match self {
            Self::Name => "check the host name, and that there is a Service or DNS record for it",
            Self::Port => {
                "check that the server listens on 0.0.0.0 rather than 127.0.0.1, and on spec.port; and that no NetworkPolicy keeps the operator out"
            }
            Self::Tls => {
                "check that this port speaks TLS, and that its certificate is for this host and from an issuer that is trusted here"
            }
            Self::Answer => "look at the server's log: it closes connections without an answer",
            Self::Proxy => {
                "servers are asked through the API server: grant the operator get, create and delete of services/proxy, and let the API server reach the pods"
            }
        }
    }
}

/// What an outcome says about the server, as the status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    True,
    False,
    Unknown,
}

impl Outcome {
    /// The stable name: the reason of the condition, the label of the metric.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Verified => Reason::Verified,
            Self::VerifiedToolsUnavailable { .. } => Reason::VerifiedToolsUnavailable,
            Self::AuthRequired(_) => Reason::AuthRequired,
            Self::AuthRequiredUnverified => Reason::AuthRequiredUnverified,
            Self::LegacySseOnly { .. } => Reason::LegacySSEOnly,
            Self::HostRejected { .. } => Reason::HostRejected,
            Self::EndpointNotFound => Reason::EndpointNotFound,
            Self::NotMcp { .. } => Reason::NotMCP,
            Self::UnsupportedProtocolVersion { .. } => Reason::UnsupportedProtocolVersion,
            Self::HeadersStripped { .. } => Reason::HeadersStripped,
            Self::HandshakeRejected { .. } => Reason::HandshakeRejected,
            Self::SessionNotSticky => Reason::SessionNotSticky,
            Self::Redirected { .. } => Reason::Redirected,
            Self::AccessDenied { .. } => Reason::AccessDenied,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::BackendUnavailable { .. } => Reason::BackendUnavailable,
            Self::Unreachable { .. } => Reason::Unreachable,
            Self::HandshakeTimeout => Reason::HandshakeTimeout,
        }
    }

    /// The status that the condition `Verified` takes.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Verified | Self::VerifiedToolsUnavailable { .. } | Self::AuthRequired(_) => Standing::True,
            Self::AuthRequiredUnverified | Self::RateLimited { .. } | Self::BackendUnavailable { .. } => {
                Standing::Unknown
            }
            _ => Standing::False,
        }
    }

    /// Whether clients can use the server; `None` leaves what was known before.
    pub fn is_usable(&self) -> Option<bool> {
        match self {
            Self::RateLimited { .. } | Self::BackendUnavailable { .. } => None,
            Self::AuthRequiredUnverified => Some(true),
            _ => Some(self.standing() == Standing::True),
        }
    }

    /// Whether a handshake was made.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Verified | Self::VerifiedToolsUnavailable { .. })
    }

    /// What the user can do about it; empty when there is nothing to do. `{host}`
    /// stands for the host that was called.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Verified | Self::AuthRequired(_) => "",
            Self::VerifiedToolsUnavailable { .. } => "clients connect but find no tools: look at the server's log",
            Self::AuthRequiredUnverified => {
                "set verification.headers to credentials that the server accepts, so that it can be verified"
            }
            Self::LegacySseOnly { .. } => {
                "start the server with its option for streamable HTTP (often --transport streamable-http, or streamableHttp)"
            }
            Self::HostRejected { .. } => {
                "allow {host} in the server's settings (allowed hosts, DNS rebinding protection); servers that bind 127.0.0.1 by default allow only localhost until they are told to listen on 0.0.0.0"
            }
            Self::EndpointNotFound => {
                "set spec.path to where the server serves MCP (often /mcp, sometimes with a trailing slash)"
            }
            Self::NotMcp { .. } => {
                "check spec.port and spec.path, and that the server was started with streamable HTTP rather than stdio or a web page only"
            }
            Self::UnsupportedProtocolVersion { .. } => {
                "use a release of the server that speaks a published revision of MCP"
            }
            Self::HeadersStripped { .. } => {
                "let the proxy or mesh in front pass the headers Mcp-Method, Mcp-Name and MCP-Protocol-Version unchanged"
            }
            Self::HandshakeRejected { .. } => "look at the server's log: it is running and refuses clients",
            Self::SessionNotSticky => {
                "run one replica, put the server in its stateless mode, or set service.sessionAffinity: ClientIP"
            }
            Self::Redirected { .. } => {
                "set spec.path to the path that it redirects to (often only a trailing slash is missing)"
            }
            Self::AccessDenied { .. } => {
                "look for a web application firewall, a mesh policy or an allow-list of the server that refuses the operator"
            }
            Self::RateLimited { .. } => "raise the limit for the operator, or verification.interval",
            Self::BackendUnavailable { .. } => {
                "look at the server's log and at the proxy in front of it; this is tried again"
            }
            Self::Unreachable { step, .. } => step.hint(),
            Self::HandshakeTimeout => {
                "the server accepts connections and does not answer: look at its log and at its CPU limit"
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("speaks MCP"),
            Self::VerifiedToolsUnavailable { problem } => {
                write!(f, "speaks MCP, but tools/list failed: {problem}")
            }
            Self::AuthRequired(challenge) => {
                write!(f, "reachable, asks for credentials ({challenge})")
            }
            Self::AuthRequiredUnverified => f.write_str("answers 401 without saying how to log in"),
            Self::LegacySseOnly { path } => {
                write!(f, "serves only the deprecated HTTP+SSE transport, at {path}")
            }
            Self::HostRejected { message } => {
                write!(f, "does not accept the host name it is called by")?;
                quote(f, message)
            }
            Self::EndpointNotFound => f.write_str("answers 404: nothing is served at this path"),
            Self::NotMcp { seen } => write!(f, "what answers is not an MCP server: {seen}"),
            Self::UnsupportedProtocolVersion { supported } if supported.is_empty() => {
                f.write_str("speaks no known version of MCP")
            }
            Self::UnsupportedProtocolVersion { supported } => {
                write!(f, "speaks no known version of MCP, only {}", supported.join(", "))
            }
            Self::HeadersStripped { message } => {
                write!(f, "did not get the Mcp headers that were sent")?;
                quote(f, message)
            }
            Self::HandshakeRejected { code: None, message } => {
                write!(f, "refuses the handshake: {message}")
            }
            Self::HandshakeRejected { code: Some(code), message } => {
                write!(f, "refuses the handshake with error {code}")?;
                quote(f, message)
            }
            Self::SessionNotSticky => {
                f.write_str("does not know its session on a new connection: replicas do not share sessions")
            }
            Self::Redirected { location } => write!(f, "redirects clients to {location}"),
            Self::AccessDenied { message } => {
                f.write_str("answers 403")?;
                quote(f, message)
            }
            // When to come back changes with every answer; the text shall not.
            Self::RateLimited { .. } => f.write_str("answers 429, too many requests"),
            Self::BackendUnavailable { status, message, .. } => {
                write!(f, "answers {status}")?;
                quote(f, message)
            }
            Self::Unreachable { cause, .. } => write!(f, "cannot be reached: {cause}"),
            Self::HandshakeTimeout => f.write_str("accepts connections but did not answer in time"),
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, message: &str) -> fmt::Result {
    if message.is_empty() {
        return Ok(());
    }
    write!(f, ", saying “{message}”")
}

//! What a conversation means for the status. Pure.

use std::sync::Arc;

use super::subject::Door;
use crate::api::ServerStatus;
use crate::api::conditions::Reason;
use crate::probe::{Outcome, Report, Server, Sessions, Standing, Step};

/// What is known of whether clients can use a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Verification {
    /// Nobody wants to know.
    Off,
    /// There is nothing to ask yet.
    Waiting,
    /// There is no answer yet.
    Asked,
    /// What the last conversations came to.
    Known(Arc<Verdict>),
}

/// The same for each place where a server is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Verifications {
    pub service: Verification,
    /// Off also for a way in that cannot be called from here.
    pub front: Verification,
}

/// Of a server that is called at its Service alone.
impl From<Verification> for Verifications {
    fn from(service: Verification) -> Self {
        Self { service, front: Verification::Off }
    }
}

/// What conversations came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Status of the condition.
    pub standing: Standing,
    pub reason: Reason,
    /// Whether clients can use the server.
    pub is_usable: bool,
    /// Says nothing of its own: what was known before holds.
    pub is_open: bool,
    /// What to do; the same for the same reason.
    pub message: String,
    /// What was seen; may vary.
    pub detail: Option<String>,
    /// What the server said of itself.
    pub server: Option<ServerStatus>,
}

impl Verdict {
    /// What a report says; what it leaves open of the server is taken from what was `known`.
    pub(super) fn of(door: Door, report: &Report, known: Option<&ServerStatus>) -> Self {
        let server = server_status(report, known);
        let hint = front_hint(door, &report.outcome).map_or_else(|| report.hint(), str::to_owned);
        let (message, detail) = match (&report.outcome, &server) {
            (Outcome::Verified, Some(server)) => (greeting(server), None),
            (Outcome::AuthRequired(_), _) if hint.is_empty() => {
                ("The server is there and asks for credentials.".to_owned(), Some(report.to_string()))
            }
            _ => (sentence(&hint), Some(report.to_string())),
        };
        Self {
            standing: report.outcome.standing(),
            reason: match (door, &report.outcome) {
                (Door::Front, Outcome::Unreachable { step: Step::Tls, .. }) => Reason::CertificateNotReady,
                (_, outcome) => outcome.reason(),
            },
            is_usable: report.outcome.is_usable() == Some(true),
            is_open: report.outcome.is_usable().is_none(),
            message,
            detail,
            server,
        }
    }

    /// The server could not be asked as the spec wants it, and only a person can help.
    pub(super) fn blocked(reason: Reason, message: String) -> Self {
        Self {
            standing: Standing::Unknown,
            reason,
            is_usable: false,
            is_open: false,
            message,
            detail: None,
            server: None,
        }
    }

    /// Whether there is more to it than another detail.
    pub(super) fn is_news_after(&self, before: &Self) -> bool {
        fn told(it: &Verdict) -> (Reason, bool, bool, &str, Option<&ServerStatus>) {
            (it.reason, it.is_usable, it.is_open, &it.message, it.server.as_ref())
        }
        told(self) != told(before)
    }
}

/// What to do where it is the way in that is wrong, the server itself being there.
fn front_hint(door: Door, outcome: &Outcome) -> Option<&'static str> {
    if door == Door::Service {
        return None;
    }
    Some(match outcome {
        Outcome::EndpointNotFound | Outcome::NotMcp { .. } => {
            "the way in does not lead to the server: its controller has not taken it up, or another route has the same \
             host and path"
        }
        Outcome::Unreachable { step: Step::Tls, .. } => {
            "the certificate at the public URL is not for its host, or from an issuer that the operator does not trust: it \
             may not be issued yet; for a certificate authority of your own, see trustedCertificates in the chart"
        }
        Outcome::Unreachable { .. } | Outcome::HandshakeTimeout => {
            "the address that the way in reports cannot be reached from the operator: check the load balancer and \
             firewalls; if it is only the operator that cannot, start it with verification.frontDoor: false"
        }
        Outcome::Redirected { .. } => {
            "clients are sent elsewhere, which MCP clients do not follow: if it is to https, set spec.expose.ingress.tls or \
             choose a listener with TLS"
        }
        Outcome::AccessDenied { .. } => {
            "what stands before the server refuses calls of the operator: a list of addresses, or a filter"
        }
        Outcome::BackendUnavailable { .. } => "the way in finds no server behind it",
        _ => return None,
    })
}

/// Texts of servers were cleaned and cut when they were read.
fn server_status(report: &Report, known: Option<&ServerStatus>) -> Option<ServerStatus> {
    let auth_required = report.auth_required();
    let Some(server) = &report.server else {
        return auth_required.then(|| ServerStatus { auth_required, ..ServerStatus::default() });
    };
    let Server { name, version, protocol_version, eras, capabilities, tool_count, sessions, .. } = server;
    let text = |text: &String| Some(text.clone()).filter(|it| !it.is_empty());
    let mut capabilities = capabilities.clone();
    capabilities.sort_unstable();
    let mut status = ServerStatus {
        name: text(name),
        version: text(version),
        protocol_version: text(protocol_version),
        eras: eras.iter().map(ToString::to_string).collect(),
        capabilities,
        tool_count: tool_count.map(|it| i32::try_from(it).unwrap_or(i32::MAX)),
        sessions: sessions.map(|it| match it {
            Sessions::None => "None".to_owned(),
            Sessions::Stateful => "Stateful".to_owned(),
        }),
        auth_required,
    };
    if let Some(known) = known.filter(|_| !report.complete) {
        status.eras.clone_from(&known.eras);
        status.tool_count = status.tool_count.or(known.tool_count);
        status.sessions = status.sessions.or_else(|| known.sessions.clone());
    }
    Some(status)
}

fn greeting(server: &ServerStatus) -> String {
    let version = server.protocol_version.as_deref().unwrap_or_default();
    let tools = match server.tool_count {
        None => String::new(),
        Some(1) => " and has 1 tool".to_owned(),
        Some(count) => format!(" and has {count} tools"),
    };
    format!("An MCP client can use the server: it speaks MCP {version}{tools}.")
}

/// A hint, which begins in lower case, as a sentence.
fn sentence(hint: &str) -> String {
    let mut characters = hint.chars();
    let first = characters.next().map(char::to_uppercase);
    format!("{}{}.", first.map(String::from_iter).unwrap_or_default(), characters.as_str())
}

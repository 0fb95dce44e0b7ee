//! How the server is verified, with the rules that the schema cannot express.

use std::time::Duration;

use super::Problems;
use crate::api::{MCPServerSpec, interval};
use crate::probe::{Target, TargetError};

/// What the spec says of verification.
#[derive(Clone, Debug, PartialEq)]
pub struct VerificationPlan {
    /// `None`: the operator's own.
    pub interval: Option<Duration>,
    pub headers: Vec<PlannedHeader>,
}

/// A header to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHeader {
    pub name: String,
    pub value: HeaderSource,
}

/// Where a header's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    Text(String),
    Secret { name: String, key: String, optional: bool },
}

/// The plan; `None` for a server that is not to be verified.
pub(super) fn plan(spec: &MCPServerSpec, problems: &mut Problems) -> Option<VerificationPlan> {
    let own = spec.verification.clone().unwrap_or_default();
    let mut every = None;
    if let Some(text) = &own.interval {
        every = interval(text);
        if every.is_none() {
            problems.add(
                "spec.verification.interval",
                format!("\"{text}\" is no duration from 10s to 24h: write 15s or 1m30s"),
            );
        }
    }
    let mut headers = Vec::new();
    for (at, header) in own.headers.iter().enumerate() {
        let field = format!("spec.verification.headers[{at}]");
        check(&field, &header.name, header.value.as_deref(), problems);
        let value = match (&header.value, &header.secret_key_ref) {
            (Some(text), None) => HeaderSource::Text(text.clone()),
            (None, Some(it)) if it.name.is_empty() => {
                problems.add(
                    format!("{field}.secretKeyRef.name"),
                    "is empty: give the name of a Secret in the same namespace",
                );
                continue;
            }
            (None, Some(it)) => HeaderSource::Secret {
                name: it.name.clone(),
                key: it.key.clone(),
                optional: it.optional.unwrap_or_default(),
            },
            _ => {
                problems.add(field, "a header has one source: give one of value and secretKeyRef");
                continue;
            }
        };
        headers.push(PlannedHeader { name: header.name.clone(), value });
    }
    (!own.disabled).then_some(VerificationPlan { interval: every, headers })
}

/// A header that the conversation sets itself would break it.
fn check(field: &str, name: &str, value: Option<&str>, problems: &mut Problems) {
    let tried = Target::new("http://server/").and_then(|it| it.with_header(name, value.unwrap_or_default()));
    match tried {
        Ok(_) => {}
        Err(TargetError::HeaderValue(_)) => {
            problems
                .add(format!("{field}.value"), "has characters that no header may have: write one line of plain text");
        }
        Err(error) => problems.add(format!("{field}.name"), format!("{error}: choose another")),
    }
}

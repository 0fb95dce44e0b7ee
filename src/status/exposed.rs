//! The condition `Exposed`, and the URL that clients should use.

use super::{Statement, Truth, verified};
use crate::api::MCPServerStatus;
use crate::api::conditions::{ConditionType, Reason};
use crate::observe::{ExposureState, FrontDoor, Observation};
use crate::verification::{Verdict, Verification};

/// What is to be said; `None` for a server that is not exposed. Without a verdict (the operator has
/// just started), what was said of this generation and URL holds.
pub(super) fn statement(
    observation: &Observation,
    front: &Verification,
    before: Option<&MCPServerStatus>,
    generation: Option<i64>,
) -> Option<Statement> {
    let new = |status, reason, message: &str| Statement::new(ConditionType::Exposed, status, reason, message);
    let door = match observation.exposure.as_ref()? {
        ExposureState::Closed(it) => {
            return Some(new(Truth::False, it.reason, &it.hint).with_detail(it.detail.clone()));
        }
        ExposureState::Admitted(door) => door,
    };
    let is_same_url = |it: &&MCPServerStatus| it.url.as_ref() == Some(&door.url);
    let checking = || {
        verified::still_holds(ConditionType::Exposed, before.filter(is_same_url), generation).unwrap_or_else(|| {
            new(Truth::Unknown, Reason::CheckingFrontDoor, &format!("The first call of {} is under way.", door.url))
        })
    };
    Some(match front {
        Verification::Off => new(Truth::True, Reason::ExposedUnchecked, &described(door, None)),
        Verification::Waiting => new(
            Truth::Unknown,
            Reason::WaitingForPods,
            "The public URL is called once all pods are of this generation and one of them answers.",
        ),
        Verification::Asked => checking(),
        Verification::Known(verdict) if verdict.is_open => checking(),
        Verification::Known(verdict) if verdict.is_usable => open(door, verdict),
        Verification::Known(verdict) => {
            new(Truth::False, verdict.reason, &verdict.message).with_detail(verdict.detail.clone())
        }
    })
}

/// The public URL as long as it answers, or was the one to use and nothing speaks against it but pods
/// that are on their way; else the cluster's.
pub(super) fn url(
    exposed: Option<&Statement>,
    observation: &Observation,
    before: Option<&MCPServerStatus>,
    cluster_url: &str,
) -> String {
    let Some(ExposureState::Admitted(door)) = &observation.exposure else { return cluster_url.to_owned() };
    let was_in_use = before.is_some_and(|it| it.url.as_ref() == Some(&door.url));
    match exposed.map(|it| it.status) {
        Some(Truth::True) => door.url.clone(),
        Some(Truth::Unknown) if was_in_use => door.url.clone(),
        _ => cluster_url.to_owned(),
    }
}

/// Whether nobody is let in at the public URL without credentials, be it that the server asks for them or what is
/// in front of it. Without a verdict, what was said of the same URL holds.
pub(super) fn asks_for_credentials(front: &Verification, before: Option<&MCPServerStatus>) -> bool {
    match front {
        Verification::Off => false,
        Verification::Known(verdict) if !verdict.is_open => verdict.server.as_ref().is_some_and(|it| it.auth_required),
        _ => before.and_then(|it| it.server.as_ref()).is_some_and(|it| it.auth_required),
    }
}

fn open(door: &FrontDoor, verdict: &Verdict) -> Statement {
    let is_safe = risks(door, Some(verdict)).next().is_none();
    let reason = if is_safe { Reason::Exposed } else { Reason::ExposedAtRisk };
    Statement::new(ConditionType::Exposed, Truth::True, reason, described(door, Some(verdict)))
}

fn described(door: &FrontDoor, verdict: Option<&Verdict>) -> String {
    let called = if verdict.is_some() { "MCP clients reach" } else { "The way in was admitted; clients should reach" };
    let risks: Vec<_> = risks(door, verdict).collect();
    let risks = if risks.is_empty() { String::new() } else { format!(" At risk: {}.", risks.join("; ")) };
    format!("{called} the server at {}.{risks}", door.url)
}

/// What administrators should know of the way in.
fn risks<'a>(door: &'a FrontDoor, verdict: Option<&Verdict>) -> impl Iterator<Item = &'a str> {
    let is_plain = door.url.starts_with("http://");
    let plain = "there is no TLS, so that everybody on the way can read along, credentials too";
    let is_open = verdict.is_some_and(|it| it.server.as_ref().is_some_and(|it| !it.auth_required));
    let open = "it asks for no credentials, so that whoever reaches it can call its tools";
    let known = [(is_plain, plain), (is_open, open)].into_iter().filter_map(|(is_so, risk)| is_so.then_some(risk));
    known.chain(door.session_risk.as_deref())
}

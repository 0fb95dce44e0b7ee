//! The condition `Verified`, and what the server said of itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Statement, Truth};
use crate::api::conditions::{ConditionType, Reason};
use crate::api::{MCPServerStatus, ServerStatus};
use crate::probe::Standing;
use crate::verification::{Verdict, Verification};

/// What is to be said; `None` where nobody wants to know. Without a verdict (the operator has just
/// started, or the server had no time for us), what was said of this generation holds.
pub(super) fn statement(
    verification: &Verification,
    before: Option<&MCPServerStatus>,
    generation: Option<i64>,
) -> Option<Statement> {
    let new = |reason, message: &str| Statement::new(ConditionType::Verified, Truth::Unknown, reason, message);
    Some(match verification {
        Verification::Off => return None,
        Verification::Waiting => new(
            Reason::WaitingForPods,
            "The server is asked once all pods are of this generation and one of them answers.",
        ),
        Verification::Asked => still_holds(ConditionType::Verified, before, generation)
            .unwrap_or_else(|| new(Reason::Verifying, "The first conversation with the server is under way.")),
        Verification::Known(verdict) if verdict.is_open => {
            still_holds(ConditionType::Verified, before, generation).unwrap_or_else(|| of_verdict(verdict))
        }
        Verification::Known(verdict) => of_verdict(verdict),
    })
}

/// What is known of the server itself.
pub(super) fn server(verification: &Verification, before: Option<&MCPServerStatus>) -> Option<ServerStatus> {
    match verification {
        Verification::Off => None,
        Verification::Known(verdict) if !verdict.is_open => verdict.server.clone(),
        _ => before?.server.clone(),
    }
}

/// Whether clients can use a server of which this is said.
pub(super) fn lets_clients_in(verified: &Statement) -> bool {
    verified.status == Truth::True || verified.reason == Reason::AuthRequiredUnverified
}

fn of_verdict(verdict: &Verdict) -> Statement {
    let truth = match verdict.standing {
        Standing::True => Truth::True,
        Standing::False => Truth::False,
        Standing::Unknown => Truth::Unknown,
    };
    Statement::new(ConditionType::Verified, truth, verdict.reason, verdict.message.clone())
        .with_detail(verdict.detail.clone())
}

/// What was said before, if it came from a conversation about this generation.
pub(super) fn still_holds(
    type_: ConditionType,
    before: Option<&MCPServerStatus>,
    generation: Option<i64>,
) -> Option<Statement> {
    let is_it = |it: &&Condition| it.type_ == type_.as_str();
    let said = before?.conditions.iter().find(is_it).filter(|it| it.observed_generation == generation)?;
    let reason = *Reason::ALL.iter().find(|it| it.as_str() == said.reason)?;
    let truth = *[Truth::True, Truth::False, Truth::Unknown].iter().find(|it| it.as_str() == said.status)?;
    let comes_from_conversation =
        !matches!(reason, Reason::WaitingForPods | Reason::Verifying | Reason::CheckingFrontDoor);
    comes_from_conversation.then(|| Statement::new(type_, truth, reason, said.message.clone()))
}

//! Which statements an outcome amounts to: the parts, their sum `Ready`, and kstatus' two on top.

use super::{Outcome, Statement, Truth, exposed, verified};
use crate::api::MCPServerStatus;
use crate::api::conditions::{ConditionType, Reason};
use crate::apply::ApplyError;
use crate::observe::{Observation, Trouble, Workload};
use crate::validate::ValidatedServer;
use crate::verification::Verification;

/// Order of the conditions in the status: parts first, then the sum.
const ORDER: [ConditionType; 9] = [
    ConditionType::Accepted,
    ConditionType::ReferencesResolved,
    ConditionType::DependenciesReady,
    ConditionType::Available,
    ConditionType::Verified,
    ConditionType::Exposed,
    ConditionType::Ready,
    ConditionType::Reconciling,
    ConditionType::Stalled,
];

/// Where a condition stands in the status.
pub(super) fn place(type_: &str) -> usize {
    ORDER.iter().position(|it| it.as_str() == type_).unwrap_or(ORDER.len())
}

/// Conditions that are absent unless they are stated anew: kstatus' two when they are not true,
/// `DependenciesReady` where there is none, `Verified` where nothing is verified, and `Exposed` where
/// nothing is exposed.
pub(super) fn is_momentary(type_: &str, outcome: &Outcome<'_>) -> bool {
    let is = |it: ConditionType| it.as_str() == type_;
    match outcome {
        _ if is(ConditionType::Reconciling) || is(ConditionType::Stalled) => true,
        Outcome::Observed { verification, .. } if is(ConditionType::Verified) => {
            verification.service == Verification::Off
        }
        Outcome::Observed { observation, .. } => {
            (is(ConditionType::Exposed) && observation.exposure.is_none())
                || (is(ConditionType::DependenciesReady) && observation.dependencies.is_empty())
        }
        _ => false,
    }
}

pub(super) fn statements(
    outcome: &Outcome<'_>,
    before: Option<&MCPServerStatus>,
    generation: Option<i64>,
) -> Vec<Statement> {
    match outcome {
        Outcome::Undecodable(error) => refusal(
            Reason::Undecodable,
            &format!("The resource cannot be read: {error}. Change that field; what runs keeps running."),
        ),
        Outcome::Invalid(problems) => {
            refusal(Reason::InvalidSpec, &format!("The spec breaks rules; what runs keeps running. {problems}"))
        }
        Outcome::Refused(error) => refusal(refusal_reason(error), &error.to_string()),
        Outcome::Observed { server, observation, verification, pending } => {
            let asked = [
                verified::statement(&verification.service, before, generation),
                exposed::statement(observation, &verification.front, before, generation),
            ];
            observed(server, observation, asked.into_iter().flatten().collect(), pending)
        }
    }
}

fn refusal_reason(error: &ApplyError) -> Reason {
    match error {
        ApplyError::NameConflict { .. } => Reason::NameConflict,
        ApplyError::Forbidden { .. } | ApplyError::GrantRefused { .. } | ApplyError::OutOfReach { .. } => {
            Reason::Forbidden
        }
        ApplyError::ChangeRefused { .. } => Reason::ChangeRefused,
        _ => Reason::RejectedByCluster,
    }
}

/// Only a person can help.
fn refusal(reason: Reason, message: &str) -> Vec<Statement> {
    [
        (ConditionType::Accepted, Truth::False),
        (ConditionType::Ready, Truth::False),
        (ConditionType::Stalled, Truth::True),
    ]
    .map(|(type_, status)| Statement::new(type_, status, reason, message))
    .into()
}

fn observed(
    server: &ValidatedServer,
    observation: &Observation,
    asked: Vec<Statement>,
    pending: &[String],
) -> Vec<Statement> {
    let accepted =
        Statement::new(ConditionType::Accepted, Truth::True, Reason::Accepted, "The spec is valid and was applied.");
    let mut statements = vec![accepted, references(server)];
    statements.extend(dependencies(observation));
    statements.push(available(server, observation));
    let ready = ready(&statements, observation, &asked, pending);
    statements.extend(asked);
    if ready.reason == Reason::ProgressDeadlineExceeded {
        statements.push(Statement { type_: ConditionType::Stalled, status: Truth::True, ..ready.clone() });
    } else if ready.status != Truth::True && !is_settled(ready.reason) {
        statements.push(Statement { type_: ConditionType::Reconciling, status: Truth::True, ..ready.clone() });
    }
    statements.push(ready);
    statements
}

/// Not ready, and not on the way to it either, as the spec asks.
fn is_settled(reason: Reason) -> bool {
    matches!(reason, Reason::Suspended | Reason::ScaledToZero)
}

fn references(server: &ValidatedServer) -> Statement {
    let new =
        |status, reason, message: &str| Statement::new(ConditionType::ReferencesResolved, status, reason, message);
    if server.missing.is_empty() {
        return new(
            Truth::True,
            Reason::Resolved,
            "Everything that the spec refers to exists, as far as it is watched.",
        );
    }
    new(Truth::False, Reason::MissingReference, &server.missing.join("; "))
}

/// `None` for a server that has none.
fn dependencies(observation: &Observation) -> Option<Statement> {
    let new = |status, reason, message: &str| Statement::new(ConditionType::DependenciesReady, status, reason, message);
    if observation.dependencies.is_empty() {
        return None;
    }
    let troubles = observation.dependencies.iter().filter_map(|it| Some((&it.name, it.trouble.as_ref()?)));
    let messages: Vec<_> = troubles.map(|(name, it)| format!("{name}: {}: {}", it.reason.as_str(), it.hint)).collect();
    if messages.is_empty() {
        return Some(new(Truth::True, Reason::DependenciesReady, "Every dependency is ready."));
    }
    // While everything goes as it should, that is no trouble.
    let is_on_its_way = observation.dependencies.iter().filter_map(|it| it.trouble.as_ref()).all(Trouble::is_start);
    let reason = if is_on_its_way { Reason::WaitingForDependencies } else { Reason::DependencyNotReady };
    Some(new(Truth::False, reason, &messages.join(" ")))
}

fn available(server: &ValidatedServer, observation: &Observation) -> Statement {
    let new = |status, reason, message: &str| Statement::new(ConditionType::Available, status, reason, message);
    let serving = match observation.workload {
        Workload::Up => true,
        Workload::RollingOut { serving } | Workload::Stuck { serving } => serving,
        Workload::Waiting | Workload::Unseen | Workload::ScaledToZero | Workload::Down => false,
    };
    if serving {
        return new(Truth::True, Reason::MinimumReplicasAvailable, "At least one pod passes its readiness check.");
    }
    if let Some(trouble) = &observation.trouble {
        return new(Truth::False, trouble.reason, &trouble.hint).with_detail(trouble.detail.clone());
    }
    match observation.workload {
        Workload::ScaledToZero => new(
            Truth::False,
            Reason::ScaledToZero,
            "The number of replicas is zero: set spec.replicas to start the server.",
        ),
        Workload::Waiting => new(
            Truth::False,
            Reason::WaitingForDependencies,
            &format!("The first pods start when these are ready: {}.", server.waits_for.join(", ")),
        ),
        Workload::Unseen => new(Truth::Unknown, Reason::Pending, "The Deployment's controller has not reported yet."),
        _ => new(Truth::False, Reason::Starting, "No pod passes its readiness check yet."),
    }
}

/// True when every part is, all pods are of this generation, and clients can use them, wherever they
/// were `asked`.
fn ready(parts: &[Statement], observation: &Observation, asked: &[Statement], pending: &[String]) -> Statement {
    let new = |status, reason, message: &str| Statement::new(ConditionType::Ready, status, reason, message);
    if !pending.is_empty() {
        let changes = pending.join(", ");
        return new(
            Truth::False,
            Reason::Suspended,
            &format!("spec.suspend holds back changes ({changes}): set it to false to apply them."),
        );
    }
    if let Some(part) = parts.iter().find(|part| part.status != Truth::True) {
        return Statement { type_: ConditionType::Ready, ..part.clone() };
    }
    let trouble = observation.trouble.as_ref();
    match observation.workload {
        Workload::Up if let Some(it) = asked.iter().find(|it| !verified::lets_clients_in(it)) => {
            Statement { type_: ConditionType::Ready, ..it.clone() }
        }
        Workload::Up => new(Truth::True, Reason::Ready, "Clients can use the server at status.url."),
        Workload::Stuck { .. } => new(
            Truth::False,
            Reason::ProgressDeadlineExceeded,
            &format!(
                "The rollout has stopped; older pods still answer. {}",
                trouble.map_or("Look at the pods with kubectl describe.", |it| &it.hint)
            ),
        )
        .with_detail(trouble.and_then(|it| it.detail.clone())),
        _ => match trouble {
            Some(it) => new(Truth::False, it.reason, &format!("Older pods still answer. {}", it.hint))
                .with_detail(it.detail.clone()),
            None => {
                new(Truth::False, Reason::RollingOut, "Pods of this generation are starting; older ones still answer.")
            }
        },
    }
}

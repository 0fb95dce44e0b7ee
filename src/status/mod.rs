//! `Observation -> MCPServerStatus`: what is reported, and whether it differs from what is there.
//! Pure; [`crate::controller`] writes it.

mod exposed;
mod summary;
mod verified;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

use crate::api::conditions::{ConditionType, Reason};
use crate::api::{DependencyStatus, MCPServerStatus};
use crate::apply::ApplyError;
use crate::labels;
use crate::observe::{DependencyState, Observation};
use crate::text;
use crate::validate::{Problems, ValidatedServer};
use crate::verification::{Verification, Verifications};

/// Longest message of a condition, in bytes; the API allows 32 KiB, which nobody would read.
const LONGEST_MESSAGE: usize = 2048;

/// Long enough for a Deployment's controller to make a pod.
const FIRST_REPORT: Duration = Duration::from_secs(1);

/// Once it was said that a server is on its way, how far it is may come a little later.
const FURTHER_REPORT: Duration = Duration::from_secs(5);

/// How a reconcile went.
pub enum Outcome<'a> {
    /// The resource could not be read.
    Undecodable(&'a str),
    /// The spec breaks rules; what runs keeps running.
    Invalid(&'a Problems),
    /// A child could not be made, and trying again at once would not help.
    Refused(&'a ApplyError),
    /// The children were looked at.
    Observed {
        server: &'a ValidatedServer,
        observation: &'a Observation,
        /// Whether clients can use the server, as far as it was asked.
        verification: &'a Verifications,
        /// Changes that suspension holds back.
        pending: &'a [String],
    },
}

/// One statement of a status, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    type_: ConditionType,
    status: Truth,
    reason: Reason,
    message: String,
    detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Statement {
    fn new(type_: ConditionType, status: Truth, reason: Reason, message: impl Into<String>) -> Self {
        Self { type_, status, reason, message: message.into(), detail: None }
    }

    fn with_detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    /// As a condition; it keeps the time of `before` where the status is the same, and its message
    /// where only the detail differs: a crash loop whose log lines carry a time stamp would
    /// otherwise be written down at each crash.
    fn into_condition(self, before: Option<&Condition>, generation: Option<i64>, now: Timestamp) -> Condition {
        let is_same_status = |it: &&Condition| it.status == self.status.as_str();
        let is_same = |it: &&Condition| it.reason == self.reason.as_str() && it.observed_generation == generation;
        let before_message = before.filter(is_same_status).filter(is_same).map(|it| it.message.as_str());
        let message = kept_message(&self.message, self.detail.as_deref(), before_message);
        Condition {
            type_: self.type_.as_str().into(),
            status: self.status.as_str().into(),
            reason: self.reason.as_str().into(),
            message: text::shortened(&message, LONGEST_MESSAGE),
            observed_generation: generation,
            last_transition_time: before.filter(is_same_status).map_or(Time(now), |it| it.last_transition_time.clone()),
        }
    }
}

/// A message with a detail that may vary: where only that differs, it stays as it was.
fn kept_message(hint: &str, detail: Option<&str>, before: Option<&str>) -> String {
    match (detail, before.filter(|it| it.starts_with(hint))) {
        (Some(_), Some(before)) => before.to_owned(),
        (Some(detail), None) => format!("{hint} ({detail})"),
        (None, _) => hint.to_owned(),
    }
}

/// The status to report. It equals `before` if there is nothing new.
pub fn next(
    before: Option<&MCPServerStatus>,
    generation: Option<i64>,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> MCPServerStatus {
    let mut status = before.cloned().unwrap_or_default();
    status.observed_generation = generation;
    let statements = summary::statements(outcome, before, generation);
    if let Outcome::Observed { server, observation, verification, .. } = outcome {
        let exposed = statements.iter().find(|it| it.type_ == ConditionType::Exposed);
        status.server = verified::server(&verification.service, before);
        status.url = Some(exposed::url(exposed, observation, before, &server.cluster_url));
        status.cluster_url = Some(server.cluster_url.clone());
        if let Some(said) = status.server.as_mut().filter(|_| status.url != status.cluster_url) {
            let before = before.filter(|it| it.url == status.url);
            said.auth_required |= exposed::asks_for_credentials(&verification.front, before);
        }
        status.selector = Some(labels::selector_text(&server.pod.part));
        status.replicas = Some(observation.replicas);
        status.ready_replicas = Some(observation.ready_replicas);
        status.dependencies = dependencies(before, observation);
    }
    let find = |type_: &str| before.and_then(|it| it.conditions.iter().find(|it| it.type_ == type_));
    // What this outcome says nothing about (a spec that is wrong says nothing about pods) stays.
    let is_kept = |it: &&Condition| {
        statements.iter().all(|new| new.type_.as_str() != it.type_) && !summary::is_momentary(&it.type_, outcome)
    };
    let mut conditions: Vec<_> = before.iter().flat_map(|it| &it.conditions).filter(is_kept).cloned().collect();
    conditions.extend(statements.iter().map(|new| {
        let before = find(new.type_.as_str());
        new.clone().into_condition(before, generation, now)
    }));
    conditions.sort_by_key(|it| summary::place(&it.type_));
    status.conditions = conditions;
    status
}

fn dependencies(before: Option<&MCPServerStatus>, observation: &Observation) -> Vec<DependencyStatus> {
    let known = |name: &str| before.iter().flat_map(|it| &it.dependencies).find(|it| it.name == name);
    let status = |it: &DependencyState| {
        let reason = it.trouble.as_ref().map(|it| it.reason.as_str().to_owned());
        let before = known(&it.name).filter(|before| before.reason == reason).and_then(|it| it.message.clone());
        let message = it
            .trouble
            .as_ref()
            .map(|trouble| kept_message(&trouble.hint, trouble.detail.as_deref(), before.as_deref()));
        DependencyStatus { name: it.name.clone(), ready: it.trouble.is_none(), url: it.url.clone(), reason, message }
    };
    observation.dependencies.iter().map(status).collect()
}

/// How long a report can wait for what happens next, to be one write with it; `None` for not at all.
///
/// Only news of a server that is on its way, as it should be, can wait: nobody acts on it, and each
/// write is one more for the API server. Trouble, success and a new generation are told at once.
pub fn patience(before: Option<&MCPServerStatus>, next: &MCPServerStatus, outcome: &Outcome<'_>) -> Option<Duration> {
    let Outcome::Observed { server, observation, verification, .. } = outcome else { return None };
    let is_on_its_way = |status: &MCPServerStatus| has(status, ConditionType::Reconciling);
    let is_answered =
        matches!(verification.service, Verification::Known(_)) && verification.front != Verification::Asked;
    let is_trouble = observation.trouble.is_some() || is_answered;
    if !is_on_its_way(next) || !server.missing.is_empty() || is_trouble {
        return None;
    }
    match before.filter(|it| !it.conditions.is_empty()) {
        None => Some(FIRST_REPORT),
        Some(before) if is_on_its_way(before) && before.observed_generation == next.observed_generation => {
            Some(FURTHER_REPORT)
        }
        Some(_) => None,
    }
}

fn has(status: &MCPServerStatus, type_: ConditionType) -> bool {
    status.conditions.iter().any(|it| it.type_ == type_.as_str())
}

/// What the status says of readiness, for events and metrics.
pub fn ready(status: Option<&MCPServerStatus>) -> Option<&Condition> {
    status?.conditions.iter().find(|it| it.type_ == ConditionType::Ready.as_str())
}

#[cfg(test)]
mod tests;

//! How many pods there are, and how many of them may be missing.

use k8s_openapi::api::autoscaling::v2::{MetricSpec, MetricTarget, ResourceMetricSource};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Problems, raw};
use crate::api::{Autoscaling, DisruptionBudget, MCPServerSpec};

/// What an autoscaler aims at when the spec says nothing: Kubernetes' own default, said explicitly
/// so that it is known what it will be.
const CPU_PERCENT: i32 = 80;

/// An autoscaler, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalingPlan {
    pub min_replicas: i32,
    pub max_replicas: i32,
    pub metrics: Vec<MetricSpec>,
}

/// The one limit of a disruption budget.
#[derive(Clone, Debug, PartialEq)]
pub enum DisruptionLimit {
    MinAvailable(IntOrString),
    MaxUnavailable(IntOrString),
}

pub(super) fn autoscaling(spec: &MCPServerSpec, problems: &mut Problems) -> Option<AutoscalingPlan> {
    let own = spec.autoscaling.as_ref()?;
    let is_silent = own.cpu_percent.is_none() && own.memory_percent.is_none() && own.metrics.is_empty();
    let cpu = own.cpu_percent.or(is_silent.then_some(CPU_PERCENT));
    let of_resources = [("cpu", cpu), ("memory", own.memory_percent)];
    let of_resources = of_resources.into_iter().filter_map(|(name, percent)| Some((name, percent?)));
    let mut metrics = Vec::new();
    for (name, percent) in of_resources {
        check_request(spec, name, problems);
        metrics.push(utilization(name, percent));
    }
    metrics.extend(own_metrics(own, problems));
    Some(AutoscalingPlan { min_replicas: own.min_replicas.unwrap_or(1), max_replicas: own.max_replicas, metrics })
}

fn own_metrics(own: &Autoscaling, problems: &mut Problems) -> Vec<MetricSpec> {
    let raw = own.metrics.iter().enumerate();
    raw.filter_map(|(at, raw)| raw::decode(&format!("spec.autoscaling.metrics[{at}]"), raw, problems)).collect()
}

/// An autoscaler that waits for a percentage of nothing never acts, and says so only in its status.
fn check_request(spec: &MCPServerSpec, name: &str, problems: &mut Problems) {
    let resources = spec.resources.as_ref();
    // Without a request, a limit is the request.
    let is_given = resources.is_some_and(|it| {
        [&it.requests, &it.limits].into_iter().flatten().any(|quantities| quantities.contains_key(name))
    });
    if !is_given {
        problems.add(
            format!("spec.autoscaling.{name}Percent"),
            format!("is a percentage of the request, and there is none: set spec.resources.requests.{name}"),
        );
    }
}

fn utilization(name: &str, percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "Resource".into(),
        resource: Some(ResourceMetricSource {
            name: name.into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

pub(super) fn disruption_budget(spec: &MCPServerSpec, problems: &mut Problems) -> Option<DisruptionLimit> {
    let DisruptionBudget { min_available, max_unavailable } = spec.disruption_budget.as_ref()?;
    let (field, limit) = match (min_available, max_unavailable) {
        (Some(limit), None) => ("minAvailable", DisruptionLimit::MinAvailable(limit.clone())),
        (None, Some(limit)) => ("maxUnavailable", DisruptionLimit::MaxUnavailable(limit.clone())),
        _ => {
            problems.add(
                "spec.disruptionBudget",
                "a disruptionBudget has one limit: give one of minAvailable and maxUnavailable",
            );
            return None;
        }
    };
    let (DisruptionLimit::MinAvailable(value) | DisruptionLimit::MaxUnavailable(value)) = &limit;
    if !is_count_or_percentage(value) {
        let shown = match value {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        problems.add(
            format!("spec.disruptionBudget.{field}"),
            format!("\"{shown}\" is neither a number of pods nor a percentage: write 1 or 50%"),
        );
    }
    Some(limit)
}

fn is_count_or_percentage(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(number) => *number >= 0,
        IntOrString::String(text) => {
            let digits = text.strip_suffix('%').filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
            digits.and_then(|it| it.parse::<u8>().ok()).is_some_and(|it| it <= 100)
        }
    }
}

//! How the server is verified.

use k8s_openapi::api::core::v1::SecretKeySelector;
use k8s_openapi::jiff::SignedDuration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the server is verified.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.disabled) || !self.disabled || (!has(self.interval) && !has(self.headers))")
    .message("a disabled verification has no interval and no headers: remove 'disabled' or these"))]
pub struct VerificationSpec {
    /// Time between two conversations with a server that answers them, at least 10s; up to a fifth
    /// less, so that servers are not all asked at once. A conversation takes a few small requests and
    /// calls no tool. Default: `1m`, unless the operator was started with another. Example: `15s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,5}[hms])+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')")
        .message("interval must be a duration from 10s to 24h in whole hours, minutes and seconds, such as 15s or 1m30s"))]
    #[schemars(length(max = 16))]
    pub interval: Option<String>,

    /// Headers that the operator sends when it verifies the server, for servers that ask for
    /// credentials; clients have their own. Default: none.
    /// Example: `[{name: Authorization, secretKeyRef: {name: echo-token, key: header}}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub headers: Vec<VerificationHeader>,

    /// Turns verification off: `Ready` then says no more than that a pod passes its readiness check.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A header, with its value or the key of a Secret that holds it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.secretKeyRef)")
    .message("a header has one source: give one of value and secretKeyRef"))]
pub struct VerificationHeader {
    /// Name of the header, such as `Authorization`.
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9-]+$')")
        .message("a header's name has letters, digits and '-', such as X-Api-Key"))]
    #[schemars(length(min = 1, max = 128))]
    pub name: String,

    /// Its value, for what is no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,

    /// Key of a Secret in the same namespace whose whole text is the value, such as `Bearer …`; white
    /// space around it is left out. It is read at each conversation and not kept, and the operator
    /// needs the right to get Secrets: `rbac.readSecrets` in the chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeySelector>,
}

/// Reads an interval, as Go writes durations.
pub fn interval(text: &str) -> Option<Duration> {
    let duration: SignedDuration = text.parse().ok()?;
    let duration = Duration::try_from(duration).ok()?;
    (Duration::from_secs(10)..=Duration::from_hours(24)).contains(&duration).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_read_as_go_writes_it() {
        let seconds = |text| interval(text).map(|it| it.as_secs());
        assert_eq!(["10s", "1m", "1m30s", "24h"].map(seconds), [10, 60, 90, 86400].map(Some));
        for text in ["", "9s", "25h", "1", "-1m", "soon", "1m 5"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }
}

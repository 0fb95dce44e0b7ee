//! Metrics in the Prometheus format. No label names a server: their number must not grow with the
//! cluster.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::settings::Shard;

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ByResult, Counter>,
    reconcile_seconds: Histogram,
    child_writes: Family<ByWrite, Counter>,
    status_writes: Family<ByResult, Counter>,
    events: Family<ByResult, Counter>,
    watch_errors: Family<ByKind, Counter>,
    leader: Family<ByShard, Gauge>,
    verifications: Family<ByReason, Counter>,
    verification_seconds: Histogram,
    servers: Family<ByReadiness, Gauge>,
    tasks: Gauge,
    /// What was last said of each server, by uid.
    readiness: Mutex<HashMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByShard {
    shard: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReadiness {
    ready: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWrite {
    kind: String,
    verb: String,
    result: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("landfall"),
            reconciles: Family::default(),
            reconcile_seconds: Histogram::new(exponential_buckets(0.000_1, 4.0, 10)),
            child_writes: Family::default(),
            status_writes: Family::default(),
            events: Family::default(),
            watch_errors: Family::default(),
            leader: Family::default(),
            verifications: Family::default(),
            verification_seconds: Histogram::new(exponential_buckets(0.002, 2.5, 11)),
            servers: Family::default(),
            tasks: Gauge::default(),
            readiness: Mutex::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("reconciles", "Passes over an MCPServer, by how they ended", metrics.reconciles.clone());
        registry.register("reconcile_seconds", "Time that a pass took, in seconds", metrics.reconcile_seconds.clone());
        registry.register("child_writes", "Writes of child objects", metrics.child_writes.clone());
        registry.register("status_writes", "Writes of an MCPServer's status", metrics.status_writes.clone());
        registry.register("events", "Events published", metrics.events.clone());
        registry.register("watch_errors", "Watches that broke and were started again", metrics.watch_errors.clone());
        registry.register("leader", "1 while this process is the one that works", metrics.leader.clone());
        registry.register("verifications", "Conversations with servers, by outcome", metrics.verifications.clone());
        registry.register(
            "verification_seconds",
            "Time that a conversation took, in seconds",
            metrics.verification_seconds.clone(),
        );
        registry.register("servers", "MCPServers, by the status of Ready", metrics.servers.clone());
        registry.register("tasks", "Tasks of the asynchronous runtime that have not ended", metrics.tasks.clone());
        metrics
    }
}

impl Metrics {
    /// A pass over an `MCPServer` ended.
    pub fn reconciled(&self, result: &str, took: Duration) {
        self.reconciles.get_or_create(&ByResult { result: result.into() }).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A child was written.
    pub fn child_write(&self, kind: &str, verb: &str, succeeded: bool) {
        let labels = ByWrite { kind: kind.into(), verb: verb.into(), result: result(succeeded).into() };
        self.child_writes.get_or_create(&labels).inc();
    }

    /// A status was written.
    pub fn status_write(&self, succeeded: bool) {
        self.status_writes.get_or_create(&ByResult { result: result(succeeded).into() }).inc();
    }

    /// An event was published.
    pub fn event(&self, succeeded: bool) {
        self.events.get_or_create(&ByResult { result: result(succeeded).into() }).inc();
    }

    /// A watch broke.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.get_or_create(&ByKind { kind: kind.into() }).inc();
    }

    /// This process works, or waits to.
    pub fn leads(&self, shard: Option<Shard>, leads: bool) {
        let shard = shard.map(|it| it.index().to_string());
        self.leader.get_or_create(&ByShard { shard }).set(leads.into());
    }

    /// A conversation with a server ended.
    pub fn verified(&self, reason: &str, took: Duration) {
        self.verifications.get_or_create(&ByReason { reason: reason.into() }).inc();
        self.verification_seconds.observe(took.as_secs_f64());
    }

    /// What is said of a server's readiness now; `None` for one that is gone.
    pub fn readiness(&self, uid: &str, ready: Option<&str>) {
        let mut readiness = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match ready {
            Some(ready) => readiness.insert(uid.to_owned(), ready.to_owned()),
            None => readiness.remove(uid),
        };
        let gauge = |ready: &str| self.servers.get_or_create(&ByReadiness { ready: ready.into() }).clone();
        if let Some(before) = before {
            gauge(&before).dec();
        }
        if let Some(ready) = ready {
            gauge(ready).inc();
        }
    }

    /// Nothing is said of any server any more: another process speaks of them.
    pub fn forget_readiness(&self) {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.servers.clear();
    }

    /// The metrics as Prometheus reads them.
    pub fn text(&self) -> String {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = runtime.metrics().num_alive_tasks();
            self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a String cannot fail; were it to, a short answer is better than none.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn result(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "error" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_server_counts_once() {
        let metrics = Metrics::default();
        metrics.readiness("a", Some("False"));
        metrics.readiness("a", Some("True"));
        metrics.readiness("a", Some("True"));
        metrics.readiness("b", Some("True"));
        metrics.readiness("c", Some("Unknown"));
        metrics.readiness("c", None);
        let text = metrics.text();
        for line in ["{ready=\"True\"} 2", "{ready=\"False\"} 0", "{ready=\"Unknown\"} 0"] {
            assert!(text.contains(&format!("landfall_servers{line}")), "{text}");
        }
    }

    /// Name, type and labels of what is served, as rows of a table.
    fn served() -> BTreeSet<String> {
        let metrics = Metrics::default();
        // Labels are served once there is a value.
        metrics.reconciled("success", Duration::ZERO);
        metrics.child_write("Deployment", "apply", true);
        metrics.status_write(true);
        metrics.event(true);
        metrics.watch_error("Pod");
        metrics.verified("Verified", Duration::ZERO);
        metrics.readiness("a", Some("True"));
        metrics.leads(None, true);
        let text = metrics.text();
        let row = |line: &str| {
            let (family, type_) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            let suffix = if type_ == "counter" { "_total" } else { "" };
            let sample =
                text.lines().find_map(|line| line.strip_prefix(family)?.strip_prefix(suffix)?.strip_prefix('{'));
            let labels = sample.and_then(|rest| rest.split('}').next()).into_iter().flat_map(|it| it.split(','));
            let names: Vec<_> = labels.filter_map(|it| it.split('=').next()).map(|it| format!("`{it}`")).collect();
            Some(format!("`{family}{suffix}` | {type_} | {}", names.join(", ")))
        };
        text.lines().filter_map(row).collect()
    }

    #[test]
    fn every_metric_is_documented_and_no_other() {
        let text = include_str!("../docs/metrics.md");
        let table = text.split("| Metric |").nth(1).expect("the table of metrics");
        let cells = |line: &str| {
            let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").take(3).map(str::to_owned).collect();
            Some(format!("`{}", cells.join(" | ")))
        };
        let documented: BTreeSet<_> =
            table.lines().skip(2).take_while(|line| line.starts_with('|')).filter_map(cells).collect();
        assert_eq!(documented, served());
    }
}

//! Of several replicas one works: the one that holds the Lease.

use anyhow::Context;
use k8s_controller::LeaderElection;
use kube::Client;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Shutdown;
use crate::settings::Settings;

/// Name of the Lease, and what the names of the Leases of shards begin with.
const LEASE: &str = "landfall";

/// How long it holds unless it is renewed. Another replica sees a renewal, and later the end, up to
/// one and a half times [`RETRY`] late each: with the usual 15 s and 2 s, it could take 21 s until it works.
const DURATION: Duration = Duration::from_secs(12);

/// How long a leader tries to renew it before it gives up: long before anybody else may have it.
const RENEWAL: Duration = Duration::from_secs(8);

/// Between two looks at it.
const RETRY: Duration = Duration::from_millis(1500);

/// Runs `work`, once this process is the leader if it has to be. Losing the Lease is an error: the
/// process ends and starts anew, so that nothing of it can go on working.
pub(super) async fn run(
    client: Client,
    settings: &Settings,
    work: impl Future<Output = anyhow::Result<()>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    if !settings.leader_election {
        return work.await;
    }
    let namespace = namespace(&client, settings);
    let identity = identity();
    let lease = lease(settings);
    tracing::info!(%namespace, %lease, %identity, "waiting to be the leader");
    let election = LeaderElection::new(client, &namespace, &lease, &identity)
        .with_lease_duration(DURATION)
        .with_renew_deadline(RENEWAL)
        .with_retry_period(RETRY);
    let leads = AtomicBool::new(false);
    let work = async {
        leads.store(true, Ordering::Relaxed);
        work.await
    };
    let stopped_waiting = async {
        shutdown.await;
        if leads.load(Ordering::Relaxed) {
            // The work drains by itself on the same signal.
            futures::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = election.with_lease(work) => result.context("the Lease was lost to another replica")?,
        () = stopped_waiting => Ok(()),
    }
}

/// Each shard has a leader of its own.
fn lease(settings: &Settings) -> String {
    settings.shard.map_or_else(|| LEASE.to_owned(), |shard| format!("{LEASE}-{}", shard.index()))
}

/// The operator's own namespace, where its Lease is.
pub(super) fn namespace(client: &Client, settings: &Settings) -> String {
    settings.lease_namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned())
}

/// The pod's name, in a pod.
pub(super) fn host() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "landfall".into())
}

/// The pod's name; elsewhere something that no other process has.
fn identity() -> String {
    format!("{}-{}", host(), std::process::id())
}

//! Of several replicas one works: the one that holds the Lease.

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
pub(super) const RENEWAL: Duration = Duration::from_secs(8);

/// Between two looks at it.
const RETRY: Duration = Duration::from_millis(1500);

/// Runs `work` for as long as this process is the leader, if it has to be. Without the Lease the work is
/// dropped, with all that it started, and this process waits with the others: an outage of the API server,
/// in which nobody can renew it, must not restart every operator. What is in the midst of something when
/// the Lease ends is kept from writing by the [`Fence`](super::Fence).
pub(super) async fn run<Work: Future<Output = anyhow::Result<()>>>(
    client: Client,
    settings: &Settings,
    work: impl Fn() -> Work,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    if !settings.leader_election {
        return work().await;
    }
    let namespace = namespace(&client, settings);
    let identity = identity();
    let lease = lease(settings);
    let election = LeaderElection::new(client, &namespace, &lease, &identity)
        .with_lease_duration(DURATION)
        .with_renew_deadline(RENEWAL)
        .with_retry_period(RETRY);
    loop {
        tracing::info!(%namespace, %lease, %identity, "waiting to be the leader");
        let leads = AtomicBool::new(false);
        let work = async {
            leads.store(true, Ordering::Relaxed);
            work().await
        };
        let stopped_waiting = async {
            shutdown.clone().await;
            if leads.load(Ordering::Relaxed) {
                // The work drains by itself on the same signal.
                futures::future::pending::<()>().await;
            }
        };
        tokio::select! {
            result = election.with_lease(work) => {
                if let Some(result) = result {
                    // It was given back; but a renewal under way in that moment may have come before, and then it is ours still.
                    election.release().await;
                    return result;
                }
                tracing::warn!(%lease, "the Lease was lost: the work is stopped");
            }
            () = stopped_waiting => return Ok(()),
        }
        if shutdown.peek().is_some() {
            return Ok(());
        }
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

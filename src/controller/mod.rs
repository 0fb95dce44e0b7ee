//! The wiring: how the operator starts, leads and stops. Each namespace served (or all of them together) is
//! a `Scope` with watches, caches and a queue of its own.

mod backoff;
mod catalog;
mod context;
mod fence;
mod finalizer;
mod front;
mod gateway_api;
mod health;
mod http;
mod installed;
mod leader;
mod losses;
mod reconcile;
mod references;
mod report;
mod routes;
mod scope;
mod selection;
mod stored;
mod turns;

pub use fence::Fence;
pub use health::{Health, serve};
pub use installed::resource_problem;

use futures::future::{BoxFuture, Shared, try_join_all};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use std::sync::Arc;

use crate::settings::{Platform, Settings, Shard};
use catalog::Catalog;
use gateway_api::Presence;
use scope::Scope;

/// Ends when the operator shall stop.
pub type Shutdown = Shared<BoxFuture<'static, ()>>;

/// Runs the operator until `shutdown` ends, on a cluster that has these groups of kinds. `conversations` is the
/// client for those with servers that go through the API server.
pub async fn run(
    client: Client,
    conversations: Client,
    groups: &[APIGroup],
    settings: &Settings,
    platform: &Platform,
    health: Arc<Health>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    health.metrics.leads(settings.shard, false);
    let catalog = Catalog::open(settings).await?;
    // Before waiting for the Lease: a new version without its resource is not ready, so that an
    // upgrade leaves the one before at work.
    tokio::select! {
        waited = installed::wait(&client, settings, &health) => waited?,
        () = shutdown.clone() => return Ok(()),
    }
    if let Some(catalog) = catalog {
        catalog.watch(&client, &health);
    }
    let namespaces = settings.scopes();
    let gateway_api = Presence::find(client.clone(), groups).await;
    let work = || {
        let scopes = namespaces.iter().map(|namespace| Scope {
            gateway_api: gateway_api.clone(),
            lost: Arc::default(),
            client: client.clone(),
            conversations: conversations.clone(),
            namespace: namespace.clone(),
            settings: settings.clone(),
            platform: platform.clone(),
            health: Arc::clone(&health),
        });
        let term = Term::begin(&health, settings.shard, &gateway_api);
        let work = try_join_all(scopes.map(|scope| scope.run(shutdown.clone())));
        async move {
            let _term = term;
            work.await.map(drop)
        }
    };
    leader::run(client.clone(), settings, work, shutdown.clone()).await
}

/// The time that a process works, between getting the Lease and losing it. Nothing of what was known
/// outlives it.
struct Term {
    health: Arc<Health>,
    shard: Option<Shard>,
    /// Of those that hold for every replica.
    checks: usize,
}

impl Term {
    fn begin(health: &Arc<Health>, shard: Option<Shard>, gateway_api: &Presence) -> Self {
        gateway_api.want_nothing();
        health.metrics.leads(shard, true);
        Self { health: Arc::clone(health), shard, checks: health.number_of_checks() }
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.health.keep_checks(self.checks);
        self.health.metrics.forget_readiness();
        self.health.metrics.leads(self.shard, false);
    }
}

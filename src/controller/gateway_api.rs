//! Whether the cluster has the Gateway API. It can be installed at any time, and an operator that
//! watched what the API server does not know would never be done with its first lists.
//!
//! Looking costs no right, and happens at the start and, as long as it is absent, while a server asks
//! for a gateway: a cluster without it has no request of this.

use futures::Stream;
use futures::stream::unfold;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

use crate::gateway_api::{GROUP, VERSION};
use crate::jitter;
use crate::references::GatewayApi;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What has to be served.
const KINDS: [&str; 3] = ["HTTPRoute", "Gateway", "GatewayClass"];

/// What is known of the Gateway API; all clones know the same.
#[derive(Clone)]
pub(super) struct Presence {
    state: watch::Receiver<GatewayApi>,
    wanted: Arc<Wanted>,
}

/// Who needs it, by uid.
#[derive(Default)]
struct Wanted {
    by: Mutex<HashSet<String>>,
    has_grown: Notify,
}

impl Presence {
    /// By the `groups` that there are at the start; looks for as long as it is absent and wanted.
    pub(super) async fn find(client: Client, groups: &[APIGroup]) -> Self {
        let first = look_closer(&client, groups).await.unwrap_or_else(|error| {
            tracing::warn!("whether the cluster has the Gateway API cannot be seen: {error}");
            GatewayApi::Absent
        });
        let (sender, state) = watch::channel(first);
        let wanted = Arc::default();
        tokio::spawn(look_again(client, sender, Arc::clone(&wanted)));
        Self { state, wanted }
    }

    /// One that never changes.
    #[cfg(test)]
    pub(super) fn for_test(state: GatewayApi) -> Self {
        Self { state: watch::channel(state).1, wanted: Arc::default() }
    }

    pub(super) fn state(&self) -> GatewayApi {
        self.state.borrow().clone()
    }

    pub(super) fn is_served(&self) -> bool {
        *self.state.borrow() == GatewayApi::Served
    }

    /// Notes whether a server needs it.
    pub(super) fn want(&self, uid: &str, is_wanted: bool) {
        let mut by = self.wanted.by.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_wanted {
            by.remove(uid);
        } else if !by.contains(uid) {
            by.insert(uid.to_owned());
            self.wanted.has_grown.notify_one();
        }
    }

    /// Notes that nobody needs it.
    pub(super) fn want_nothing(&self) {
        self.wanted.by.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until it is served.
    pub(super) async fn served(mut self) {
        if self.state.wait_for(|it| *it == GatewayApi::Served).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// An item for each change.
    pub(super) fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        unfold(self.state.clone(), |mut state| async move {
            state.changed().await.ok()?;
            Some(((), state))
        })
    }
}

async fn look_again(client: Client, sender: watch::Sender<GatewayApi>, wanted: Arc<Wanted>) {
    while *sender.borrow() != GatewayApi::Served {
        if wanted.by.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            wanted.has_grown.notified().await;
        }
        match look(&client).await {
            Ok(state) => drop(sender.send_if_modified(|it| std::mem::replace(it, state.clone()) != state)),
            Err(error) => tracing::warn!("whether the cluster has the Gateway API cannot be seen: {error}"),
        }
        tokio::time::sleep(jitter::within(LOOK_AGAIN)).await;
    }
    tracing::info!("the cluster has the Gateway API, version {VERSION}");
    // Who waits for changes would take the end of this for one.
    sender.closed().await;
}

async fn look(client: &Client) -> Result<GatewayApi, kube::Error> {
    look_closer(client, &client.list_api_groups().await?.groups).await
}

/// A version may be served with only some of its kinds, while it is being installed.
async fn look_closer(client: &Client, groups: &[APIGroup]) -> Result<GatewayApi, kube::Error> {
    let Some(group) = groups.iter().find(|it| it.name == GROUP) else { return Ok(GatewayApi::Absent) };
    let versions: Vec<_> = group.versions.iter().map(|it| it.version.clone()).collect();
    if !versions.iter().any(|it| it == VERSION) {
        return Ok(GatewayApi::Old(versions));
    }
    let kinds = client.list_api_group_resources(&format!("{GROUP}/{VERSION}")).await?.resources;
    let is_whole = KINDS.iter().all(|kind| kinds.iter().any(|it| it.kind == *kind));
    Ok(if is_whole { GatewayApi::Served } else { GatewayApi::Absent })
}

//! Serves the catalog, from a watch of its own: so every replica has it, the leader and those that wait, and each
//! shard has all servers and not only its share. What it holds of a server is little. No request for the catalog
//! becomes one to the API server.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use hyper::{Method, Uri};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Event, watcher};
use kube::{Client, Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::net::TcpListener;

use super::health::Health;
use super::http;
use super::selection::paged;
use crate::api::MCPServer;
use crate::cache::{Cache, Whole};
use crate::catalog::{Entry, answer};
use crate::reach::Reach;
use crate::settings::Settings;

/// More wait until one of these ends.
const CONNECTIONS: usize = 128;

/// The catalog, as far as the watches have shown it.
pub(super) struct Catalog(Arc<Vec<Shelf>>);

/// The servers of one namespace, or of all of them.
struct Shelf {
    namespace: Option<String>,
    entries: Arc<Cache<Entry, Whole<Entry>>>,
}

impl Catalog {
    /// Begins to answer, if that is asked for: at first, that nothing is known yet.
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let address = settings.catalog.listen;
        if !settings.catalog.enabled {
            return Ok(None);
        }
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .with_context(|| format!("cannot listen on {address}: choose another address with --catalog-listen"))?;
        let shelf = |namespace| Shelf { namespace, entries: Arc::new(Cache::new(Entry::namespace)) };
        let shelves = Arc::new(settings.scopes().into_iter().map(shelf).collect::<Vec<_>>());
        let shown = Arc::clone(&shelves);
        tracing::info!(%address, "serving the catalog");
        tokio::spawn(http::serve(listener, CONNECTIONS, move |method: &Method, uri: &Uri| {
            answer(method, uri, entries(&shown).as_deref())
        }));
        Ok(Some(Self(shelves)))
    }

    /// Fills it, from now on.
    pub(super) fn watch(self, client: &Client, health: &Health) {
        for shelf in self.0.iter() {
            let api = <MCPServer as Resource>::Scope::api(client.clone(), shelf.namespace.as_deref());
            let (noted, synced) = (Arc::clone(&shelf.entries), Arc::clone(&shelf.entries));
            let metrics = Arc::clone(&health.metrics);
            let changes = watcher::<DeserializeGuard<MCPServer>>(api, paged()).default_backoff().map_ok(entry_of);
            tokio::spawn(changes.for_each(move |event| {
                match event {
                    Ok(event) => noted.observe(&event),
                    Err(_) => metrics.watch_error(&MCPServer::kind(&())),
                }
                futures::future::ready(())
            }));
            health.add_check(move || synced.is_synced());
        }
    }
}

/// All there are, by name; `None` until that is known.
fn entries(shelves: &[Shelf]) -> Option<Vec<Arc<Entry>>> {
    let is_known = shelves.iter().all(|it| it.entries.is_synced());
    let mut entries = BTreeMap::new();
    for shelf in shelves.iter().filter(|_| is_known) {
        entries.extend(shelf.entries.all());
    }
    is_known.then(|| entries.into_values().collect())
}

/// The same event, of what is kept.
fn entry_of(event: Event<DeserializeGuard<MCPServer>>) -> Event<Entry> {
    match event {
        Event::Apply(it) => Event::Apply((&it).into()),
        Event::Delete(it) => Event::Delete((&it).into()),
        Event::Init => Event::Init,
        Event::InitApply(it) => Event::InitApply((&it).into()),
        Event::InitDone => Event::InitDone,
    }
}

//! Which objects of a kind are watched.

use futures::future::ready;
use futures::{Stream, TryStreamExt};
use kube::Resource;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

use crate::reach::Reach;
use crate::settings::Shard;

/// Which objects of a kind are watched.
pub(super) struct Selection {
    config: watcher::Config,
    shard: Option<Shard>,
}

impl From<watcher::Config> for Selection {
    fn from(config: watcher::Config) -> Self {
        Self { config, shard: None }
    }
}

impl Selection {
    /// Only those in the namespaces of a shard.
    pub(super) fn of(self, shard: Option<Shard>) -> Self {
        Self { shard, ..self }
    }

    pub(super) fn watch<K>(self, api: Api<K>) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
    where
        K: Resource<DynamicType = (), Scope: Reach> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let is_selected = move |event: &watcher::Event<K>| match (event, self.shard) {
            (watcher::Event::Apply(it) | watcher::Event::InitApply(it) | watcher::Event::Delete(it), Some(shard)) => {
                K::Scope::namespace_of(it).is_none_or(|namespace| shard.holds(&namespace))
            }
            _ => true,
        };
        watcher(api, self.config).default_backoff().try_filter(move |event| ready(is_selected(event)))
    }
}

/// All of them.
pub(super) fn everything() -> Selection {
    paged().into()
}

/// Lists come in pages, so that a large cluster's first list is never in memory as a whole.
pub(super) fn paged() -> watcher::Config {
    watcher::Config::default().page_size(500)
}

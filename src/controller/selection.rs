//! Which objects of a kind are watched.

use futures::future::ready;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::Resource;
use kube::api::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

use crate::lean::Lean;
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

    pub(super) fn watch<K>(
        self,
        api: Api<Lean<K>>,
    ) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
    where
        K: Resource<DynamicType = (), Scope: Reach> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let is_selected = move |event: &watcher::Event<K>| match (event, self.shard) {
            (watcher::Event::Apply(it) | watcher::Event::InitApply(it) | watcher::Event::Delete(it), Some(shard)) => {
                K::Scope::namespace_of(it).is_none_or(|namespace| shard.holds(&namespace))
            }
            _ => true,
        };
        let events = watcher(api, self.config).default_backoff().map(|event| event.map(read));
        events.try_filter(move |event| ready(is_selected(event)))
    }
}

fn read<K>(event: watcher::Event<Lean<K>>) -> watcher::Event<K> {
    match event {
        watcher::Event::Apply(Lean(it)) => watcher::Event::Apply(it),
        watcher::Event::Delete(Lean(it)) => watcher::Event::Delete(it),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(Lean(it)) => watcher::Event::InitApply(it),
        watcher::Event::InitDone => watcher::Event::InitDone,
    }
}

/// All of them.
pub(super) fn everything() -> Selection {
    paged().into()
}

/// Lists come in pages, so that a large cluster's first list is never in memory as a whole. A page is
/// there twice while it is read, for each kind at the same time, and the allocator keeps what it took.
pub(super) fn paged() -> watcher::Config {
    watcher::Config::default().page_size(100)
}

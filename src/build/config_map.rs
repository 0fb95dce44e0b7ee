//! The texts of files that stand in the spec itself.

use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

use super::{metadata_named, pods};
use crate::children::Child;
use crate::digest::{self, Digest};
use crate::references::Source;
use crate::validate::{PlannedFile, PodPlan, ValidatedServer};

impl Child for ConfigMap {
    const REFERRED_TO_AS: Option<Source> = Some(Source::ConfigMap);

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let of = |pod: &PodPlan| {
            let contents = pod.files.iter().filter_map(PlannedFile::content);
            let data: BTreeMap<_, _> = contents.map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
            let metadata = metadata_named(server, &pod.part, pod.part.files());
            (!data.is_empty()).then(|| Self { metadata, data: Some(data), ..Self::default() })
        };
        pods(server).filter_map(of).collect()
    }

    fn digests(&self) -> BTreeMap<String, Digest> {
        let texts = self.data.iter().flatten().map(|(key, text)| (key.clone(), digest::of(text.as_bytes()).finish()));
        let bytes = self.binary_data.iter().flatten().map(|(key, it)| (key.clone(), digest::of(&it.0).finish()));
        texts.chain(bytes).collect()
    }
}

//! Storage of the server itself.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::cmp::Ordering;

use super::metadata_named;
use crate::children::{Child, Settled};
use crate::quantity;
use crate::validate::ValidatedServer;

impl Child for PersistentVolumeClaim {
    const MAY_OUTLIVE: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let Some(storage) = &server.pod.storage else { return Vec::new() };
        let mut metadata = metadata_named(server, server.pod.part.storage());
        if storage.retain {
            metadata.owner_references = None;
        }
        vec![Self {
            metadata,
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(storage.access_modes.iter().map(|it| it.as_str().to_owned()).collect()),
                storage_class_name: storage.storage_class_name.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some([("storage".to_owned(), storage.size.clone())].into()),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        }]
    }

    /// Of a claim nothing can change but its size, and that can only grow.
    fn settle(&mut self, live: &Self) -> Result<Settled, String> {
        let (Some(spec), Some(live)) = (&mut self.spec, &live.spec) else { return Ok(Settled::AsItWas) };
        if let (Some(wanted), Some(given)) = (size(spec), size(live))
            && quantity::compare(&wanted.0, &given.0) == Some(Ordering::Less)
        {
            return Err(format!(
                "spec.storage.size: {} is less than the {} that it has, and storage cannot shrink: \
                 write {}, or delete the claim with all its data",
                wanted.0, given.0, given.0
            ));
        }
        if spec.access_modes != live.access_modes {
            return Err(unchangeable(
                "accessModes",
                &listed(live.access_modes.as_ref()),
                &listed(spec.access_modes.as_ref()),
            ));
        }
        if spec.storage_class_name == live.storage_class_name {
            return Ok(Settled::AsItWas);
        }
        let given = live.storage_class_name.clone().unwrap_or_default();
        if let Some(wanted) = &spec.storage_class_name {
            return Err(unchangeable("storageClassName", &given, wanted));
        }
        spec.storage_class_name = Some(given);
        Ok(Settled::TakenOver)
    }
}

fn size(spec: &PersistentVolumeClaimSpec) -> Option<&Quantity> {
    spec.resources.as_ref()?.requests.as_ref()?.get("storage")
}

fn listed(modes: Option<&Vec<String>>) -> String {
    modes.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn unchangeable(field: &str, given: &str, wanted: &str) -> String {
    format!(
        "spec.storage.{field}: it was made with \"{given}\" and cannot become \"{wanted}\": write \"{given}\", \
         or delete the claim with all its data"
    )
}

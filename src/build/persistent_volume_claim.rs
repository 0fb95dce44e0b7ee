//! Storage of the server itself, and of its dependencies.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{filled, metadata_named, secret};
use crate::children::{Child, Settled};
use crate::labels;
use crate::presets::DataVersion;
use crate::quantity;
use crate::validate::{PartName, PodPlan, StoragePlan, ValidatedServer};

/// Argo CD can be told to take every object with a label of ours for its own, and then removes what
/// is not in Git and has no owner: just the data that is to be kept.
const ARGO_CD_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// Annotation with the database that writes to a claim, and its version.
const DATA: &str = "landfall.dev/data";

impl Child for PersistentVolumeClaim {
    const MAY_OUTLIVE: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let own = (&server.pod, None);
        let dependencies = server.managed().map(|it| (&it.pod, secret::login(it)));
        let all = std::iter::once(own).chain(dependencies);
        all.filter_map(|(pod, login)| Some(claim(server, pod, pod.storage.as_ref()?, login))).collect()
    }

    /// Of a claim nothing can change but its size, and that can only grow; and what is written on it
    /// has to be readable for what shall run on it.
    fn settle(&mut self, live: &Self) -> Result<Settled, String> {
        let field = field(self);
        let is_bound = live.status.as_ref().and_then(|it| it.phase.as_deref()) == Some("Bound");
        if let (Some(wanted), Some(given)) = (data(self), data(live)) {
            let claim = self.metadata.name.as_deref().unwrap_or_default();
            wanted.check_after(&given).map_err(|why| format!("{field}: the claim \"{claim}\" {why}"))?;
        }
        secret::check_login(self, live, "delete the claim with all its data")?;
        let (Some(spec), Some(live)) = (&mut self.spec, &live.spec) else { return Ok(Settled::AsItWas) };
        if let (Some(wanted), Some(given)) = (size(spec), size(live))
            && quantity::compare(&wanted.0, &given.0) == Some(Ordering::Less)
        {
            return Err(format!(
                "{field}.size: {} is less than the {} that it has, and storage cannot shrink: \
                 write {}, or delete the claim with all its data",
                wanted.0, given.0, given.0
            ));
        }
        if let (Some(wanted), Some(given)) = (size(spec), size(live))
            && !is_bound
            && quantity::compare(&wanted.0, &given.0) == Some(Ordering::Greater)
        {
            return Err(format!(
                "{field}.size: it has no volume yet, and cannot grow before: it will grow to {} when it has one, or \
                 write {} until then",
                wanted.0, given.0
            ));
        }
        if spec.access_modes != live.access_modes {
            return Err(unchangeable(
                &field,
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
            return Err(unchangeable(&field, "storageClassName", &given, wanted));
        }
        spec.storage_class_name = Some(given);
        Ok(Settled::TakenOver)
    }
}

fn claim(
    server: &ValidatedServer,
    pod: &PodPlan,
    storage: &StoragePlan,
    login: Option<(String, String)>,
) -> PersistentVolumeClaim {
    let mut metadata = metadata_named(server, &pod.part, pod.part.storage());
    let data = storage.data.as_ref().map(|data| (DATA.to_owned(), data.text()));
    let mut annotations: BTreeMap<_, _> = data.into_iter().chain(login).collect();
    if storage.retain {
        metadata.owner_references = None;
        annotations.insert(ARGO_CD_OPTIONS.into(), "Prune=false,Delete=false".into());
    }
    metadata.annotations = filled(annotations);
    PersistentVolumeClaim {
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
    }
}

/// The part of the spec that a claim was made for.
fn field(claim: &PersistentVolumeClaim) -> String {
    match claim.labels().get(labels::COMPONENT).filter(|it| *it != PartName::SERVER) {
        None => "spec.storage".into(),
        Some(dependency) => format!("spec.dependencies[{dependency}].storage"),
    }
}

fn data(claim: &PersistentVolumeClaim) -> Option<DataVersion> {
    claim.annotations().get(DATA).map(|text| DataVersion::read(text))
}

fn size(spec: &PersistentVolumeClaimSpec) -> Option<&Quantity> {
    spec.resources.as_ref()?.requests.as_ref()?.get("storage")
}

fn listed(modes: Option<&Vec<String>>) -> String {
    modes.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn unchangeable(storage: &str, field: &str, given: &str, wanted: &str) -> String {
    format!(
        "{storage}.{field}: it was made with \"{given}\" and cannot become \"{wanted}\": write \"{given}\", \
         or delete the claim with all its data"
    )
}

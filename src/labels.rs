//! Labels of everything that the operator makes. They are documented API: people select by them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use std::collections::BTreeMap;

use crate::validate::PartName;

/// Says who manages an object; watches are limited to objects that carry it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const LANDFALL: &str = "landfall";
/// Names the `MCPServer` that an object is part of.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Names the namespace of that server, on what is in none itself.
pub const NAMESPACE: &str = "landfall.dev/namespace";
const NAME: &str = "app.kubernetes.io/name";
/// Names the part of its server that an object is for.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// What the pods of a part are selected by. A Deployment's selector can never change, so neither
/// may this.
pub fn selector(part: &PartName) -> BTreeMap<String, String> {
    [(NAME, "mcpserver"), (INSTANCE, part.server().as_str()), (COMPONENT, part.component())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The same, as Kubernetes' own objects take it.
pub fn label_selector(part: &PartName) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(part)), ..LabelSelector::default() }
}

/// All labels of an object: those above and the one that watches go by.
pub fn recommended(part: &PartName) -> BTreeMap<String, String> {
    let mut labels = selector(part);
    labels.insert(MANAGED_BY.into(), LANDFALL.into());
    labels
}

/// Whether `object` carries this label with this value.
pub fn has(object: &impl ResourceExt, key: &str, value: &str) -> bool {
    object.labels().get(key).is_some_and(|it| it == value)
}

/// Whether users may not set this label on pods, because the operator selects by it.
pub fn is_reserved(key: &str) -> bool {
    [NAME, INSTANCE, COMPONENT, MANAGED_BY].contains(&key)
}

/// The selector in the form that a `labelSelector` parameter and the scale subresource take.
pub fn selector_text(part: &PartName) -> String {
    let pairs: Vec<_> = selector(part).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

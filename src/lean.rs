//! Objects as they come from the API server, without what nobody here reads.
//!
//! `managedFields` are as large as all the rest of an object, and would become a tree of maps, only to be
//! dropped. So they are cut out of the text before the object is read.

use kube::Resource;
use kube::api::ObjectMeta;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An object that is read without its `managedFields`. It can be read from JSON only, and in an event of a
/// watch only if the type of the event comes first, as every API server writes it.
#[derive(Clone, Debug)]
pub struct Lean<K>(pub K);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let object = serde_json::from_str(&without_managed_fields(text.get()));
        object.map(Self).map_err(D::Error::custom)
    }
}

/// The same text with `null` in their place.
fn without_managed_fields(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata<'a> {
        #[serde(borrow)]
        managed_fields: Option<&'a RawValue>,
    }
    let found = serde_json::from_str::<Object>(text).ok().and_then(|it| it.metadata.managed_fields);
    let Some(found) = found.map(RawValue::get) else { return Cow::Borrowed(text) };
    let begin = found.as_ptr().addr() - text.as_ptr().addr();
    let (before, after) = (text.get(..begin), text.get(begin + found.len()..));
    match (before, after) {
        (Some(before), Some(after)) => Cow::Owned([before, "null", after].concat()),
        _ => Cow::Borrowed(text),
    }
}

impl<K: Resource> Resource for Lean<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn read(object: &serde_json::Value) -> ConfigMap {
        serde_json::from_str::<Lean<ConfigMap>>(&object.to_string()).expect("readable").0
    }

    #[test]
    fn all_but_the_managed_fields_is_read() {
        let mut object =
            json!({"metadata": {"name": "it", "labels": {"a": "b"}}, "data": {"metadata": "{\"managedFields\": []}"}});
        let without = read(&object);
        object["metadata"]["managedFields"] = json!([{"manager": "m", "fieldsV1": {"f:data": {"f:\"\u{fc}]": {}}}}]);
        assert_eq!(read(&object), without);
        assert_eq!(without.data.as_ref().map(|it| it["metadata"].as_str()), Some("{\"managedFields\": []}"));
    }

    #[test]
    fn an_object_without_them_and_one_that_cannot_be_read_are_as_ever() {
        assert_eq!(read(&json!({"data": {"a": "b"}})).data.map(|it| it.len()), Some(1));
        let error = serde_json::from_str::<Lean<ConfigMap>>(r#"{"metadata": {"managedFields": []}, "data": 1}"#);
        assert!(error.is_err_and(|it| it.to_string().contains("invalid type: integer `1`")));
    }
}

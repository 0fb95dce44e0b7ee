//! Parts of the spec that the schema keeps raw, decoded strictly: a field that Kubernetes does not
//! know is named, where the API server would drop it without a word.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Problem, Problems};

/// `raw` as a `T`, or `None` with everything that is wrong noted.
pub(super) fn decode<T>(field: &str, raw: &Map<String, Value>, problems: &mut Problems) -> Option<T>
where
    T: Serialize + DeserializeOwned,
{
    let raw = Value::Object(raw.clone());
    let decoded: T = problems.note(serde_json::from_value(raw.clone()).map_err(|error| Problem {
        field: field.into(),
        message: format!("cannot be read: {error}; see `kubectl explain` for the type of each field"),
    }))?;
    let known = serde_json::to_value(&decoded).unwrap_or_default();
    let unknown = unknown_fields(field, &raw, &known);
    for field in &unknown {
        problems.add(field, "no such field: check its spelling and place");
    }
    unknown.is_empty().then_some(decoded)
}

/// What decoding dropped: present in `raw`, and not in what was decoded from it.
fn unknown_fields(path: &str, raw: &Value, known: &Value) -> Vec<String> {
    match (raw, known) {
        (Value::Object(raw), Value::Object(known)) => raw
            .iter()
            .flat_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(known) => unknown_fields(&path, value, known),
                    None if is_empty(value) => Vec::new(),
                    None => vec![path],
                }
            })
            .collect(),
        (Value::Array(raw), Value::Array(known)) => raw
            .iter()
            .zip(known)
            .enumerate()
            .flat_map(|(at, (raw, known))| unknown_fields(&format!("{path}[{at}]"), raw, known))
            .collect(),
        _ => Vec::new(),
    }
}

/// Values that Kubernetes treats like an absent field, and so may be dropped.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

//! Which field keeps a spec from being read. The schema has checked the types by then; what is left
//! are numbers that their type cannot hold, which API servers before 1.36 store.

use serde_json::Value;

use super::MCPServerSpec;

/// As many numbers as anybody has to be told of.
const MOST: usize = 32;

/// The error with the fields that it is about, as far as they can be found: the error of the reader
/// says what it found, and not where.
pub fn explained(spec: &Value, error: &str) -> String {
    let fields = fields(spec);
    if fields.is_empty() { error.to_owned() } else { format!("{}: {error}", fields.join(", ")) }
}

fn fields(spec: &Value) -> Vec<String> {
    let mut places = Vec::new();
    large_numbers(spec, "", &mut places);
    places.truncate(MOST);
    let mut tamed = spec.clone();
    for place in &places {
        set(&mut tamed, place, 1.into());
    }
    if !is_readable(&tamed) {
        return Vec::new();
    }
    let spoils = |place: &&String| {
        let mut with_it = tamed.clone();
        set(&mut with_it, place, spec.pointer(place).cloned().unwrap_or_default());
        !is_readable(&with_it)
    };
    places.iter().filter(spoils).map(|place| path(spec, place)).collect()
}

fn is_readable(spec: &Value) -> bool {
    serde_json::from_value::<MCPServerSpec>(spec.clone()).is_ok()
}

/// JSON pointers to numbers that do not fit into the smallest type that there is.
fn large_numbers(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.as_i64().is_none_or(|it| i32::try_from(it).is_err()) => {
            found.push(place.to_owned());
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            large_numbers(value, &format!("{place}/{key}"), found);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| large_numbers(value, &format!("{place}/{at}"), found));
        }
        _ => {}
    }
}

fn set(value: &mut Value, place: &str, number: Value) {
    if let Some(there) = value.pointer_mut(place) {
        *there = number;
    }
}

/// A JSON pointer as people write a field's path.
fn path(spec: &Value, place: &str) -> String {
    let (mut at, mut path) = (spec, "spec".to_owned());
    for step in place.split('/').skip(1).map(|it| it.replace("~1", "/").replace("~0", "~")) {
        if let Value::Array(items) = at {
            path.extend(["[", &step, "]"]);
            at = step.parse::<usize>().ok().and_then(|it| items.get(it)).unwrap_or(&Value::Null);
        } else {
            path.extend([".", &step]);
            at = &at[&step];
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(spec: &Value) -> String {
        let error = serde_json::from_value::<MCPServerSpec>(spec.clone()).expect_err("unreadable");
        explained(spec, &error.to_string())
    }

    #[test]
    fn every_number_that_is_too_large_is_named() {
        let spec = json!({
            "image": "echo:1", "port": 3001, "terminationGracePeriodSeconds": 5_000_000_000_i64,
            "probes": {"liveness": {"httpGet": {"port": 3_000_000_000_i64}}},
            "topologySpreadConstraints": [{"maxSkew": 4_000_000_000_i64, "topologyKey": "a", "whenUnsatisfiable": "b"}],
        });
        let told = told(&spec);
        let fields = "spec.probes.liveness.httpGet.port, spec.topologySpreadConstraints[0].maxSkew: ";
        assert!(told.starts_with(fields) && told.contains("3000000000"), "{told}");
    }

    #[test]
    fn another_error_is_told_as_it_is() {
        assert_eq!(
            told(&json!({"port": 80, "terminationGracePeriodSeconds": 5_000_000_000_i64})),
            "missing field `image`"
        );
    }
}

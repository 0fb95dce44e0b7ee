//! The structural schema: types, required and unknown fields, bounds. It knows what schemas of ours say,
//! and a test makes sure that they say nothing else.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::validate::Problem;

const PRESERVES: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

/// Everything in `resource` that does not fit `schema`.
pub(super) fn check(schema: &Value, resource: &Value) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new() };
    check.value("", schema, resource);
    check.problems
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem { field: path.to_owned(), message: message.into() });
    }

    fn value(&mut self, path: &str, schema: &Value, value: &Value) {
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        if !self.has_type(path, schema, value) {
            return;
        }
        match value {
            Value::Object(map) => self.object(path, schema, map),
            Value::Array(items) => self.array(path, schema, items),
            Value::String(text) => self.text(path, schema, text),
            Value::Number(number) => self.number(path, schema, number.as_f64().unwrap_or_default()),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn has_type(&mut self, path: &str, schema: &Value, value: &Value) -> bool {
        let is_whole = value.as_i64().is_some() || value.as_f64().is_some_and(|it| it.fract() == 0.0);
        let (wanted, fits) = match (schema["type"].as_str(), schema[INT_OR_STRING] == true) {
            (_, true) => ("integer,string", is_whole || value.is_string()),
            (Some(type_ @ "object"), _) => (type_, value.is_object()),
            (Some(type_ @ "array"), _) => (type_, value.is_array()),
            (Some(type_ @ "string"), _) => (type_, value.is_string()),
            (Some(type_ @ "integer"), _) => (type_, is_whole),
            (Some(type_ @ "number"), _) => (type_, value.is_number()),
            (Some(type_ @ "boolean"), _) => (type_, value.is_boolean()),
            _ => ("any", true),
        };
        if !fits {
            self.add(path, format!("must be of type {wanted}, and is {}", called(value)));
        }
        fits
    }

    fn object(&mut self, path: &str, schema: &Value, map: &Map<String, Value>) {
        let properties = schema["properties"].as_object();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if map.get(name).is_none_or(|it| it.is_null() && schema["properties"][name]["nullable"] != true) {
                self.add(&within(path, name), "Required value");
            }
        }
        for (name, value) in map {
            let path = within(path, name);
            let property = properties.and_then(|it| it.get(name));
            match property.or_else(|| schema.get("additionalProperties").filter(|it| it.is_object())) {
                Some(schema) if path != "metadata" => self.value(&path, schema, value),
                Some(_) => {}
                None if schema[PRESERVES] == true => {}
                // The resource itself has these, whatever its schema says.
                None if ["apiVersion", "kind", "metadata"].contains(&path.as_str()) => {}
                None => self.add(&path, "no such field: check its spelling and place"),
            }
        }
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| map.len() as u64 > *most) {
            self.add(path, format!("must have at most {most} properties"));
        }
    }

    fn array(&mut self, path: &str, schema: &Value, items: &[Value]) {
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            self.add(path, format!("must have at most {most} items, and has {}", items.len()));
        }
        for (at, item) in items.iter().enumerate() {
            self.value(&format!("{path}[{at}]"), &schema["items"], item);
        }
        let keys: Vec<_> = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().collect();
        let key_of = |item: &Value| -> Vec<_> {
            match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => keys.iter().filter_map(|key| item.get(key.as_str()?)).map(Value::to_string).collect(),
                Some("set") => vec![item.to_string()],
                _ => Vec::new(),
            }
        };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let key = key_of(item);
            if !key.is_empty() && !seen.insert(key.clone()) {
                self.add(&format!("{path}[{at}]"), format!("Duplicate value: {}", key.join(", ")));
            }
        }
    }

    fn text(&mut self, path: &str, schema: &Value, text: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.add(path, format!("should be at least {least} chars long"));
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.add(path, format!("should be at most {most} chars long, and has {length}"));
        }
        let Some(values) = schema["enum"].as_array() else { return };
        if !values.iter().any(|it| it.as_str() == Some(text)) {
            let values: Vec<_> = values.iter().filter(|it| !it.is_null()).map(Value::to_string).collect();
            self.add(path, format!("\"{text}\" is unsupported; supported values: {}", values.join(", ")));
        }
    }

    fn number(&mut self, path: &str, schema: &Value, number: f64) {
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.add(path, format!("should be greater than or equal to {least}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.add(path, format!("should be less than or equal to {most}"));
        }
    }
}

fn within(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// What the check above knows, or may pass over.
    const KNOWN: [&str; 24] = [
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minLength",
        "minimum",
        "nullable",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
        "anyOf",
    ];

    #[test]
    fn the_schema_says_nothing_that_is_not_checked() {
        let crd = crate::api::crd::mcpserver_crd().expect("a CRD");
        let schema = crd.spec.versions[0].schema.as_ref().and_then(|it| it.open_api_v3_schema.as_ref());
        keywords(&serde_json::to_value(schema).expect("JSON"));
    }

    fn keywords(schema: &Value) {
        for (keyword, value) in schema.as_object().expect("a schema") {
            assert!(KNOWN.contains(&keyword.as_str()), "{keyword} is not checked offline: {schema}");
            // Only the one that Kubernetes adds for a number or a text.
            assert!(keyword != "anyOf" || schema["x-kubernetes-int-or-string"] == true, "{schema}");
            match keyword.as_str() {
                "items" => keywords(value),
                "additionalProperties" if value.is_object() => keywords(value),
                "properties" => value.as_object().expect("properties").values().for_each(keywords),
                _ => {}
            }
        }
    }
}

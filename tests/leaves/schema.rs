//! The leaves of `spec` in the resource's schema: every place where a value can stand.

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};
use std::fmt;

use crate::support::from_yaml;

/// One step from the spec to a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(String),
    /// Into an item of a list.
    Item,
    /// Into a value of a map.
    Key,
}

/// A place where a value can stand. What is raw in the schema is one leaf.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub steps: Vec<Step>,
    pub schema: Value,
}

impl Leaf {
    /// The field's own name, which whoever is told of it looks for.
    pub fn name(&self) -> &str {
        let fields =
            self.steps.iter().rev().filter_map(|it| if let Step::Field(name) = it { Some(name) } else { None });
        fields.map(String::as_str).next().unwrap_or_default()
    }

    /// Whether it belongs to a dependency.
    pub fn is_of_dependency(&self) -> bool {
        self.steps.first() == Some(&Step::Field("dependencies".into()))
    }

    pub fn is_text(&self) -> bool {
        self.schema["type"] == "string"
    }

    /// Whether the API server takes null for it, and drops that.
    pub fn is_nullable(&self) -> bool {
        self.schema["nullable"] == true
    }

    /// Whether its inside is unknown to the schema.
    pub fn is_raw(&self) -> bool {
        self.schema["x-kubernetes-preserve-unknown-fields"] == true
    }

    pub fn is_int_or_text(&self) -> bool {
        self.schema["x-kubernetes-int-or-string"] == true
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item => f.write_str("[]")?,
                Step::Key => f.write_str("{}")?,
            }
        }
        Ok(())
    }
}

/// The schema of `spec`, as it is installed.
pub fn of_spec() -> Result<Value> {
    let crd: CustomResourceDefinition = from_yaml(include_str!("../../crds/mcpservers.yaml"))?;
    let version = crd.spec.versions.into_iter().next().context("a version")?;
    let schema = version.schema.and_then(|it| it.open_api_v3_schema).context("a schema")?;
    Ok(serde_json::to_value(schema)?["properties"]["spec"].take())
}

/// Every leaf below a schema.
pub fn leaves(schema: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: &Value, steps: &mut Vec<Step>, found: &mut Vec<Leaf>) {
    let mut below = |step: Step, schema: &Value| {
        steps.push(step);
        walk(schema, steps, found);
        steps.pop();
    };
    if let Some(properties) = schema["properties"].as_object() {
        properties.iter().for_each(|(name, schema)| below(Step::Field(name.clone()), schema));
    } else if schema["items"].is_object() {
        below(Step::Item, &schema["items"]);
    } else if schema["additionalProperties"].is_object() {
        below(Step::Key, &schema["additionalProperties"]);
    } else {
        found.push(Leaf { steps: steps.clone(), schema: schema.clone() });
    }
}

/// The smallest value with `leaf` in it: what the schema requires beside it is there, too, as
/// `sample` has it for its path.
pub fn around(schema: &Value, leaf: &Leaf, value: &Value, key: &str, sample: &dyn Fn(&Leaf) -> Value) -> Value {
    build(schema, &mut Vec::new(), &leaf.steps, value, key, sample)
}

fn build(
    schema: &Value,
    before: &mut Vec<Step>,
    ahead: &[Step],
    value: &Value,
    key: &str,
    sample: &dyn Fn(&Leaf) -> Value,
) -> Value {
    let Some((step, ahead)) = ahead.split_first() else { return value.clone() };
    let inner = match step {
        Step::Field(name) => &schema["properties"][name],
        Step::Item => &schema["items"],
        Step::Key => &schema["additionalProperties"],
    };
    before.push(step.clone());
    let inner = build(inner, before, ahead, value, key, sample);
    before.pop();
    match step {
        Step::Item => json!([inner]),
        Step::Key => json!({key: inner}),
        Step::Field(name) => {
            let mut object = required(schema, before, sample);
            object.insert(name.clone(), inner);
            Value::Object(object)
        }
    }
}

fn required(schema: &Value, before: &mut Vec<Step>, sample: &dyn Fn(&Leaf) -> Value) -> Map<String, Value> {
    let mut object = Map::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        before.push(Step::Field(name.to_owned()));
        let leaf = Leaf { steps: before.clone(), schema: schema["properties"][name].clone() };
        object.insert(name.to_owned(), sample(&leaf));
        before.pop();
    }
    object
}

//! What the schema alone does not say of a leaf: which values Kubernetes takes there, and what has to
//! stand beside it. The table is `cases.yaml`.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::schema::{self, Leaf, Step};
use crate::support::from_yaml;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct Entry {
    leaf: String,
    values: Option<Vec<Value>>,
    #[serde(default)]
    beside: Value,
    #[serde(default)]
    with: Value,
    #[serde(default)]
    spec: Value,
    key: Option<String>,
    shows: Option<Elsewhere>,
    hidden: Option<String>,
    never: Option<String>,
    bound: Option<String>,
    default: Option<Value>,
}

/// Where a change shows that does not show in the children.
#[derive(Deserialize, Clone, Debug)]
pub struct Elsewhere {
    pub place: Place,
    pub why: String,
}

#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In the plan of the conversations.
    Verification,
    /// In whether anything is written.
    Suspension,
    /// In whether more than one pod may be asked for.
    Admission,
}

/// A leaf with two values that are taken there, and what it takes for them to mean something.
pub struct Case {
    pub leaf: Leaf,
    /// `None`: it is absent before.
    pub before: Option<Value>,
    pub after: Value,
    pub shows: Option<Elsewhere>,
    /// Why the value itself is not to be seen.
    pub hidden: Option<String>,
    /// Why neither value is taken.
    pub never: Option<String>,
    /// Why a server that runs may not take a second value.
    pub bound: Option<String>,
    /// What an absent leaf stands for.
    pub default: Option<Value>,
    without: Value,
    key: String,
}

/// The table.
pub struct Cases {
    schema: Value,
    entries: Vec<Entry>,
}

impl Cases {
    pub fn read() -> Result<Self> {
        let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/leaves/cases.yaml"))?;
        Ok(Self { schema: schema::of_spec()?, entries: from_yaml(&table).context("cases.yaml")? })
    }

    /// A case for every leaf that the schema has.
    pub fn all(&self) -> Vec<Case> {
        schema::leaves(&self.schema).into_iter().map(|leaf| self.of(leaf)).collect()
    }

    /// Entries that fit no leaf: the field is gone, or was never there.
    pub fn useless(&self) -> Vec<&str> {
        let leaves = schema::leaves(&self.schema);
        let useless = self.entries.iter().filter(|it| !leaves.iter().any(|leaf| fits(&it.leaf, leaf)));
        useless.map(|it| it.leaf.as_str()).collect()
    }

    fn of(&self, leaf: Leaf) -> Case {
        let entries: Vec<_> = self.entries.iter().filter(|it| fits(&it.leaf, &leaf)).collect();
        let last = |of: fn(&Entry) -> bool| entries.iter().rev().find(|it| of(it));
        let mut values = self.values(&leaf);
        let after = values.pop().unwrap_or_default();
        let before = values.pop();
        let key = last(|it| it.key.is_some()).and_then(|it| it.key.clone()).unwrap_or_else(|| "a".into());
        Case {
            without: self.surroundings(&leaf, &entries, &key),
            shows: last(|it| it.shows.is_some()).and_then(|it| it.shows.clone()),
            hidden: last(|it| it.hidden.is_some()).and_then(|it| it.hidden.clone()),
            never: last(|it| it.never.is_some()).and_then(|it| it.never.clone()),
            default: last(|it| it.default.is_some()).and_then(|it| it.default.clone()),
            bound: last(|it| it.bound.is_some()).and_then(|it| it.bound.clone()),
            before,
            after,
            key,
            leaf,
        }
    }

    /// Those of the table, or what fits the type.
    fn values(&self, leaf: &Leaf) -> Vec<Value> {
        let mut of_table = self.entries.iter().rev().filter(|it| fits(&it.leaf, leaf));
        if let Some(values) = of_table.find_map(|it| it.values.clone()) {
            return values;
        }
        if let Some(known) = leaf.schema["enum"].as_array() {
            let mut known: Vec<_> = known.iter().filter(|it| !it.is_null()).take(2).cloned().collect();
            known.reverse();
            return known;
        }
        match leaf.schema["type"].as_str() {
            Some("integer") => vec![json!(2), json!(3)],
            Some("boolean") => vec![json!(true), json!(false)],
            _ => vec![json!("one"), json!("two")],
        }
    }

    /// A spec in which the leaf can stand, with a hole where it does.
    fn surroundings(&self, leaf: &Leaf, entries: &[&Entry], key: &str) -> Value {
        let sample = |leaf: &Leaf| self.values(leaf).into_iter().next().unwrap_or_default();
        let mut spec = without_nulls(&schema::around(&self.schema, leaf, &Value::Null, key, &sample));
        merge(&mut spec, &json!({"image": "echo:1", "port": 3001}));
        if leaf.is_of_dependency() {
            let dependency = json!({"name": "db", "image": "db:1", "ports": [{"name": "db", "port": 5432}]});
            merge(&mut spec, &json!({"dependencies": [dependency]}));
        }
        for entry in entries {
            merge(&mut spec, &entry.spec);
            if leaf.is_of_dependency() {
                merge(&mut spec["dependencies"][0], &entry.with);
            } else {
                merge(&mut spec, &entry.with);
            }
            if !entry.beside.is_null() {
                merge(&mut spec, &beside(&leaf.steps, &entry.beside));
            }
        }
        spec
    }
}

impl Case {
    /// The spec with this value in the leaf's place, or without the leaf.
    pub fn spec(&self, value: Option<&Value>) -> Value {
        let mut spec = self.without.clone();
        match value {
            Some(value) => put(&mut spec, &self.leaf.steps, &self.key, value),
            None => take(&mut spec, &self.leaf.steps),
        }
        spec
    }

    pub fn before(&self) -> Value {
        self.spec(self.before.as_ref())
    }

    pub fn after(&self) -> Value {
        self.spec(Some(&self.after))
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, it)| !it.is_null());
            Value::Object(kept.map(|(key, it)| (key.clone(), without_nulls(it))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().filter(|it| !it.is_null()).map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// `beside` in the object in which the last field of a path stands.
fn beside(steps: &[Step], beside: &Value) -> Value {
    let last_field = steps.iter().rposition(|it| matches!(it, Step::Field(_))).unwrap_or_default();
    steps[..last_field].iter().rev().fold(beside.clone(), |inner, step| match step {
        Step::Field(name) => json!({name: inner}),
        Step::Item | Step::Key => json!([inner]),
    })
}

/// Puts a value where the path leads, and makes the way there.
fn put(at: &mut Value, steps: &[Step], key: &str, value: &Value) {
    let Some((step, ahead)) = steps.split_first() else {
        *at = value.clone();
        return;
    };
    match step {
        Step::Field(name) => put(inner(at, name), ahead, key, value),
        Step::Key => put(inner(at, key), ahead, key, value),
        Step::Item => {
            if !at.is_array() {
                *at = json!([]);
            }
            if let Some(items) = at.as_array_mut() {
                if items.is_empty() {
                    items.push(Value::Null);
                }
                put(&mut items[0], ahead, key, value);
            }
        }
    }
}

fn inner<'a>(at: &'a mut Value, name: &str) -> &'a mut Value {
    if !at.is_object() {
        *at = json!({});
    }
    &mut at[name]
}

/// Takes away the last field of a path, if there is one.
fn take(spec: &mut Value, steps: &[Step]) {
    let last_field = steps.iter().rposition(|it| matches!(it, Step::Field(_))).unwrap_or_default();
    let mut at = spec;
    for step in &steps[..last_field] {
        let next = match step {
            Step::Field(name) => at.get_mut(name),
            Step::Item | Step::Key => at.get_mut(0),
        };
        let Some(next) = next else { return };
        at = next;
    }
    if let (Step::Field(name), Some(object)) = (&steps[last_field], at.as_object_mut()) {
        object.remove(name);
    }
}

/// As a JSON merge patch, but that items of lists are merged by their place.
fn merge(into: &mut Value, change: &Value) {
    match (&mut *into, change) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(change)) => merge_objects(into, change),
        (Value::Array(into), Value::Array(change)) => {
            for (at, change) in change.iter().enumerate() {
                if at == into.len() {
                    into.push(Value::Null);
                }
                merge(&mut into[at], change);
            }
        }
        _ => *into = change.clone(),
    }
}

fn merge_objects(into: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (key, change) in change {
        if change.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Whether a pattern of the table means a leaf.
fn fits(pattern: &str, leaf: &Leaf) -> bool {
    let path = format!("spec.{leaf}");
    is_like(pattern.as_bytes(), path.as_bytes()) || is_like(format!("*.{pattern}").as_bytes(), path.as_bytes())
}

fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if is_like(rest, text) => true,
        (Some((b'*', _)), Some((_, text))) => is_like(pattern, text),
        (Some((wanted, rest)), Some((found, text))) => wanted == found && is_like(rest, text),
        _ => false,
    }
}

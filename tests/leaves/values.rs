//! Values that do not fit.

use serde_json::{Value, json};

use crate::schema::Leaf;

/// Values that the schema by itself has to refuse.
pub fn against_the_schema(leaf: &Leaf) -> Vec<Value> {
    let mut values = of_other_types(leaf);
    let schema = &leaf.schema;
    if let Some(least) = schema["minimum"].as_i64() {
        values.push(json!(least - 1));
    }
    if let Some(most) = schema["maximum"].as_i64() {
        values.push(json!(most + 1));
    }
    if let Some(least) = schema["minLength"].as_u64().filter(|it| *it > 0) {
        values.push(json!("x".repeat(usize::try_from(least).unwrap_or_default() - 1)));
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        values.push(json!("x".repeat(usize::try_from(most).unwrap_or_default() + 1)));
    }
    if schema["enum"].is_array() {
        values.extend(["Unheard-Of", ""].map(|it| json!(it)));
    }
    values
}

fn of_other_types(leaf: &Leaf) -> Vec<Value> {
    let all = [json!("text"), json!(7), json!(true), json!(1.5), json!([]), json!(["a"]), json!({}), json!({"a": 1})];
    let fits = |value: &Value| match leaf.schema["type"].as_str() {
        _ if leaf.is_int_or_text() => value.is_string() || value.is_i64(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => value.is_object(),
    };
    let null = (!leaf.is_nullable()).then_some(Value::Null);
    all.into_iter().filter(|it| !fits(it)).chain(null).collect()
}

/// Values of the right type that may or may not make sense: whoever refuses them has to name the
/// field, and whoever takes them has to use them.
pub fn odd(leaf: &Leaf) -> Vec<Value> {
    let mut values = Vec::new();
    if leaf.is_text() || leaf.is_int_or_text() {
        let texts = [
            "",
            "two words",
            "-1",
            "1Gx",
            "lots",
            "UPPER_case",
            "a/../b",
            "ä🦀",
            "a\nb",
            "\u{0}",
            "$(NOBODY)",
            "a:b@c",
            "*",
        ];
        values.extend(texts.map(|it| json!(it)));
        values.push(json!("x".repeat(300)));
        values.push(json!("x".repeat(64)));
    }
    if leaf.schema["type"] == "integer" || leaf.is_int_or_text() {
        values.extend([-1, 0, 1, 65_536, 3_000_000_000, i64::MAX, i64::MIN].map(|it| json!(it)));
        values.push(json!(9.3e18));
    }
    if leaf.is_raw() {
        values.extend([json!({}), json!({"nosuch": true}), json!({"name": 7}), json!({"spec": {"containers": "x"}})]);
    }
    values
}

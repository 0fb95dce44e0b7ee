//! The page of documentation that is made from the schema, so that it says what `kubectl explain` says.

use serde_json::Value;
use std::fmt::Write;

use super::crd::mcpserver_crd;

const HEAD: &str = "\
# Reference

<!-- Printed by `landfall crd --markdown`: change src/api/ and run `make generate`. -->

Every field of an `MCPServer` (`landfall.dev/v1alpha1`), from the same schema as `kubectl explain mcpserver.spec`. The
API server checks types, bounds and what stands under *Rules*; what it cannot check, the operator and `landfall validate`
do. `image` and `port` are enough. Settings of the operator are values of its
[chart](../charts/landfall/README.md#values).
";

/// The whole page, in Markdown.
pub fn markdown() -> anyhow::Result<String> {
    let crd = serde_json::to_value(mcpserver_crd()?)?;
    let mut page = Page { text: HEAD.to_owned(), sections: Vec::new() };
    for part in ["spec", "status"] {
        if let Some(schema) = crd.pointer(&format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}")) {
            page.section(part, schema)?;
        }
    }
    Ok(page.text)
}

struct Page<'a> {
    text: String,
    /// Fields that have a section, and its name.
    sections: Vec<(&'a Value, String)>,
}

impl<'a> Page<'a> {
    /// The fields of one object, and then those of the objects in it.
    fn section(&mut self, path: &str, schema: &'a Value) -> std::fmt::Result {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
        let text = &mut self.text;
        writeln!(text, "\n## {path}\n")?;
        let (description, _) = meaning(schema);
        if !description.is_empty() {
            writeln!(text, "{}\n", description.replace("<br>", "\n\n"))?;
        }
        writeln!(text, "| Field | Type | Default | Meaning |\n|---|---|---|---|")?;
        let mut inner = Vec::new();
        for (name, field) in fields {
            let label = match explained(field) {
                None => format!("`{name}`"),
                Some(object) => format!("[`{name}`](#{})", anchor(self.place_of(object, path, name, &mut inner))),
            };
            let (meaning, default) = meaning(field);
            let is_required = schema["required"].as_array().is_some_and(|it| it.iter().any(|it| it == name));
            let default = if is_required { "required" } else { default.as_str() };
            writeln!(self.text, "| {label} | {} | {default} | {meaning} |", type_of(field))?;
        }
        let rules = rules(schema);
        if !rules.is_empty() {
            writeln!(self.text, "\nRules:\n")?;
        }
        for rule in rules {
            writeln!(self.text, "- {}", escaped(rule))?;
        }
        inner.into_iter().try_for_each(|(path, object)| self.section(&path, object))
    }

    /// The section of an object: a new one, unless one has the same fields.
    fn place_of(&mut self, object: &'a Value, path: &str, name: &str, new: &mut Vec<(String, &'a Value)>) -> &str {
        let known = self.sections.iter().position(|(fields, _)| *fields == &object["properties"]);
        let at = known.unwrap_or_else(|| {
            let path = format!("{path}.{name}");
            new.push((path.clone(), object));
            self.sections.push((&object["properties"], path));
            self.sections.len() - 1
        });
        &self.sections[at].1
    }
}

/// The object that a field holds, or holds a list of, if its fields are explained here and nowhere else.
fn explained(field: &Value) -> Option<&Value> {
    let object = field.get("items").or_else(|| field.get("additionalProperties")).unwrap_or(field);
    let fields = object.get("properties")?.as_object()?;
    fields.values().any(|it| it.get("description").is_some()).then_some(object)
}

/// What the API server checks of these fields beyond their types.
fn rules(schema: &Value) -> Vec<&str> {
    let mut rules = Vec::new();
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|it| it.values());
    let places = fields.flat_map(|it| [Some(it), it.get("items").filter(|items| items.get("properties").is_none())]);
    for place in std::iter::once(Some(schema)).chain(places).flatten() {
        for rule in place.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
            if let Some(message) = rule.get("message").and_then(Value::as_str).filter(|it| !rules.contains(it)) {
                rules.push(message);
            }
        }
    }
    rules
}

fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or string".into();
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).map(|it| format!("`{it}`")).collect();
        return values.join(", ");
    }
    if let Some(items) = field.get("items") {
        return format!("list: {}", type_of(items));
    }
    if let Some(values) = field.get("additionalProperties").filter(|it| it.is_object()) {
        return format!("map: {}", type_of(values));
    }
    let name = field["type"].as_str().unwrap_or("object");
    match (field["minimum"].as_f64(), field["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!("{name}, {least} to {most}"),
        (Some(least), None) => format!("{name}, at least {least}"),
        (None, Some(most)) => format!("{name}, at most {most}"),
        (None, None) => name.into(),
    }
}

/// What a field is for, and apart from it the default that its description ends with.
fn meaning(field: &Value) -> (String, String) {
    let text = field.get("description").and_then(Value::as_str).unwrap_or_default();
    let Some((before, rest)) = text.split_once("Default: ") else { return (escaped(text), String::new()) };
    let (default, after) = rest.split_at(end_of_sentence(rest));
    let after = after.trim_start_matches('.').trim_start();
    (escaped(format!("{before}{after}").trim_end()), escaped(default))
}

/// Where its first sentence ends: not at a full stop within `code`.
fn end_of_sentence(text: &str) -> usize {
    let mut is_code = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '`' => is_code = !is_code,
            '.' if !is_code && text[at + 1..].chars().next().is_none_or(char::is_whitespace) => return at,
            _ => {}
        }
    }
    text.len()
}

/// As it has to stand in a cell of a table.
fn escaped(text: &str) -> String {
    text.replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|")
}

/// As GitHub calls the place of a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace('.', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;
    use serde_json::json;

    #[test]
    fn a_default_is_told_apart_from_the_meaning() {
        let field = json!({"description": "Path. Default: `/mcp.v1`. Example: `/`."});
        assert_eq!(meaning(&field), ("Path. Example: `/`.".into(), "`/mcp.v1`".into()));
        assert_eq!(meaning(&json!({"description": "Path."})), ("Path.".into(), String::new()));
        assert_eq!(meaning(&json!({"description": "A. Default: none"})), ("A.".into(), "none".into()));
        assert_eq!(meaning(&json!({"description": "a | b"})).0, "a \\| b");
    }

    #[test]
    fn every_field_of_our_own_is_there() -> Result<()> {
        let page = markdown()?;
        for row in [
            "| `image` | string | required | ",
            "| `path` | string | `/mcp` | ",
            "| [`expose`](#specexpose) | object | none | ",
            "| `sessions` | `Stateful`, `Stateless` | `Stateful`, as most servers are | ",
            "\n## spec.expose.ingress.tls\n",
            "\n## status.server\n",
        ] {
            assert!(page.contains(row), "no {row:?}");
        }
        assert!(!page.contains("Default: "), "a default that was not told apart");
        Ok(())
    }
}

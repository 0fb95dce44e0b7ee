//! The `CustomResourceDefinition`, as `landfall crd` prints it and `crds/` holds it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::MCPServer;

/// Text of a schema that is copied from Kubernetes' own types is cut to its first paragraph, and to
/// this many bytes: whole, it would make most of the CRD.
const LONGEST_COPIED_DESCRIPTION: usize = 600;

/// The CRD, with what the derive cannot say added.
pub fn mcpserver_crd() -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut crd = serde_json::to_value(MCPServer::crd())?;
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        shorten_descriptions(schema);
        explain_once(schema);
        // kstatus (Flux, Helm 4, kubectl wait) calls an object without a status done. With a
        // generation that cannot be, a new one counts as in progress until the first report.
        if let Some(status) = schema.pointer_mut("/properties/status").and_then(Value::as_object_mut) {
            status.insert("default".into(), json!({"observedGeneration": -1}));
        }
    }
    serde_json::from_value(crd)
}

/// The CRD as YAML, with a first line that says where it comes from.
pub fn mcpserver_crd_yaml() -> anyhow::Result<String> {
    let mut crd = serde_json::to_value(mcpserver_crd()?)?;
    print_whole_numbers_so(&mut crd);
    let yaml = serde_saphyr::to_string(&crd)?;
    Ok(format!("# Printed by `landfall crd`: change src/api/ and run `make generate`.\n{yaml}"))
}

/// What a dependency says in the same fields as the server is explained at the server's alone: the
/// whole CRD has to fit into one annotation, or `kubectl apply` cannot take it.
fn explain_once(schema: &mut Value) {
    let Some(of_spec) = schema.pointer_mut("/properties/spec/properties").and_then(Value::as_object_mut) else {
        return;
    };
    let names: Vec<_> = of_spec.keys().cloned().collect();
    let fields = of_spec.get_mut("dependencies").and_then(|it| it.pointer_mut("/items/properties"));
    let Some(fields) = fields.and_then(Value::as_object_mut) else { return };
    for (name, field) in fields.iter_mut().filter(|(name, _)| names.contains(name)) {
        let Some(field) = field.as_object_mut() else { continue };
        let description = field.remove("description").and_then(|it| it.as_str().map(str::to_owned));
        let mut rest = Value::Object(std::mem::take(field));
        let had_any = drop_descriptions(&mut rest);
        if let Value::Object(rest) = rest {
            *field = rest;
        }
        let pointer = if had_any { format!(" Its fields are those of spec.{name}.") } else { String::new() };
        field.insert("description".into(), json!(description.unwrap_or_default() + &pointer));
    }
}

/// Whether there were any.
fn drop_descriptions(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            // A property may be called so, too.
            let is_text = map.get("description").is_some_and(Value::is_string);
            let here = is_text && map.remove("description").is_some();
            map.values_mut().fold(here, |found, it| drop_descriptions(it) | found)
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, it| drop_descriptions(it) | found),
        _ => false,
    }
}

/// Bounds are floating-point numbers in the type. The API server stores 1.0 as 1, and whoever
/// compares a file with the cluster should find no difference.
fn print_whole_numbers_so(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(print_whole_numbers_so),
        Value::Array(items) => items.iter_mut().for_each(print_whole_numbers_so),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|_| number.is_f64()).map(|it| format!("{it}"));
            if let Some(whole) = whole.and_then(|text| text.parse::<i64>().ok()) {
                *number = whole.into();
            }
        }
        _ => {}
    }
}

fn shorten_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, child) in map.iter_mut() {
                match child {
                    Value::String(text) if key == "description" => *text = shortened(text),
                    _ => shorten_descriptions(child),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_descriptions),
        _ => {}
    }
}

/// Cut as above, and with the line breaks of the source file taken out: they are no paragraphs.
fn shortened(text: &str) -> String {
    let paragraphs: Vec<_> = text.split("\n\n").map(|text| text.replace('\n', " ")).collect();
    let text = paragraphs.join("\n\n");
    if text.len() <= LONGEST_COPIED_DESCRIPTION {
        return text;
    }
    let paragraph = paragraphs.first().map_or("", String::as_str);
    if paragraph.len() <= LONGEST_COPIED_DESCRIPTION {
        return paragraph.to_owned();
    }
    let cut = paragraph.floor_char_boundary(LONGEST_COPIED_DESCRIPTION);
    match paragraph[..cut].rfind(". ") {
        Some(end) => paragraph[..=end].to_owned(),
        None => format!("{}…", &paragraph[..cut]),
    }
}

//! What the API server checks before it stores an `MCPServer`, without an API server: the schema of the
//! resource and its CEL rules. Pure. The rules themselves are those of the CRD, written once in
//! [`crate::api`]; what neither can express is in [`crate::validate`].

mod schema;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use crate::api::{GROUP, crd};
use crate::validate::Problem;

/// The checks, ready to be run on any number of resources.
pub struct Admission {
    schema: Value,
    rules: CompiledSchema,
    version: String,
}

impl Admission {
    /// Those of the resource as this program knows it.
    pub fn new() -> anyhow::Result<Self> {
        let crd = crd::mcpserver_crd()?;
        let version = crd.spec.versions.into_iter().next();
        let (name, schema) = version.map(|it| (it.name, it.schema)).unwrap_or_default();
        let schema = serde_json::to_value(schema.and_then(|it| it.open_api_v3_schema))?;
        let rules = compile_schema(&schema);
        if let Some(error) = rules.compilation_errors().first() {
            anyhow::bail!("a rule of the resource cannot be run here: {error}");
        }
        Ok(Self { schema, rules, version: format!("{GROUP}/{name}") })
    }

    /// Everything that the API server would refuse in `resource`.
    pub fn check(&self, resource: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if resource["apiVersion"].as_str() != Some(&self.version) {
            let message = format!("only {} is served", self.version);
            problems.push(Problem { field: "apiVersion".into(), message });
        }
        if resource["metadata"]["name"].as_str().is_none_or(str::is_empty) {
            problems.push(Problem { field: "metadata.name".into(), message: "Required value".into() });
        }
        problems.extend(schema::check(&self.schema, resource));
        if problems.is_empty() {
            // As in the API server: a rule may count on the types being right.
            problems.extend(self.broken_rules(resource));
        }
        problems
    }

    fn broken_rules(&self, resource: &Value) -> Vec<Problem> {
        let errors = Validator::new().validate_compiled(&self.rules, &without_nulls(resource), None);
        let errors = errors.err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
        errors.into_iter().map(|it| Problem { field: it.field_path, message: it.message }).collect()
    }
}

/// The API server drops a null where the schema allows one.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, it)| !it.is_null()).map(|(key, it)| (key.clone(), without_nulls(it))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{server_json, smallest, smallest_with};
    use serde_json::json;

    fn problems(more: &Value) -> Vec<String> {
        let admission = Admission::new().expect("the rules can be run");
        let found = admission.check(&server_json(&smallest_with(more)));
        found.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
    }

    #[test]
    fn the_smallest_is_taken() {
        let admission = Admission::new().expect("the rules can be run");
        assert_eq!(admission.check(&server_json(&smallest())), []);
        assert_eq!(problems(&json!({"path": null})), Vec::<String>::new());
    }

    #[test]
    fn rules_of_the_resource_are_run() {
        assert_eq!(
            problems(&json!({"replicas": 2})),
            ["spec: more than one pod needs sessions: Stateless if any pod can answer any request, or else \
              service.sessionAffinity: ClientIP"]
        );
    }

    #[test]
    fn every_problem_of_the_schema_is_named() {
        assert_eq!(
            problems(&json!({"port": "http", "imagee": "x", "env": [{"value": "1"}, {"name": "A", "valu": ""}]})),
            [
                "spec.env[0].name: Required value",
                "spec.env[1].valu: no such field: check its spelling and place",
                "spec.imagee: no such field: check its spelling and place",
                "spec.port: must be of type integer, and is a text",
            ]
        );
    }
}

//! Files of resources, as people keep them: several documents, lists, kinds of all sorts. Pure.
//!
//! What is found in a file stands in for a cluster: its `MCPServer`s are what is asked about, and its
//! Secrets and ConfigMaps are what these may refer to. Of the latter only digests are kept.

use serde_json::Value;
use std::collections::BTreeMap;

use crate::digest;
use crate::references::{Found, Source};

/// One resource of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Which of the file's documents it is, from 1; the items of a list share theirs.
    pub number: usize,
    /// The resource, unread.
    pub value: Value,
}

impl Document {
    /// Its kind, as far as it says one.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// Its name, as far as it says one.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Whether this is an `MCPServer` of ours: others have a resource of that kind, too.
    pub fn is_server(&self) -> bool {
        let group = self.value["apiVersion"].as_str().and_then(|it| it.split_once('/')).map(|it| it.0);
        self.kind() == "MCPServer" && group == Some(crate::api::GROUP)
    }

    fn namespace<'a>(&'a self, default: &'a str) -> &'a str {
        self.value["metadata"]["namespace"].as_str().unwrap_or(default)
    }
}

/// The resources of a text in YAML or JSON, in its order.
pub fn documents(text: &str) -> Result<Vec<Document>, String> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| one_line(&error.to_string()))?;
    let mut found = Vec::new();
    for (at, mut value) in values.into_iter().enumerate() {
        let number = at + 1;
        match value.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => found.extend(items.into_iter().map(|value| Document { number, value })),
            _ if value.is_null() => {}
            _ => found.push(Document { number, value }),
        }
    }
    Ok(found)
}

/// Errors of parsers come with a picture of the place, which may hold a secret of the file.
pub(crate) fn one_line(error: &str) -> String {
    error.lines().next().unwrap_or_default().trim().to_owned()
}

/// The Secrets and ConfigMaps of files.
#[derive(Clone, Debug, Default)]
pub struct Objects(BTreeMap<(Source, String, String), Found>);

impl Objects {
    /// Those among `documents`; `namespace` is that of documents which name none.
    pub fn among<'a>(documents: impl IntoIterator<Item = &'a Document>, namespace: &str) -> Self {
        let found = documents.into_iter().filter_map(|it| {
            let source = [Source::Secret, Source::ConfigMap].into_iter().find(|source| source.kind() == it.kind())?;
            let fields =
                ["data", "stringData", "binaryData"].into_iter().filter_map(|field| it.value[field].as_object());
            let digests = fields.flatten().map(|(key, value)| {
                let text = value.as_str().unwrap_or_default();
                (key.clone(), digest::of(text.as_bytes()).finish())
            });
            let key = (source, it.namespace(namespace).to_owned(), it.name().to_owned());
            Some((key, Found::Present(digests.collect())))
        });
        Self(found.collect())
    }

    /// What is known of an object: one that the files do not hold may exist in the cluster.
    pub fn look_up(&self, source: Source, namespace: &str, name: &str) -> Found {
        let key = (source, namespace.to_owned(), name.to_owned());
        self.0.get(&key).cloned().unwrap_or(Found::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_told_apart() {
        let text = "kind: A\n---\n# nothing\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
        let found = documents(text).expect("readable");
        let kinds: Vec<_> = found.iter().map(|it| it.kind().to_owned()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        assert_eq!(found[1].number, found[2].number);
    }

    #[test]
    fn json_is_read_too_and_nonsense_is_an_error_of_one_line() {
        assert_eq!(documents("{\"kind\": \"A\"}").expect("readable").len(), 1);
        let error = documents("stringData: {password: hunter2\n").expect_err("no YAML");
        assert!(!error.contains('\n') && !error.contains("hunter2") && !error.is_empty(), "{error}");
    }

    #[test]
    fn objects_are_known_by_their_keys() {
        let text = "kind: Secret\nmetadata: {name: keys, namespace: a}\nstringData: {token: t}\n";
        let objects = Objects::among(&documents(text).expect("readable"), "b");
        let Found::Present(keys) = objects.look_up(Source::Secret, "a", "keys") else { panic!("it is there") };
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["token"]);
        assert_eq!(objects.look_up(Source::Secret, "b", "keys"), Found::Unknown);
    }
}

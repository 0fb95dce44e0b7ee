//! Names and labels that Kubernetes would refuse.

use std::collections::BTreeMap;
use std::fmt;

use super::{Problem, Problems};

/// A `StatefulSet` adds eleven letters to its name for a label of its pods.
const LONGEST_WORKLOAD: usize = 52;

/// Name of a server that can also be the name of its Service, and a label's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName(String);

impl ServerName {
    pub(super) fn parse(name: &str) -> Result<Self, Problem> {
        let ends_well = name.ends_with(|end: char| end.is_ascii_lowercase() || end.is_ascii_digit());
        let starts_well = name.starts_with(|start: char| start.is_ascii_lowercase());
        let inner = name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        if starts_well && ends_well && inner && name.len() <= 63 {
            return Ok(Self(name.to_owned()));
        }
        Err(Problem {
            field: "metadata.name".into(),
            message: format!(
                "\"{name}\" becomes the name of a Service: use at most 63 lower-case letters, digits and '-', \
                 starting with a letter and ending with a letter or digit"
            ),
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stands for a name that was refused, while the rest of the spec is checked.
impl Default for ServerName {
    fn default() -> Self {
        Self("server".into())
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a server that has pods of its own: the server itself, or one of its dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    server: ServerName,
    dependency: Option<String>,
}

impl PartName {
    /// What the server itself is called where its parts are told apart; no dependency may have this
    /// name.
    pub const SERVER: &str = "server";

    pub(super) fn server_itself(server: &ServerName) -> Self {
        Self { server: server.clone(), dependency: None }
    }

    /// Checks that everything that is called after it can have its name.
    pub(super) fn dependency(server: &ServerName, name: &str) -> Result<Self, Problem> {
        let problem = |message| Err(Problem { field: "spec.name".into(), message });
        if !is_dns_label(name) || !name.starts_with(|it: char| it.is_ascii_lowercase()) {
            return problem(format!(
                "\"{name}\" is no name of a dependency: use lower-case letters, digits and '-', starting with a letter \
                 and ending with a letter or digit"
            ));
        }
        if name == Self::SERVER || name.ends_with("-headless") {
            return problem(format!("\"{name}\" is a name that Landfall uses itself: choose another"));
        }
        let part = Self { server: server.clone(), dependency: Some(name.to_owned()) };
        let length = part.to_string().len();
        if length > LONGEST_WORKLOAD {
            return problem(format!(
                "its objects would be called \"{part}\", which is {length} letters long and may be {LONGEST_WORKLOAD}: \
                 shorten it, or the server's name"
            ));
        }
        Ok(part)
    }

    /// The server that this is a part of.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// What it is within the server.
    pub fn component(&self) -> &str {
        self.dependency.as_deref().unwrap_or(Self::SERVER)
    }

    /// Name of the `ConfigMap` with its files.
    pub fn files(&self) -> String {
        format!("{self}-files")
    }

    /// Name of its claim on storage.
    pub fn storage(&self) -> String {
        format!("{self}-storage")
    }

    /// Name of the Service that a `StatefulSet` needs.
    pub fn headless(&self) -> String {
        format!("{self}-headless")
    }

    /// Name of the Secret with its generated credentials. Those that go with data and those that do
    /// not are two Secrets, since their lives differ.
    pub fn credentials(&self, with_data: bool) -> String {
        if with_data { format!("{self}-credentials") } else { format!("{self}-password") }
    }
}

/// The name of its workload and its Service.
impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dependency {
            None => write!(f, "{}", self.server),
            Some(dependency) => write!(f, "{}-{dependency}", self.server),
        }
    }
}

/// Notes every label that the API server would refuse.
pub(super) fn check_labels(field: &str, labels: &BTreeMap<String, String>, problems: &mut Problems) {
    for (key, value) in labels {
        check_key(field, key, problems);
        if !is_label_value(value) {
            problems.add(
                format!("{field}[{key}]"),
                format!(
                    "\"{value}\" is no label value: use at most 63 letters, digits, '-', '_' and '.', \
                     starting and ending with a letter or digit"
                ),
            );
        }
    }
}

/// Notes every annotation that the API server would refuse.
pub(super) fn check_annotations(field: &str, annotations: &BTreeMap<String, String>, problems: &mut Problems) {
    for key in annotations.keys() {
        check_key(field, key, problems);
    }
}

fn check_key(field: &str, key: &str, problems: &mut Problems) {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(is_dns_subdomain);
    if !prefix_fits || name.is_empty() || !is_label_value(name) {
        problems.add(
            field,
            format!(
                "\"{key}\" is no valid key: use a name of at most 63 letters, digits, '-', '_' and '.', \
                 optionally after a DNS name and '/'"
            ),
        );
    }
}

fn is_label_value(value: &str) -> bool {
    let ends = |it: char| it.is_ascii_alphanumeric();
    value.is_empty()
        || (value.len() <= 63
            && value.starts_with(ends)
            && value.ends_with(ends)
            && value.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it)))
}

/// Most characters of an object's name.
pub(super) const LONGEST: usize = 253;

/// Whether a role can have this name: roles are freer than most. It becomes part of a URL as it is, so
/// what ends a path there, or stands in none, is left out.
pub(super) fn is_path_segment(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&it);
    (1..=160).contains(&name.len()) && !matches!(name, "." | "..") && name.bytes().all(fits)
}

/// Notes a name that is no DNS label, as those of volumes and containers have to be.
pub(super) fn check_dns_label(field: &str, name: &str, problems: &mut Problems) {
    if name.len() > 63 || !is_dns_label(name) {
        problems.add(
            field,
            format!(
                "\"{name}\" is no such name: use at most 63 lower-case letters, digits and '-', \
                 starting and ending with a letter or digit"
            ),
        );
    }
}

pub(super) fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let ends = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    label.starts_with(ends)
        && label.ends_with(ends)
        && label.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
}

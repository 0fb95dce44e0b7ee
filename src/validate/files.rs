//! Files that are mounted into the server's container.

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, SecretKeySelector};

use super::mounts::Mounts;
use super::variables::{self, Variables};
use super::{Problems, expansion};
use crate::api::{File, MCPServerSpec};
use crate::build::FILES_VOLUME;
use crate::digest::Sha256;
use crate::references::{References, Source};

/// Kubernetes takes no larger `ConfigMap`; a little of it is for names.
const LARGEST_CONFIG_MAP: usize = 1_000_000;

/// A file, and the volume that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFile {
    pub volume: String,
    pub path: String,
    pub source: FileSource,
}

/// Where a file's text is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum FileSource {
    /// In the `ConfigMap` that is made for this server, under `key`.
    Content { key: String, text: String },
    /// In a `ConfigMap` of the user.
    ConfigMap(ConfigMapKeySelector),
    /// In a Secret of the user.
    Secret(SecretKeySelector),
}

/// The files to mount. An optional one that does not exist is left out: kubelet would put an empty
/// directory in its place.
pub(super) fn plan(
    spec: &MCPServerSpec,
    variables: &Variables,
    references: &References,
    mounts: &mut Mounts,
    problems: &mut Problems,
) -> Vec<PlannedFile> {
    let mut files = Vec::new();
    for (at, file) in spec.files.iter().enumerate() {
        let field = format!("spec.files[{at}]");
        mounts.file(&format!("{field}.path"), &file.path, problems);
        let Some(source) = source(at, file, variables, problems) else { continue };
        if source.is_left_out(references) {
            continue;
        }
        let volume = match source {
            FileSource::Content { .. } => FILES_VOLUME.to_owned(),
            FileSource::ConfigMap(_) | FileSource::Secret(_) => {
                let volume = format!("file-{at}");
                mounts.volume(&field, &volume, problems);
                volume
            }
        };
        files.push(PlannedFile { volume, path: file.path.clone(), source });
    }
    let contents: Vec<_> = files.iter().filter_map(PlannedFile::content).collect();
    if !contents.is_empty() {
        mounts.volume("spec.files", FILES_VOLUME, problems);
    }
    let size: usize = contents.iter().map(|(key, text)| key.len() + text.len()).sum();
    if size > LARGEST_CONFIG_MAP {
        problems.add(
            "spec.files",
            format!("the contents have {size} bytes in all, and a ConfigMap holds {LARGEST_CONFIG_MAP}: move some into ConfigMaps of your own and refer to them"),
        );
    }
    files
}

fn source(at: usize, file: &File, variables: &Variables, problems: &mut Problems) -> Option<FileSource> {
    match (&file.content, &file.config_map_key_ref, &file.secret_key_ref) {
        (Some(text), None, None) => {
            check_content(at, text, variables, problems);
            let text = written(text, variables);
            Some(FileSource::Content { key: format!("file-{at}"), text })
        }
        (None, Some(key), None) => Some(FileSource::ConfigMap(key.clone())),
        (None, None, Some(key)) => Some(FileSource::Secret(key.clone())),
        _ => {
            problems.add(
                format!("spec.files[{at}]"),
                "a file has one source: give one of content, configMapKeyRef and secretKeyRef",
            );
            None
        }
    }
}

fn check_content(at: usize, text: &str, variables: &Variables, problems: &mut Problems) {
    for name in variables::references(text).filter(|name| variables.known(name).is_none()) {
        let message = if variables.get(name).is_some() {
            format!(
                "\"$({name})\" is made of a Secret, and the text of a file is kept in a ConfigMap: use it in env or args, \
                 or keep the file in a Secret of your own and name that in secretKeyRef"
            )
        } else {
            format!(
                "\"$({name})\" names no variable: a file can use {}, or write \"$$({name})\" for the text itself",
                variables.known_names()
            )
        };
        problems.add(format!("spec.files[{at}].content"), message);
    }
}

/// The text with values in place of the operator's variables. Of escapes only `$$(` is one here:
/// files of other kinds are full of `$$` that mean something else.
fn written(text: &str, variables: &Variables) -> String {
    expansion::expanded(text, |name| variables.known(name)).replace("$$(", "$(")
}

impl FileSource {
    fn is_left_out(&self, references: &References) -> bool {
        match self {
            Self::Content { .. } => false,
            Self::ConfigMap(it) => {
                it.optional == Some(true) && references.lacks(Source::ConfigMap, &it.name, Some(&it.key))
            }
            Self::Secret(it) => it.optional == Some(true) && references.lacks(Source::Secret, &it.name, Some(&it.key)),
        }
    }
}

impl PlannedFile {
    /// Key and text of a file whose text stands in the spec.
    pub fn content(&self) -> Option<(&str, &str)> {
        match &self.source {
            FileSource::Content { key, text } => Some((key, text)),
            FileSource::ConfigMap(_) | FileSource::Secret(_) => None,
        }
    }

    /// Changes with every text of `files`; `None` without any. A file that is mounted alone does not
    /// follow its `ConfigMap`, so pods have to be made anew.
    pub(super) fn hash_of(files: &[Self]) -> Option<String> {
        let mut contents = files.iter().filter_map(Self::content).peekable();
        contents.peek()?;
        let mut hash = Sha256::default();
        for (key, text) in contents {
            hash.add(key.as_bytes());
            hash.add(text.as_bytes());
        }
        Some(hash.text())
    }
}

//! What is mounted where in the server's container: no two things at one place, and no file within
//! another mount or around one.

use std::collections::BTreeMap;

use super::Problems;

/// Mount points and volumes that are taken so far, each with the field that takes it.
#[derive(Default)]
pub(super) struct Mounts {
    places: Vec<Place>,
    volumes: BTreeMap<String, String>,
}

struct Place {
    field: String,
    path: String,
    is_file: bool,
}

impl Mounts {
    /// Something with files of its own is mounted at `path`.
    pub(super) fn directory(&mut self, field: &str, path: &str, problems: &mut Problems) {
        self.claim(field, path, false, problems);
    }

    /// A single file is mounted at `path`.
    pub(super) fn file(&mut self, field: &str, path: &str, problems: &mut Problems) {
        self.claim(field, path, true, problems);
    }

    /// A volume of this name is part of the pod.
    pub(super) fn volume(&mut self, field: &str, name: &str, problems: &mut Problems) {
        if let Some(by) = self.volumes.get(name) {
            problems.add(field, format!("a volume \"{name}\" is made for {by}: choose another name"));
        } else {
            self.volumes.insert(name.into(), field.into());
        }
    }

    /// Names of the volumes that there are.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        self.volumes.keys().map(String::as_str)
    }

    fn claim(&mut self, field: &str, path: &str, is_file: bool, problems: &mut Problems) {
        if !is_mount_path(path) {
            problems.add(
                field,
                format!("\"{path}\" is no mount path: write an absolute one other than '/', without ':' or '..'"),
            );
            return;
        }
        let place = Place { field: field.into(), path: cleaned(path), is_file };
        if let Some(problem) = self.places.iter().find_map(|other| place.clash(other)) {
            problems.add(field, problem);
        }
        self.places.push(place);
    }
}

impl Place {
    fn clash(&self, other: &Self) -> Option<String> {
        let Self { path, .. } = self;
        let (theirs, by) = (&other.path, &other.field);
        if path == theirs {
            return Some(format!("\"{path}\" is taken by {by}: mount each at a path of its own"));
        }
        let is_within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|it| it.starts_with('/'));
        if (self.is_file || other.is_file) && (is_within(path, theirs) || is_within(theirs, path)) {
            return Some(format!(
                "\"{path}\" and \"{theirs}\" of {by} are one within the other: a file needs a path outside of all mounts"
            ));
        }
        None
    }
}

/// The same rule as [`crate::api`] has for the API server.
fn is_mount_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains([':', '\0'])
        && path.split('/').all(|it| it != "..")
        && !cleaned(path).is_empty()
}

/// Without what makes two ways to write one path.
fn cleaned(path: &str) -> String {
    path.split('/').filter(|it| !matches!(*it, "" | ".")).fold(String::new(), |path, it| path + "/" + it)
}

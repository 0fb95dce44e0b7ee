//! Which dependency depends on which.

use std::collections::BTreeSet;

use super::super::Problems;
use super::path;
use crate::api::Dependency;

/// Notes names that are given twice, and those in `dependsOn` that lead nowhere or in a circle.
pub(super) fn check(all: &[Dependency], problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for dependency in all {
        if !names.insert(dependency.name.as_str()) {
            problems
                .add(format!("{}.name", path(dependency)), "is given twice: each dependency needs a name of its own");
        }
    }
    for dependency in all {
        for (at, other) in dependency.depends_on.iter().enumerate() {
            if !names.contains(other.as_str()) {
                let known = names.iter().copied().filter(|it| *it != dependency.name).collect::<Vec<_>>().join(", ");
                let known =
                    if known.is_empty() { "there is no other".to_owned() } else { format!("use one of {known}") };
                problems.add(
                    format!("{}.dependsOn[{at}]", path(dependency)),
                    format!("there is no dependency \"{other}\": {known}"),
                );
            }
        }
    }
    if let Some(circle) = circle(all) {
        let names = circle.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(" -> ");
        let first = circle.first().map_or("spec.dependencies".into(), |it| path(it));
        problems.add(format!("{first}.dependsOn"), format!("{names} wait for each other: break the circle"));
    }
}

/// One circle, from a dependency back to itself.
fn circle(all: &[Dependency]) -> Option<Vec<&Dependency>> {
    let mut done = BTreeSet::new();
    all.iter().find_map(|start| follow(start, all, &mut Vec::new(), &mut done))
}

fn follow<'a>(
    at: &'a Dependency,
    all: &'a [Dependency],
    way: &mut Vec<&'a Dependency>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a Dependency>> {
    if let Some(first) = way.iter().position(|it| it.name == at.name) {
        return Some(way[first..].iter().copied().chain([at]).collect());
    }
    if !done.insert(&at.name) {
        return None;
    }
    way.push(at);
    let next = at.depends_on.iter().filter_map(|name| all.iter().find(|it| it.name == *name));
    let found = next.into_iter().find_map(|next| follow(next, all, way, done));
    way.pop();
    found
}

//! `server.json` of the MCP registry, schema 2025-12-11, alone or as the registry's API gives it.

use serde_json::Value;

use super::draft::{Draft, text};
use super::{Outcome, Refusal, docker, known, package, transport};

/// Whether this is one.
pub(super) fn is(document: &Value) -> bool {
    let server = inner(document);
    server["name"].is_string() && (server["packages"].is_array() || server["remotes"].is_array())
}

fn inner(document: &Value) -> &Value {
    if document["server"].is_object() { &document["server"] } else { document }
}

pub(super) fn import(document: &Value) -> Outcome {
    let server = inner(document);
    let name = server["name"].as_str().unwrap_or_default();
    let packages: Vec<_> = server["packages"].as_array().into_iter().flatten().collect();
    let mut refusals = Vec::new();
    let mut by_wish = packages.clone();
    by_wish.sort_by_key(|it| rank(it));
    for package in by_wish {
        let mut draft = Draft::new(name);
        match carry(&mut draft, package) {
            Ok(()) => {
                if packages.len() > 1 {
                    draft.note(format!("of {} packages, this is the one of {}", packages.len(), kind(package)));
                }
                return draft.finish();
            }
            Err(why) => refusals.push(why),
        }
    }
    refusals.dedup();
    let why = match (refusals.is_empty(), server["remotes"].as_array().is_some_and(|it| !it.is_empty())) {
        (true, true) => {
            "it is served elsewhere already: there is nothing to run, clients use the URL under remotes".into()
        }
        (true, false) => "it names no package and no remote".into(),
        (false, _) => refusals.join("; "),
    };
    Outcome::Refused { name: name.to_owned(), why }
}

fn kind(package: &Value) -> &str {
    let kind = package["registryType"].as_str().or_else(|| package["registry_type"].as_str());
    kind.or_else(|| package["registry_name"].as_str()).unwrap_or_default()
}

fn speaks(package: &Value) -> &str {
    let transport = &package["transport"];
    transport["type"].as_str().or_else(|| transport.as_str()).unwrap_or("stdio")
}

/// An image is nearer to what runs than a package, and streamable HTTP nearer than stdio.
fn rank(package: &Value) -> u8 {
    let by_kind = match kind(package) {
        "oci" | "docker" => 0,
        "npm" => 1,
        "pypi" => 2,
        _ => 3,
    };
    by_kind + if speaks(package) == "streamable-http" { 0 } else { 10 }
}

fn carry(draft: &mut Draft, package: &Value) -> Result<(), Refusal> {
    let identifier = package["identifier"].as_str().or_else(|| package["name"].as_str()).unwrap_or_default();
    let version = package["version"].as_str().filter(|it| !it.is_empty());
    match (kind(package), speaks(package)) {
        (_, "sse") => return Err(format!("{identifier}: it speaks SSE, and only streamable HTTP can be shared")),
        ("oci" | "docker" | "npm" | "pypi", "stdio")
            if known::find(docker::repository(identifier)).is_none() && known::find(identifier).is_none() =>
        {
            return Err(format!(
                "{identifier}: it speaks stdio, which cannot be shared, and nothing is known of how it is made to speak \
                                streamable HTTP: look for a package with the transport streamable-http"
            ));
        }
        _ => {}
    }
    for variable in package["environmentVariables"].as_array().into_iter().flatten() {
        input(draft, variable);
    }
    let args = arguments(draft, &package["packageArguments"]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    if package["runtimeArguments"].as_array().is_some_and(|it| !it.is_empty()) {
        draft.note("runtimeArguments: not carried over, they are for a container engine or a package runner");
    }
    let port = port(package);
    let none = std::collections::BTreeMap::new();
    match kind(package) {
        "oci" | "docker" => {
            let has_version = identifier.contains('@') || docker::repository(identifier) != identifier;
            let image = match version {
                Some(version) if !has_version => format!("{identifier}:{version}"),
                _ => identifier.to_owned(),
            };
            draft.image(&image)?;
            draft.spec.args = args.iter().map(|it| (*it).to_owned()).collect();
            transport::settle(draft, docker::repository(identifier), port)?;
        }
        "npm" => {
            let spec = version.map_or_else(|| identifier.to_owned(), |version| format!("{identifier}@{version}"));
            package::npm(draft, &words(&spec, &args), &none, port)?;
        }
        "pypi" => {
            let spec = version.map_or_else(|| identifier.to_owned(), |version| format!("{identifier}@{version}"));
            package::pypi(draft, &words(&spec, &args), &none, port)?;
        }
        other => {
            return Err(format!(
                "{identifier}: a package of \"{other}\" cannot be run here: it takes an image, or a package of npm or PyPI"
            ));
        }
    }
    if let Some(path) = path(package).filter(|_| known::find(docker::repository(identifier)).is_none()) {
        draft.spec.path = Some(path);
        draft.notes.retain(|it| !it.starts_with("path: ") && !it.starts_with("port: taken"));
    }
    Ok(())
}

fn words<'a>(first: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(first).chain(args.iter().copied()).collect()
}

/// A variable. What is required and has no value is for a person to give.
fn input(draft: &mut Draft, variable: &Value) {
    let Some(name) = variable["name"].as_str() else { return };
    let value = text(&variable["value"]).or_else(|| text(&variable["default"])).filter(|it| !it.contains('{'));
    match value {
        _ if variable["isSecret"] == true && variable["isRequired"] != true => {
            draft.note(format!(
                "env {name}: may be given, and is a secret; an empty one is left out by removing it here"
            ));
            draft.ask(name);
        }
        _ if variable["isSecret"] == true => draft.ask(name),
        Some(value) => draft.variable(name, &value),
        None if variable["isRequired"] == true => {
            draft.note(format!(
                "env {name}: is required, and its value is in the Secret to make, though it is said to be none"
            ));
            draft.ask(name);
        }
        None => draft.note(format!("env {name}: may be given; left out")),
    }
}

/// Arguments with a value. Those that a person would have to give become variables.
fn arguments(draft: &mut Draft, list: &Value) -> Vec<String> {
    let mut args = Vec::new();
    for argument in list.as_array().into_iter().flatten() {
        let name = argument["name"].as_str().unwrap_or_default();
        let hint = argument["valueHint"].as_str().unwrap_or(name);
        let value = text(&argument["value"]).or_else(|| text(&argument["default"])).filter(|it| !it.contains('{'));
        let is_named = argument["type"] == "named";
        match value {
            Some(value) if argument["isSecret"] != true => {
                let words = if is_named { vec![name, value.as_str()] } else { vec![value.as_str()] };
                args.extend(draft.arguments(words));
            }
            _ if argument["isRequired"] == true => {
                let variable = super::secret::words(hint);
                draft.ask(&variable);
                args.extend(is_named.then(|| name.to_owned()));
                args.push(format!("$({variable})"));
            }
            _ if is_named && argument["format"] == "boolean" => args.push(name.to_owned()),
            _ => draft.note(format!("argument {hint}: may be given; left out")),
        }
    }
    args
}

/// The port in the URL of the transport; a variable in its place is looked up.
fn port(package: &Value) -> Option<i32> {
    let url = package["transport"]["url"].as_str()?;
    let authority = url.split_once("://")?.1.split('/').next()?;
    let port = authority.rsplit_once(':')?.1;
    let Some(variable) = port.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else { return port.parse().ok() };
    let transport = &package["transport"]["variables"][variable];
    let lists = ["environmentVariables", "packageArguments", "runtimeArguments"];
    let given = lists.iter().flat_map(|it| package[*it].as_array().into_iter().flatten());
    let same = |it: &&Value| {
        let names = [it["name"].as_str(), it["valueHint"].as_str()];
        names.into_iter().flatten().any(|it| it.trim_start_matches('-').eq_ignore_ascii_case(variable))
    };
    let value = |it: &Value| text(&it["value"]).or_else(|| text(&it["default"]))?.parse().ok();
    value(transport).or_else(|| given.into_iter().find(same).and_then(value))
}

fn path(package: &Value) -> Option<String> {
    let url = package["transport"]["url"].as_str()?;
    let rest = url.split_once("://")?.1;
    let path = &rest[rest.find('/')?..];
    (!path.contains(['{', '?', '#']) && path != "/mcp")
        .then(|| path.to_owned())
        .or_else(|| (path == "/mcp").then(|| "/mcp".into()))
}

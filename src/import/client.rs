//! Configurations of clients: Claude Code and Desktop, Cursor, Windsurf, Cline (`mcpServers`), VS Code
//! (`servers` with `inputs`), Zed (`context_servers`).

use serde_json::Value;
use std::collections::BTreeMap;

use super::draft::{Draft, map, text};
use super::launch::{self, Launch};
use super::{Input, Outcome, Refusal};

/// Where clients keep their servers.
const PLACES: [&str; 5] = ["/mcpServers", "/servers", "/mcp/servers", "/mcp/mcpServers", "/context_servers"];

/// Fields of an entry that have a meaning here, or none in a cluster.
const CARRIED: [&str; 20] = [
    "command",
    "args",
    "env",
    "envFile",
    "type",
    "transport",
    "url",
    "serverUrl",
    "httpUrl",
    "headers",
    "disabled",
    "enabled",
    "autoApprove",
    "alwaysAllow",
    "timeout",
    "description",
    "name",
    "source",
    "settings",
    "trust",
];

/// Whether this is such a configuration.
pub(super) fn is(document: &Value) -> bool {
    servers(document).is_some()
}

fn servers(document: &Value) -> Option<&Value> {
    PLACES.iter().filter_map(|it| document.pointer(it)).find(|it| it.is_object())
}

pub(super) fn import(document: &Value, input: &Input<'_>) -> Vec<Outcome> {
    let Some(servers) = servers(document).and_then(Value::as_object) else { return Vec::new() };
    let outcomes = servers.iter().map(|(name, entry)| match server(name, entry, input) {
        Ok(draft) => draft.finish(),
        Err(why) => Outcome::Refused { name: name.clone(), why },
    });
    outcomes.collect()
}

fn server(name: &str, entry: &Value, input: &Input<'_>) -> Result<Draft, Refusal> {
    let mut draft = Draft::new(name);
    // Zed once had the command line in an object of its own.
    let nested = entry["command"].as_object().map(|_| &entry["command"]);
    let start = nested.unwrap_or(entry);
    let command = start[if nested.is_some() { "path" } else { "command" }].as_str();
    if let Some(url) =
        ["url", "serverUrl", "httpUrl"].iter().find_map(|it| entry[*it].as_str()).filter(|_| command.is_none())
    {
        return Err(elsewhere(entry, url));
    }
    let Some(command) = command else { return Err("it has neither a command nor a URL".into()) };
    if entry["disabled"] == true || entry["enabled"] == false {
        draft.note("it is turned off in the client");
    }
    if !entry["envFile"].is_null() {
        draft.note("envFile: not read; make a Secret of the file, and name it under spec.envFrom");
    }
    let args = match &start["args"] {
        Value::Null => Vec::new(),
        Value::Array(args) => args.iter().filter_map(Value::as_str).collect(),
        _ => return Err("args is no list".into()),
    };
    let env: BTreeMap<_, _> =
        map(start, "env").filter_map(|(name, value)| Some((name.as_str(), text(value)?))).collect();
    if !start["env"].is_null() && !start["env"].is_object() {
        return Err("env is no map of names and values".into());
    }
    launch::carry(&mut draft, &Launch { command, args, env }, input)?;
    draft.leave("", entry, &CARRIED);
    Ok(draft)
}

/// A server that is run already.
fn elsewhere(entry: &Value, url: &str) -> String {
    // What follows may be a key.
    let place = url.split(['?', '#']).next().unwrap_or_default();
    let place = place.split_once("://").map_or(place, |(_, rest)| rest);
    let place = place.rsplit('@').next().unwrap_or_default().split('/').next().unwrap_or_default();
    let speaks_sse =
        entry["type"] == "sse" || entry["transport"] == "sse" || url.trim_end_matches('/').ends_with("/sse");
    if speaks_sse {
        format!(
            "it is served at {place} already, by SSE: there is nothing to run, and its operator should turn streamable HTTP on"
        )
    } else {
        format!("it is served at {place} already: there is nothing to run, clients go on using its URL")
    }
}

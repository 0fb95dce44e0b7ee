//! The form of the MCP registry's API, `ServerList` and `ServerResponse` of 2025-12-01, for servers that are ready.

use kube::ResourceExt;
use serde_json::{Value, json};
use std::sync::Arc;

use super::Entry;
use super::query::{Page, Query};
use crate::connect::Header;
use crate::text;

const SCHEMA: &str = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

/// Longest description and title that the schema takes, less the sign that something was cut off.
const LONGEST: usize = 99;

/// Longest version that it takes, likewise.
const LONGEST_VERSION: usize = 254;

/// Stands for the newest version, whatever it is.
const LATEST: &str = "latest";

/// All servers that are ready.
pub fn whole(entries: &[Arc<Entry>]) -> Value {
    let entries = entries.iter().filter(|it| it.is_ready()).cloned().collect();
    list(&Page { entries, next: None })
}

/// The page that is asked for.
pub(super) fn servers(entries: &[Arc<Entry>], query: &Query) -> Value {
    let is_asked_for =
        |it: &&Arc<Entry>| it.is_ready() && query.version.as_ref().is_none_or(|version| has(it, version));
    list(&query.page(entries.iter().filter(is_asked_for).cloned()))
}

/// All versions of one server, which are one.
pub(super) fn versions(entries: &[Arc<Entry>], name: &str) -> Option<Value> {
    let found = find(entries, name)?;
    Some(list(&Page { entries: vec![Arc::clone(found)], next: None }))
}

/// One version of one server.
pub(super) fn server(entries: &[Arc<Entry>], name: &str, version: &str) -> Option<Value> {
    find(entries, name).filter(|it| has(it, version)).map(|it| response(it))
}

fn find<'a>(entries: &'a [Arc<Entry>], name: &str) -> Option<&'a Arc<Entry>> {
    entries.iter().find(|it| it.is_ready() && it.name() == name)
}

fn has(entry: &Entry, wanted: &str) -> bool {
    wanted == LATEST || version(entry) == wanted
}

fn list(page: &Page) -> Value {
    let servers: Vec<_> = page.entries.iter().map(|it| response(it)).collect();
    let mut metadata = json!({"count": servers.len()});
    if let Some(next) = &page.next {
        metadata["nextCursor"] = json!(next);
    }
    json!({"servers": servers, "metadata": metadata})
}

fn response(entry: &Entry) -> Value {
    let mut server = json!({
        "$schema": SCHEMA,
        "name": entry.name(),
        "description": description(entry),
        "version": version(entry),
        "remotes": entry.connection.iter().map(|it| remote(&it.url, &it.headers)).collect::<Vec<_>>(),
    });
    if let Some(title) = entry.title() {
        server["title"] = json!(text::clean(&title, LONGEST));
    }
    let mut official = json!({"status": "active", "isLatest": true});
    if let Some(created) = &entry.metadata.creation_timestamp {
        official["publishedAt"] = json!(created);
    }
    if let Some(since) = entry.since {
        official["updatedAt"] = json!(since.to_string());
    }
    json!({"server": server, "_meta": {"io.modelcontextprotocol.registry/official": official}})
}

fn description(entry: &Entry) -> String {
    let tools = entry.tools().map(|it| format!(", with {it}")).unwrap_or_default();
    let namespace = entry.namespace().unwrap_or_default();
    text::clean(&format!("MCP server of the namespace {namespace}{tools}"), LONGEST)
}

/// What the server says, where that can stand for a version; else one that changes with the spec.
fn version(entry: &Entry) -> String {
    let said = text::clean(entry.said.version.as_deref().unwrap_or_default(), LONGEST_VERSION);
    let is_range = said.contains(['^', '~', '>', '<', '=', '*', '|', ' ']);
    if said.is_empty() || said == LATEST || is_range { format!("0.0.0-generation.{}", entry.generation) } else { said }
}

/// Braces in it would stand for variables.
fn remote(url: &str, headers: &[Header]) -> Value {
    let url = url.replace('{', "%7B").replace('}', "%7D");
    let mut remote = json!({"type": "streamable-http", "url": url});
    if !headers.is_empty() {
        remote["headers"] = headers.iter().map(header).collect();
    }
    remote
}

fn header(it: &Header) -> Value {
    if it.prefix.is_empty() {
        return json!({"name": it.name, "isRequired": true, "isSecret": true});
    }
    let variables = json!({"token": {"isRequired": true, "isSecret": true}});
    json!({"name": it.name, "value": format!("{}{{token}}", it.prefix), "isRequired": true, "isSecret": true, "variables": variables})
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{entry, ready};
    use super::*;

    fn one(status: &Value) -> Value {
        whole(&[Arc::new(entry("team/echo", status))])
    }

    #[test]
    fn a_ready_server_has_the_form_of_the_registry() {
        assert_eq!(
            one(&ready()),
            json!({
                "servers": [{
                    "server": {
                        "$schema": SCHEMA,
                        "name": "team/echo",
                        "title": "echo-server",
                        "description": "MCP server of the namespace team, with 2 tools",
                        "version": "0.1.0",
                        "remotes": [{"type": "streamable-http", "url": "https://echo.example.com/mcp"}],
                    },
                    "_meta": {"io.modelcontextprotocol.registry/official": {
                        "status": "active", "isLatest": true,
                        "publishedAt": "2025-12-31T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
                    }},
                }],
                "metadata": {"count": 1},
            })
        );
    }

    #[test]
    fn what_a_client_cannot_use_is_left_out() {
        let mut status = ready();
        status["conditions"][0]["status"] = json!("False");
        assert_eq!(one(&status), json!({"servers": [], "metadata": {"count": 0}}));
        for url in [json!(null), json!("javascript:alert(1)"), json!("ftp://a/mcp")] {
            let mut status = ready();
            status["url"] = url;
            assert_eq!(one(&status)["metadata"]["count"], 0);
        }
    }

    #[test]
    fn credentials_are_asked_for_and_braces_are_no_variables() {
        let mut status = ready();
        status["server"]["authRequired"] = json!(true);
        status["url"] = json!("https://a/{token}");
        assert_eq!(
            one(&status)["servers"][0]["server"]["remotes"][0],
            json!({
                "type": "streamable-http",
                "url": "https://a/%7Btoken%7D",
                "headers": [{
                    "name": "Authorization", "value": "Bearer {token}", "isRequired": true, "isSecret": true,
                    "variables": {"token": {"isRequired": true, "isSecret": true}},
                }],
            })
        );
    }

    #[test]
    fn whatever_a_server_says_fits_the_schema() {
        for (said, version) in
            [("", "0.0.0-generation.3"), ("latest", "0.0.0-generation.3"), ("^1", "0.0.0-generation.3"), ("v2", "v2")]
        {
            let mut status = ready();
            status["server"]["version"] = json!(said);
            status["server"]["name"] = json!("n".repeat(1000));
            let listed = one(&status);
            let server = &listed["servers"][0]["server"];
            assert_eq!(server["version"], version, "{said:?}");
            for field in ["title", "description"] {
                assert!(server[field].as_str().is_some_and(|it| it.chars().count() <= 100), "{server}");
            }
        }
    }

    #[test]
    fn one_server_has_one_version() {
        let entries = [Arc::new(entry("team/echo", &ready()))];
        assert!(server(&entries, "team/echo", "latest").is_some());
        assert!(server(&entries, "team/echo", "0.1.0").is_some());
        assert!(server(&entries, "team/echo", "0.2.0").is_none());
        assert!(server(&entries, "team/other", "latest").is_none());
        assert_eq!(versions(&entries, "team/echo").expect("a list")["metadata"]["count"], 1);
        let count = |query| servers(&entries, &Query::of(query).expect("a query"))["metadata"]["count"].clone();
        assert_eq!([count("version=latest"), count("version=0.1.0"), count("version=9")], [1, 1, 0]);
    }
}

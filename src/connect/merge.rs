//! Puts a server into the text of a client's configuration. All else stays as it is, to the letter: other
//! servers, settings, comments, indentation.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Client, Connection};

/// What has become of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It has the server already.
    AsItWas,
    /// The new text.
    Changed(String),
}

/// `text` with the server in it. `replaces`: also where another one has its name.
pub fn merge(client: Client, text: &str, connection: &Connection, replaces: bool) -> Result<Merged, String> {
    if client == Client::Codex { toml(text, connection, replaces) } else { json(client, text, connection, replaces) }
}

/// The text of a file that has this server alone.
pub fn alone(client: Client, connection: &Connection) -> Result<String, String> {
    if client != Client::Codex {
        return Ok(format!("{:#}\n", client.configuration(connection)));
    }
    match toml("", connection, false)? {
        Merged::Changed(text) => Ok(text),
        Merged::AsItWas => Ok(String::new()),
    }
}

fn another(name: &str) -> String {
    format!("it has another server that is called {name}: rename that one, or replace it with --replace")
}

fn json(client: Client, text: &str, connection: &Connection, replaces: bool) -> Result<Merged, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    // What comments and trailing commas need, and no more: what is worse is for a person to repair.
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        ..ParseOptions::default()
    };
    let root = CstRootNode::parse(text, &options).map_err(|error| format!("it is no JSON: {error}"))?;
    let whole = root.object_value().ok_or("it is no JSON object")?;
    let servers = object(&whole, client.servers())?;
    let entry = client.entry(connection);
    match servers.get(&connection.name) {
        Some(there) if there.value().and_then(|it| it.to_serde_value()).as_ref() == Some(&entry) => {
            return Ok(Merged::AsItWas);
        }
        Some(_) if !replaces => return Err(another(&connection.name)),
        Some(there) => there.set_value(input(&entry)),
        None => {
            servers.append(&connection.name, input(&entry));
        }
    }
    if let Some(inputs) = client.inputs(connection) {
        let list = whole.array_value_or_create("inputs").ok_or("its field \"inputs\" is no list")?;
        let ids: Vec<_> =
            list.elements().iter().filter_map(CstNode::to_serde_value).map(|it| it["id"].clone()).collect();
        for it in inputs.iter().filter(|it| !ids.contains(&it["id"])) {
            list.append(input(it));
        }
    }
    Ok(Merged::Changed(root.to_string()))
}

fn object(of: &CstObject, name: &str) -> Result<CstObject, String> {
    of.object_value_or_create(name).ok_or_else(|| format!("its field \"{name}\" is no object"))
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(it) => CstInputValue::Bool(*it),
        Value::Number(it) => CstInputValue::Number(it.to_string()),
        Value::String(it) => CstInputValue::String(it.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => CstInputValue::Object(map.iter().map(|(key, it)| (key.clone(), input(it))).collect()),
    }
}

fn toml(text: &str, connection: &Connection, replaces: bool) -> Result<Merged, String> {
    let mut whole: DocumentMut = text.parse().map_err(|error| {
        // What follows the first line is a picture of the file, in which a secret may stand.
        format!("it is no TOML: {}", crate::manifest::one_line(&format!("{error}")))
    })?;
    let servers = whole.entry(Client::Codex.servers()).or_insert_with(|| {
        let mut servers = Table::new();
        servers.set_implicit(true);
        Item::Table(servers)
    });
    let servers = servers.as_table_like_mut().ok_or("its field mcp_servers is no table")?;
    let entry = table(connection);
    if let Some(there) = servers.get(&connection.name) {
        if there.to_string().trim() == Item::Table(entry.clone()).to_string().trim() {
            return Ok(Merged::AsItWas);
        }
        if !replaces {
            return Err(another(&connection.name));
        }
    }
    servers.insert(&connection.name, Item::Table(entry));
    Ok(Merged::Changed(whole.to_string()))
}

fn table(connection: &Connection) -> Table {
    let mut table = Table::new();
    for (key, it) in Client::Codex.entry(connection).as_object().into_iter().flatten() {
        match it {
            Value::Object(map) => {
                let pairs = map.iter().filter_map(|(key, it)| Some((key.as_str(), it.as_str()?)));
                table.insert(key, value(pairs.collect::<toml_edit::InlineTable>()));
            }
            other => {
                table.insert(key, value(other.as_str().unwrap_or_default()));
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(client: Client, text: &str) -> String {
        match merge(client, text, &Connection::new("echo", "http://echo/mcp").with_header("Authorization"), false) {
            Ok(Merged::Changed(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let before = "{\n    // Mine.\n    \"theme\": \"One\", /* and this */\n    \"context_servers\": {\n        \"other\": {\"url\": \"http://other\"}, // keep\n    },\n}\n";
        let after = changed(Client::Zed, before);
        for part in [
            "// Mine.",
            "/* and this */",
            "// keep",
            "\"other\": {\"url\": \"http://other\"}",
            "    \"theme\": \"One\"",
        ] {
            assert!(after.contains(part), "{after}");
        }
        let read: Value = jsonc_parser::parse_to_serde_value(&after, &ParseOptions::default()).expect("JSON");
        assert_eq!(read["context_servers"]["echo"]["headers"]["Authorization"], "Bearer <ECHO_TOKEN>");
        assert_eq!(read["theme"], "One");
    }

    #[test]
    fn twice_is_once() {
        for client in Client::all() {
            let once = changed(*client, "");
            let connection = Connection::new("echo", "http://echo/mcp").with_header("Authorization");
            assert_eq!(merge(*client, &once, &connection, false), Ok(Merged::AsItWas), "{client:?}: {once}");
        }
    }

    #[test]
    fn another_server_of_that_name_is_replaced_only_on_purpose() {
        for client in Client::all() {
            let before = changed(*client, "");
            let other = Connection::new("echo", "http://other/mcp");
            assert!(merge(*client, &before, &other, false).is_err_and(|it| it.contains("--replace")));
            let Ok(Merged::Changed(after)) = merge(*client, &before, &other, true) else { panic!("{client:?}") };
            assert!(after.contains("http://other/mcp") && !after.contains("http://echo/mcp"), "{after}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        let connection = Connection::new("echo", "http://echo/mcp");
        for text in ["[]", "{", "\"a\"", "{\"mcpServers\": []}", "{'mcpServers': {}}", "{\"a\": 1 \"b\": 2}"] {
            assert!(merge(Client::ClaudeCode, text, &connection, true).is_err(), "{text}");
        }
        for text in ["a = ", "mcp_servers = 1", "[[mcp_servers]]\na = 1"] {
            assert!(merge(Client::Codex, text, &connection, true).is_err(), "{text}");
        }
    }

    #[test]
    fn toml_keeps_its_comments() {
        let after =
            changed(Client::Codex, "# Mine.\nmodel = \"x\" # keep\n\n[mcp_servers.other]\nurl = \"http://other\"\n");
        assert_eq!(
            after,
            "# Mine.\nmodel = \"x\" # keep\n\n[mcp_servers.other]\nurl = \"http://other\"\n\n[mcp_servers.echo]\n\
             bearer_token_env_var = \"ECHO_TOKEN\"\nurl = \"http://echo/mcp\"\n"
        );
    }
}

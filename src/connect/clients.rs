//! The clients: where each keeps its servers, and in which form. Sources: the documentation of each.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

use super::{Connection, Header};

/// A program that uses MCP servers.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Claude Desktop
    Claude,
    /// Claude Code
    ClaudeCode,
    /// Cursor
    Cursor,
    /// VS Code with Copilot
    Vscode,
    /// Gemini CLI
    Gemini,
    /// Codex CLI
    Codex,
    /// Zed
    Zed,
    /// Windsurf
    Windsurf,
    /// Cline
    Cline,
}

/// The form in which a client has secrets in headers.
enum Secrets {
    /// `${NAME}` in a text stands for a variable of the environment; here is how it is written.
    Variable(&'static str, &'static str),
    /// There is no form: a person writes the secret into the file.
    InPlace,
}

impl Client {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
            Self::Gemini => "Gemini CLI",
            Self::Codex => "Codex CLI",
            Self::Zed => "Zed",
            Self::Windsurf => "Windsurf",
            Self::Cline => "Cline",
        }
    }

    /// The file that it reads: that of the project in the current folder where it has one, else the person's
    /// own, with `~` for the home folder.
    pub fn file(self) -> &'static str {
        let is_mac = cfg!(target_os = "macos");
        match self {
            Self::Claude if is_mac => "~/Library/Application Support/Claude/claude_desktop_config.json",
            Self::Claude => "~/.config/Claude/claude_desktop_config.json",
            Self::ClaudeCode => ".mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::Vscode => ".vscode/mcp.json",
            Self::Gemini => ".gemini/settings.json",
            Self::Codex => "~/.codex/config.toml",
            Self::Zed => "~/.config/zed/settings.json",
            Self::Windsurf => "~/.codeium/windsurf/mcp_config.json",
            Self::Cline if is_mac => {
                "~/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"
            }
            Self::Cline => "~/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        }
    }

    /// The same with the home folder in its place.
    pub fn path(self, home: Option<&str>) -> Option<PathBuf> {
        match self.file().strip_prefix("~/") {
            Some(below) => home.map(|it| PathBuf::from(it).join(below)),
            None => Some(PathBuf::from(self.file())),
        }
    }

    /// The field of the file that holds servers.
    pub(super) fn servers(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            Self::Zed => "context_servers",
            Self::Codex => "mcp_servers",
            _ => "mcpServers",
        }
    }

    /// What a person still has to do.
    pub fn hint(self, connection: &Connection) -> Option<String> {
        let header = connection.headers.first()?;
        let names: Vec<_> = connection.headers.iter().map(|it| it.variable.as_str()).collect();
        let names = names.join(", ");
        let oauth = if header.prefix.is_empty() {
            ""
        } else {
            "; if the server takes OAuth, remove the header, and the client signs in by itself"
        };
        Some(match (self, self.secrets()) {
            (Self::Vscode, _) => format!("VS Code asks for the credential when it first connects{oauth}"),
            (_, Secrets::InPlace) => format!("put the credential in place of <{}>{oauth}", names.replace(", ", ">, <")),
            (_, Secrets::Variable(..)) => format!("set {names} in the environment of {}{oauth}", self.title()),
        })
    }

    fn secrets(self) -> Secrets {
        match self {
            Self::ClaudeCode | Self::Gemini | Self::Codex => Secrets::Variable("${", "}"),
            Self::Cursor | Self::Windsurf => Secrets::Variable("${env:", "}"),
            Self::Vscode => Secrets::Variable("${input:", "}"),
            Self::Claude | Self::Zed | Self::Cline => Secrets::InPlace,
        }
    }

    /// The entry for a server.
    pub fn entry(self, connection: &Connection) -> Value {
        let url = connection.url.as_str();
        let mut entry = match self {
            Self::ClaudeCode | Self::Vscode => json!({"type": "http", "url": url}),
            Self::Cursor | Self::Zed | Self::Codex => json!({"url": url}),
            Self::Gemini => json!({"httpUrl": url}),
            Self::Windsurf => json!({"serverUrl": url}),
            Self::Cline => json!({"type": "streamableHttp", "url": url, "disabled": false}),
            Self::Claude => return bridge(connection),
        };
        let headers: Map<String, Value> =
            connection.headers.iter().map(|it| (it.name.clone(), json!(self.value(it)))).collect();
        if self == Self::Codex {
            codex_headers(&mut entry, connection);
        } else if !headers.is_empty() {
            entry["headers"] = Value::Object(headers);
        }
        entry
    }

    /// The whole of a file that has this server alone.
    pub fn configuration(self, connection: &Connection) -> Value {
        let mut whole = json!({self.servers(): {connection.name.as_str(): self.entry(connection)}});
        if let Some(inputs) = self.inputs(connection) {
            whole["inputs"] = json!(inputs);
        }
        whole
    }

    /// A link that adds the server to the client, where it has such links.
    pub fn install_link(self, connection: &Connection) -> Option<String> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        match self {
            Self::Cursor => {
                let entry = BASE64_STANDARD.encode(self.entry(connection).to_string());
                let (name, entry) = (encoded(&connection.name), encoded(&entry));
                Some(format!("cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config={entry}"))
            }
            Self::Vscode => {
                let mut whole = self.entry(connection);
                whole["name"] = json!(connection.name);
                if let Some(inputs) = self.inputs(connection) {
                    whole["inputs"] = json!(inputs);
                }
                Some(format!("vscode:mcp/install?{}", encoded(&whole.to_string())))
            }
            _ => None,
        }
    }

    /// What VS Code asks a person for.
    pub(super) fn inputs(self, connection: &Connection) -> Option<Vec<Value>> {
        let input = |it: &Header| {
            let description = format!("{} for {}", it.name, connection.name);
            json!({"type": "promptString", "id": input_name(it), "description": description, "password": true})
        };
        (self == Self::Vscode && !connection.headers.is_empty()).then(|| connection.headers.iter().map(input).collect())
    }

    fn value(self, header: &Header) -> String {
        let name = if self == Self::Vscode { input_name(header) } else { header.variable.clone() };
        match self.secrets() {
            Secrets::Variable(before, after) => format!("{}{before}{name}{after}", header.prefix),
            Secrets::InPlace => format!("{}<{name}>", header.prefix),
        }
    }
}

fn input_name(header: &Header) -> String {
    header.variable.to_ascii_lowercase().replace('_', "-")
}

/// Claude Desktop takes servers by URL in its settings alone; its file knows programs, and this one leads to a
/// server elsewhere.
fn bridge(connection: &Connection) -> Value {
    let mut args = vec!["-y".to_owned(), "mcp-remote".into(), connection.url.clone()];
    let mut env = Map::new();
    for header in &connection.headers {
        // A space within an argument is lost on Windows, so it is in the variable.
        args.extend(["--header".into(), format!("{}:${{{}}}", header.name, header.variable)]);
        env.insert(header.variable.clone(), json!(format!("{}<{}>", header.prefix, header.variable)));
    }
    if connection.url.starts_with("http://") {
        args.push("--allow-http".into());
    }
    let mut entry = json!({"command": "npx", "args": args});
    if !env.is_empty() {
        entry["env"] = Value::Object(env);
    }
    entry
}

/// Codex names the variables themselves.
fn codex_headers(entry: &mut Value, connection: &Connection) {
    for header in &connection.headers {
        if header.prefix.is_empty() {
            entry["env_http_headers"][&header.name] = json!(header.variable);
        } else {
            entry["bearer_token_env_var"] = json!(header.variable);
        }
    }
}

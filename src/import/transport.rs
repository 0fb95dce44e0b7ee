//! Whether and how a server speaks streamable HTTP: as is known of it, or as its arguments, variables and
//! published ports say.

use super::draft::Draft;
use super::known::{self, Http, Serves};
use super::{Refusal, secret};
use crate::api::Sessions;

/// Words that servers have for streamable HTTP.
const STREAMABLE: [&str; 6] =
    ["streamable-http", "streamablehttp", "streamable_http", "streamable", "http-streamable", "http"];

/// Variables by which servers are told where to listen.
const BOUND_HOSTS: [&str; 6] = ["HOST", "MCP_HOST", "FASTMCP_HOST", "BIND_HOST", "MCP_SERVER_HOST", "SERVER_HOST"];

/// Makes the server speak streamable HTTP. `name` is its package or its image's repository, `published`
/// a port on which it is said to listen.
pub(super) fn settle(draft: &mut Draft, name: &str, published: Option<i32>) -> Result<(), Refusal> {
    listen_to_all(draft);
    let said = Said::by(draft);
    match known::find(name).map(|it| &it.serves) {
        Some(Serves::Http(http)) => apply(draft, http, &said, published),
        Some(Serves::Not(why)) if said.streamable.is_none() => return Err(format!("{name}: {why}")),
        _ => unknown(draft, name, &said, published)?,
    }
    Ok(())
}

/// What a server's own arguments and variables say.
struct Said {
    /// Where it is told to speak streamable HTTP.
    streamable: Option<String>,
    /// Where it is told to speak something else.
    other: Option<String>,
    port: Option<i32>,
    path: Option<String>,
}

impl Said {
    fn by(draft: &Draft) -> Self {
        let mut said = Self { streamable: None, other: None, port: None, path: None };
        let env = draft.spec.env.iter().filter_map(|it| Some((it.name.clone(), it.value.clone()?)));
        for (name, value) in env.collect::<Vec<_>>() {
            said.take(&format!("env {name}"), &name, &value);
        }
        let args: Vec<_> = draft.spec.command.iter().chain(&draft.spec.args).cloned().collect();
        for (at, arg) in args.iter().enumerate() {
            match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with('-') => said.take(flag, flag, value),
                _ if arg.starts_with('-') => {
                    let value = args.get(at + 1).filter(|it| !it.starts_with('-')).map_or("true", String::as_str);
                    said.take(arg, arg, value);
                }
                // A word by itself: a subcommand.
                _ => said.take(arg, "transport-word", arg),
            }
        }
        said
    }

    fn take(&mut self, place: &str, name: &str, value: &str) {
        let words = secret::words(name);
        let value_word = value.to_ascii_lowercase();
        let speaks = words.contains("TRANSPORT") || words == "T" || words == "MODE" || words == "MCP_MODE";
        let is_word = name == "transport-word";
        let is_switch = STREAMABLE.contains(&secret::words(name).to_ascii_lowercase().replace('_', "-").as_str());
        let is_on = !["false", "0", "no"].contains(&value_word.as_str());
        if (speaks && STREAMABLE.contains(&value_word.as_str()) && (!is_word || value_word.starts_with("streamable")))
            || (is_switch && is_on)
        {
            self.streamable = Some(place.to_owned());
        } else if speaks && !is_word && ["sse", "stdio"].contains(&value_word.as_str()) {
            self.other = Some(format!("{place} says {value_word}"));
        }
        if [
            "PORT",
            "P",
            "MCP_PORT",
            "HTTP_PORT",
            "FASTMCP_PORT",
            "SERVER_PORT",
            "TRANSPORT_PORT",
            "MCP_SERVER_PORT",
            "STREAMABLE_HTTP_PORT",
            "LISTEN_PORT",
        ]
        .contains(&words.as_str())
            && let Some(port) = value.parse().ok().filter(|it| (1..=65535).contains(it))
        {
            self.port = Some(port);
        }
        if ["PATH", "MCP_PATH", "ENDPOINT", "ENDPOINT_PATH", "STREAMABLE_HTTP_PATH", "HTTP_PATH"]
            .contains(&words.as_str())
            && name.starts_with('-')
            && value.starts_with('/')
        {
            self.path = Some(value.to_owned());
        }
    }
}

fn apply(draft: &mut Draft, http: &Http, said: &Said, published: Option<i32>) {
    draft.spec.port = said.port.or(published.filter(|_| said.streamable.is_some())).unwrap_or(http.port);
    draft.spec.path = said.path.clone().or_else(|| http.path.map(Into::into));
    if draft.spec.command.is_empty() {
        draft.spec.command = http.command.iter().map(|it| (*it).to_owned()).collect();
    }
    // What a person says of the transport stays, if it is what is needed.
    if said.streamable.is_none() || said.other.is_some() {
        drop_transport(&mut draft.spec.args);
        let own = std::mem::take(&mut draft.spec.args);
        let has = |list: &[String], it: &str| it.starts_with('-') && list.iter().any(|own| own == it);
        let mut last = Vec::new();
        for pair in http.last.chunk_by(|_, next| !next.starts_with('-')) {
            if !pair.first().is_some_and(|flag| has(&own, flag)) {
                last.extend(pair.iter().map(|it| (*it).to_owned()));
            }
        }
        let first = http.first.iter().filter(|it| !own.iter().any(|own| own == **it)).map(|it| (*it).to_owned());
        draft.spec.args = first.chain(own.iter().cloned()).chain(last).collect();
    }
    for (name, value) in http.env {
        // The words for the transport are replaced, all else that a person says stays.
        if secret::words(name).contains("TRANSPORT") {
            draft.spec.env.retain(|it| it.name != *name);
        }
        draft.set(name, value);
    }
    for name in http.secrets {
        draft.ask(name);
    }
    if !http.note.is_empty() {
        draft.note(http.note);
    }
    for path in http.scratch {
        draft.scratch(path);
    }
    if let Some(user) = http.user {
        draft.spec.pod_security_context.get_or_insert_default().run_as_user.get_or_insert(user);
    }
    if http.stateless {
        draft.spec.sessions.get_or_insert(Sessions::Stateless);
    }
}

/// Takes away what turns another transport on.
fn drop_transport(args: &mut Vec<String>) {
    if let Some(at) = args.iter().position(|it| ["--transport", "-t"].contains(&it.as_str())) {
        args.drain(at..(at + 2).min(args.len()));
    }
    args.retain(|it| it != "stdio" && it != "sse" && !it.starts_with("--transport="));
}

fn unknown(draft: &mut Draft, name: &str, said: &Said, published: Option<i32>) -> Result<(), Refusal> {
    if let Some(other) = &said.other
        && said.streamable.is_none()
    {
        return Err(format!(
            "{other}, and only streamable HTTP can be shared: if {name} speaks it, say so there (often streamable-http), \
             with a port, and import again"
        ));
    }
    if said.streamable.is_none() && published.is_none() {
        return Err(format!(
            "{name} speaks stdio as it is called here, and nothing is known of how it is made to speak streamable HTTP: look into \
             its documentation, add the arguments to this file (often --transport streamable-http --port 8000, with the host \
             0.0.0.0), and import again"
        ));
    }
    let Some(port) = said.port.or(published) else {
        return Err(format!(
            "{name} does not say on which port it listens: add it to its arguments (often --port 8000), and import again"
        ));
    };
    if let (None, Some(port)) = (&said.streamable, published) {
        draft.note(format!(
            "port: taken from the published port {port}; whether streamable HTTP is spoken there shows when it runs"
        ));
    }
    draft.spec.port = port;
    draft.spec.path.clone_from(&said.path);
    if draft.spec.path.is_none() {
        draft.note("path: /mcp, as the SDKs of the protocol have it; the file does not say");
    }
    Ok(())
}

/// On loopback, no Service reaches a server.
fn listen_to_all(draft: &mut Draft) {
    let local = |value: &str| ["127.0.0.1", "localhost", "::1"].contains(&value);
    let mut changed = Vec::new();
    for variable in &mut draft.spec.env {
        let is_bound = BOUND_HOSTS.contains(&variable.name.as_str()) || variable.name.ends_with("_BIND_HOST");
        if is_bound && variable.value.as_deref().is_some_and(local) {
            variable.value = Some("0.0.0.0".into());
            changed.push(format!("env {}", variable.name));
            draft.notes.retain(|it| !it.starts_with(&format!("env {}: names localhost", variable.name)));
        }
    }
    for at in 1..draft.spec.args.len() {
        if ["--host", "--bind", "--address"].contains(&draft.spec.args[at - 1].as_str()) && local(&draft.spec.args[at])
        {
            draft.spec.args[at] = "0.0.0.0".into();
            changed.push(format!("args {}", draft.spec.args[at - 1]));
        }
    }
    for place in changed {
        draft.note(format!("{place}: was loopback, which no Service reaches; now 0.0.0.0"));
    }
}

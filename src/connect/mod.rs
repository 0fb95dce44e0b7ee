//! How a client is told of a server. Pure: one [`Connection`] becomes each client's own form, and is put into
//! the text of a client's configuration beside what is there.
//!
//! No credential is ever part of it: where the server asks for one, the form names an environment variable,
//! an input, or a place to fill in, as the client has it.

mod clients;
mod merge;

pub use clients::Client;
pub use merge::{Merged, alone, merge};

use kube::ResourceExt;

use crate::api::MCPServer;

/// A server, as a client has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What the client calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it wants to be sent.
    pub headers: Vec<Header>,
}

/// A header whose value only a person knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, such as `Authorization`.
    pub name: String,
    /// What its value begins with, such as `Bearer `.
    pub prefix: &'static str,
    /// Environment variable that holds the rest.
    pub variable: String,
}

impl Connection {
    /// To a server of this name.
    pub fn new(name: &str, url: &str) -> Self {
        Self { name: name.to_owned(), url: url.to_owned(), headers: Vec::new() }
    }

    /// To a server as its status tells, at another URL if one is given. The error says why there is none.
    pub fn of(server: &MCPServer, url: Option<&str>) -> Result<Self, String> {
        let name = server.name_any();
        let status = server.status.as_ref();
        let url = url
            .or_else(|| status?.url.as_deref())
            .ok_or_else(|| format!("{name} has no URL yet: `landfall status {name}` says what it waits for"))?;
        let mut connection = Self::new(&name, url);
        let verification = server.spec.verification.iter().flat_map(|it| &it.headers);
        for header in verification.filter(|it| it.secret_key_ref.is_some()) {
            connection = connection.with_header(&header.name);
        }
        let asks = status.and_then(|it| it.server.as_ref()).is_some_and(|it| it.auth_required);
        if asks && connection.headers.is_empty() {
            connection = connection.with_header("Authorization");
        }
        Ok(connection)
    }

    /// With a header that the server wants.
    #[must_use]
    pub fn with_header(mut self, name: &str) -> Self {
        let is_bearer = name.eq_ignore_ascii_case("Authorization");
        let word = if is_bearer { "TOKEN" } else { name };
        let variable = variable(&format!("{}_{word}", self.name));
        let prefix = if is_bearer { "Bearer " } else { "" };
        if !self.headers.iter().any(|it| it.name.eq_ignore_ascii_case(name)) {
            self.headers.push(Header { name: name.to_owned(), prefix, variable });
        }
        self
    }
}

fn variable(text: &str) -> String {
    let fits = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' };
    text.chars().map(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{server, smallest, smallest_with};
    use serde_json::{from_value, json};

    fn connection(spec: &serde_json::Value, status: serde_json::Value) -> Result<Connection, String> {
        let mut server = server(spec);
        server.status = from_value(status).expect("a status");
        Connection::of(&server, None)
    }

    #[test]
    fn a_server_without_a_url_cannot_be_connected_to() {
        let error = connection(&smallest(), json!({})).expect_err("no URL");
        assert_eq!(error, "echo has no URL yet: `landfall status echo` says what it waits for");
    }

    #[test]
    fn headers_are_those_that_the_server_asks_for() {
        let plain = connection(&smallest(), json!({"url": "http://a/mcp", "server": {}})).expect("a URL");
        assert_eq!(plain.headers, []);
        let asked = connection(&smallest(), json!({"url": "http://a/mcp", "server": {"authRequired": true}}));
        assert_eq!(
            asked.expect("a URL").headers,
            [Header { name: "Authorization".into(), prefix: "Bearer ", variable: "ECHO_TOKEN".into() }]
        );
        let key = json!({"verification": {"headers": [
            {"name": "X-Api-Key", "secretKeyRef": {"name": "a", "key": "b"}},
            {"name": "X-Tenant", "value": "c"},
        ]}});
        let known = connection(&smallest_with(&key), json!({"url": "http://a/mcp"})).expect("a URL");
        assert_eq!(known.headers, [Header { name: "X-Api-Key".into(), prefix: "", variable: "ECHO_X_API_KEY".into() }]);
    }
}

//! Reads `WWW-Authenticate`: how a server wants its clients to log in.

use std::fmt;

use hyper::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::text::{self, clean};

/// Most scopes that are kept.
const SCOPES: usize = 16;

/// One challenge of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// `Bearer`, `Basic`, …
    pub scheme: String,
    /// Where the server's OAuth metadata is (RFC 9728). Shown, never fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_metadata: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

impl Challenge {
    /// What MCP means by credentials, where nothing was said of them.
    pub(super) fn bearer() -> Self {
        let scheme = "Bearer".to_owned();
        Self { scheme, ..Self::default() }
    }

    /// Whether it asks for a token and does not say where to get one.
    pub(super) fn lacks_metadata(&self) -> bool {
        self.resource_metadata.is_none() && self.scheme.eq_ignore_ascii_case("bearer")
    }

    /// Adds where the metadata was found, and its scopes if none were named.
    pub(super) fn with_metadata(mut self, url: String, mut scopes: Vec<String>) -> Self {
        self.resource_metadata = Some(url);
        if self.scopes.is_empty() {
            scopes.truncate(SCOPES);
            self.scopes = scopes;
        }
        self
    }

    /// The challenge in `headers`; of several, the first that is `Bearer`, as MCP
    /// wants it, or else the first.
    pub fn find(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Self::parse(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let bearer = |challenge: &&Self| challenge.scheme.eq_ignore_ascii_case("bearer");
        all.iter().find(bearer).or(all.first()).cloned()
    }

    /// Reads one header. A second challenge in the same header is not told apart
    /// from parameters of the first, which only adds parameters nobody asks for.
    fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
        let (scheme, parameters) = value.split_at(end);
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.+~!#$%&'*^`|".contains(c);
        if scheme.is_empty() || !scheme.chars().all(is_token) {
            return None;
        }
        let scopes = parameter(parameters, "scope").unwrap_or_default();
        Some(Self {
            scheme: clean(scheme, text::NAME),
            resource_metadata: parameter(parameters, "resource_metadata").map(|url| clean(&url, text::MESSAGE)),
            scopes: scopes.split_whitespace().take(SCOPES).map(|scope| clean(scope, text::NAME)).collect(),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        if let Some(url) = &self.resource_metadata {
            write!(f, ", metadata at {url}")?;
        }
        if !self.scopes.is_empty() {
            write!(f, ", scope {}", self.scopes.join(" "))?;
        }
        Ok(())
    }
}

/// The value of `name` in a list like `realm="a, b", scope=read`.
fn parameter(list: &str, name: &str) -> Option<String> {
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start());
        // A token without `=` may stand before the key: take the last word.
        let key = key.trim().rsplit([' ', ',']).next().unwrap_or_default();
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The token or quoted string that `text` begins with, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    fn parse(value: &str) -> Option<Challenge> {
        Challenge::parse(value)
    }

    #[test]
    fn reads_the_parameters_of_mcp() {
        let header = r#"Bearer realm="a, \"b\"", error=invalid_token , resource_metadata="https://x/.well-known/y?a=b", scope="read write""#;
        let expected = Challenge {
            scheme: "Bearer".to_owned(),
            resource_metadata: Some("https://x/.well-known/y?a=b".to_owned()),
            scopes: vec!["read".to_owned(), "write".to_owned()],
        };
        assert_eq!(parse(header), Some(expected));
    }

    #[test]
    fn reads_a_scheme_alone() {
        assert_eq!(parse("Basic").map(|c| c.scheme).as_deref(), Some("Basic"));
        assert_eq!(parse("Bearer, Basic").map(|c| c.scheme).as_deref(), Some("Bearer"));
    }

    #[test]
    fn refuses_what_is_no_challenge() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("=\"\""), None);
        assert_eq!(parse("<html>"), None);
    }

    #[test]
    fn ends_on_broken_parameters() {
        for header in ["Bearer scope=\"a", "Bearer =", "Bearer scope", "Bearer \"", "Bearer scope=\"\\"] {
            assert!(parse(header).is_some(), "{header}");
        }
    }
}

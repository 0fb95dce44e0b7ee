//! Values as compose files have them: with variables of the outside, in one text or in lists.

use serde_json::Value;

use crate::import::address;
use crate::import::draft::text;
use crate::presets::Preset;

/// Whether a variable's value is an address, and no word that happens to be a service's name, too:
/// `POSTGRES_USER=notes` is none.
pub(super) fn is_address(name: &str, found: &address::Address<'_>) -> bool {
    let is_host = name.split('_').any(|it| ["HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS"].contains(&it));
    found.scheme.is_some() || found.port.is_some() || is_host
}

/// Variables of a service; one without a value has it from the outside.
pub(super) fn variables(service: &Value) -> Vec<(String, Option<String>)> {
    match &service["environment"] {
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), text(value).map(|it| interpolated(&it)))).collect()
        }
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|it| match it.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(interpolated(value))),
                None => (it.to_owned(), None),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// `${NAME:-default}` within a text, where there is a default; `$$` is a dollar.
pub(super) fn interpolated(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(end) = rest[at..].find('}').map(|it| at + it) else { break };
        let inner = &rest[at + 2..end];
        result.push_str(&rest[..at]);
        match inner.split_once(":-") {
            // As a whole, it is a value that comes from outside, which the draft tells.
            Some((_, default)) if !(at == 0 && end + 1 == text.len()) => result.push_str(default),
            _ => result.push_str(&rest[at..=end]),
        }
        rest = &rest[end + 1..];
    }
    result.push_str(rest);
    result.replace("$$", "$")
}

/// The same, where nobody is told.
pub(super) fn filled(text: &str) -> String {
    let text = interpolated(text);
    let inner = text.strip_prefix("${").and_then(|it| it.strip_suffix('}'));
    inner.and_then(|it| it.split_once(":-")).map_or(text.clone(), |(_, default)| default.to_owned())
}

/// Words of a command in one text.
pub(super) fn words_of(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut is_open = false;
    for it in text.chars() {
        match quote {
            Some(end) if it == end => quote = None,
            None if it == '"' || it == '\'' => (quote, is_open) = (Some(it), true),
            None if it.is_whitespace() => {
                if is_open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => word.push(it),
        }
    }
    if is_open || !word.is_empty() {
        words.push(word);
    }
    words
}

/// `3000`, `8080:3000`, `127.0.0.1:8080:3000/tcp`
pub(super) fn container_port(text: &str) -> Option<i32> {
    let port = text.split('/').next()?.rsplit(':').next()?;
    port.split('-').next()?.parse().ok().filter(|it| (1..=65535).contains(it))
}

/// Whether a tag names a version that the preset knows.
pub(super) fn version_of(preset: &Preset, image: &str) -> Option<String> {
    let tag = image.split('@').next()?.rsplit('/').next()?.split_once(':')?.1;
    let numbers = crate::presets::parse_tag(tag);
    let is_known = numbers.first().is_some_and(|it| preset.majors.contains(it));
    is_known.then(|| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(words_of("server --name 'my server' \"\" x"), ["server", "--name", "my server", "", "x"]);
        assert_eq!(words_of(""), Vec::<String>::new());
    }

    #[test]
    fn defaults_within_a_text_are_taken() {
        assert_eq!(interpolated("http://${HOST:-db}:${PORT:-1}/$$x"), "http://db:1/$x");
        assert_eq!(interpolated("${A:-b}"), "${A:-b}");
        assert_eq!(interpolated("${A"), "${A");
    }

    #[test]
    fn ports_of_containers_are_read() {
        for (text, port) in [("3000", 3000), ("80:3000", 3000), ("127.0.0.1:80:3000/tcp", 3000), ("1-2:5-6", 5)] {
            assert_eq!(container_port(text), Some(port), "{text}");
        }
        assert_eq!(container_port("http"), None);
    }
}

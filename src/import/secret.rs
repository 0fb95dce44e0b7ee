//! What may be a secret. When in doubt, it is one: an empty key of a Secret costs a person a minute, a
//! password in the open costs more.

/// Words of names whose values are secrets.
const WORDS: [&str; 22] = [
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "KEY",
    "KEYS",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PAT",
    "DSN",
    "PRIVATE",
    "COOKIE",
    "COOKIES",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
];

/// Words of names that speak of a secret without being one.
const HARMLESS: [&str; 12] =
    ["FILE", "PATH", "DIR", "URL", "URI", "TYPE", "MODE", "METHOD", "ENABLED", "MAX", "LIMIT", "TTL"];

/// How secrets of well-known services begin.
const PREFIXES: [&str; 24] = [
    "sk-",
    "sk_",
    "pk_live",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "eyJ",
    "ya29.",
    "AIza",
    "ntn_",
    "secret_",
    "hf_",
    "npm_",
    "Bearer ",
    "-----BEGIN",
];

/// Whether a variable or flag with this name and value may be a secret.
pub(super) fn is(name: &str, value: &str) -> bool {
    is_name(name) || is_value(value)
}

/// Whether a name is that of a secret.
pub(super) fn is_name(name: &str) -> bool {
    let name = words(name);
    name.split('_').any(|word| WORDS.contains(&word)) && !name.split('_').any(|word| HARMLESS.contains(&word))
}

/// Whether a value looks like a secret, whatever it is called.
pub(super) fn is_value(value: &str) -> bool {
    let begins = |it: &str| PREFIXES.iter().any(|prefix| it.starts_with(prefix));
    let lower = value.to_ascii_lowercase();
    let is_login = ["bearer ", "basic "].iter().any(|it| lower.contains(it));
    // Headers, JSON and lists of settings may have one within.
    let pieces = value.split(|it: char| it.is_whitespace() || "\"',;&?{}[]=:".contains(it));
    begins(value)
        || is_login
        || has_password(value)
        || names_one(value)
        || pieces.into_iter().any(|it| begins(it) || is_random(it))
}

/// `X-Api-Key: …` and `"password":"…"`, anywhere in a text.
fn names_one(value: &str) -> bool {
    let parts: Vec<_> = value.split([':', '=']).collect();
    let is_quote = |it: char| it.is_whitespace() || "\"'{},;&?".contains(it);
    parts.windows(2).any(|pair| {
        let name = pair[0].trim_end_matches(is_quote).rsplit(is_quote).next().unwrap_or_default();
        let is_address = pair[1].starts_with("//") || name.contains('/');
        is_name(name) && !is_address && !pair[1].trim_matches(is_quote).is_empty()
    })
}

/// The name in the form of a variable: `--api-key` and `apiKey` are `API_KEY`.
pub(super) fn words(name: &str) -> String {
    let mut words = String::new();
    let mut before = '_';
    for it in name.trim_start_matches('-').chars() {
        if it.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push('_');
        }
        words.push(if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' });
        before = it;
    }
    words
}

/// A URL with a password, or with something like one in its query.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let query = rest.split_once('?').map_or("", |it| it.1).split('&').filter_map(|it| it.split_once('='));
    authority.contains('@') || query.into_iter().any(|(name, value)| is_name(name) || is_value(value))
}

/// Long, of one piece, and of letters and digits without order.
fn is_random(value: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || "+=_-".contains(it);
    let has = |what: fn(&char) -> bool| value.chars().filter(what).count() >= 4;
    value.len() >= 24
        && value.chars().all(fits)
        && has(char::is_ascii_digit)
        && (has(char::is_ascii_lowercase) || has(char::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_settings() {
        for (name, value) in [
            ("GITHUB_PERSONAL_ACCESS_TOKEN", ""),
            ("--api-key", "abc"),
            ("apiKey", "abc"),
            ("DB_PASS", "x"),
            ("ANYTHING", "sk-proj-1"),
            ("DATABASE_URI", "postgresql://u:p@db/x"),
            ("URL", "https://example.com/mcp?api_key=abc"),
            ("ID", "0123456789abcdef0123456789abcdef"),
            ("--header", "Authorization: Bearer abc"),
            ("--header", "X-Api-Key: abc"),
            ("HEADERS", "{\"Authorization\": \"abc\", \"Version\": \"2022-06-28\"}"),
            ("OPTIONS", "host=db;password=abc"),
            ("X", "git+https://me:abc@example.com/x"),
        ] {
            assert!(is(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PORT", "3000"),
            ("QDRANT_URL", "http://localhost:6333"),
            ("MAX_TOKENS", "4096"),
            ("AUTH_TYPE", "no-auth"),
            ("KEYWORDS", "a,b"),
            ("TOKEN_FILE", "/run/token"),
            ("ISSUER", "https://example.com/token:v1"),
            ("GREETING", "bring your key: "),
            ("COLLECTION_NAME", "my-very-long-collection-name"),
        ] {
            assert!(!is(name, value), "{name}={value}");
        }
    }
}

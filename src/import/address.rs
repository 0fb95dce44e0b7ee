//! Addresses of databases and others in values, and how they are said once Landfall runs what they name.

use crate::api::PresetName;
use crate::presets::Preset;

/// An address within a value.
pub(super) struct Address<'a> {
    pub scheme: Option<&'a str>,
    pub user: Option<&'a str>,
    pub host: &'a str,
    pub port: Option<u16>,
    pub after: &'a str,
}

/// The address that a value is: a URL, `host:port`, or what may be a host.
pub(super) fn find(value: &str) -> Option<Address<'_>> {
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, value),
    };
    let end = rest.find(['/', '?', '#']).filter(|_| scheme.is_some()).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let (user, authority) = match authority.rsplit_once('@').filter(|_| scheme.is_some()) {
        Some((user, authority)) => (Some(user), authority),
        None => (None, authority),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (authority, None),
    };
    let is_host = !host.is_empty() && host.chars().all(|it| it.is_ascii_alphanumeric() || "._-".contains(it));
    is_host.then_some(Address { scheme, user, host, port, after })
}

/// Whether a host is the machine of whoever wrote it.
pub(super) fn is_local(host: &str) -> bool {
    ["localhost", "127.0.0.1", "0.0.0.0", "host.docker.internal"].contains(&host)
}

/// The database that listens on this port wherever nobody says otherwise.
pub(super) fn preset_at(port: u16) -> Option<PresetName> {
    // Ports that are as common for servers of all sorts tell nothing.
    let telling = |it: &&PresetName| !matches!(it, PresetName::Pgvector | PresetName::Valkey);
    let shared = [8000, 8080];
    let first = |it: &Preset| it.ports.first().map(|it| it.1);
    let mut presets = PresetName::ALL.iter().filter(telling);
    presets.find(|it| first(it.preset()) == Some(port.into())).filter(|_| !shared.contains(&port)).copied()
}

impl Address<'_> {
    /// The same address once it is that of a dependency; `None` where a secret stands in it that
    /// Landfall does not know.
    pub(super) fn through(&self, dependency: &str, preset: Option<PresetName>) -> Option<String> {
        let name = dependency.to_ascii_uppercase().replace('-', "_");
        let port = self.port.map(|it| format!(":{it}")).unwrap_or_default();
        let Some(scheme) = self.scheme else { return Some(format!("$({name}_HOST){port}")) };
        let known = preset.map(PresetName::preset);
        let login = known.and_then(|it| it.credentials.as_ref()).filter(|it| it.by_default);
        let first = known.and_then(|it| it.ports.first()).map(|it| it.1);
        let is_first = first.is_some() && self.port.is_none_or(|port| Some(port.into()) == first);
        let url = login.map_or(known.map_or("", |it| it.url), |it| it.url);
        let same = is_first && url.split("://").next().is_some_and(|it| is_alike(it, scheme));
        let path = url.rsplit("$(PORT)").next().unwrap_or_default();
        match self.after {
            // With a login, the path names the database, which Landfall's own URL has, too.
            _ if same && login.is_some_and(|it| it.url.contains("$(PASSWORD)")) => Some(format!("$({name}_URL)")),
            "" | "/" if same => Some(format!("$({name}_URL)")),
            after if same && after == path => Some(format!("$({name}_URL)")),
            after if same && path.is_empty() => Some(format!("$({name}_URL){after}")),
            _ if self.user.is_some() => None,
            after => Some(format!("{scheme}://$({name}_HOST){port}{after}")),
        }
    }
}

/// Clients take one for the other.
fn is_alike(one: &str, other: &str) -> bool {
    let other = other.split('+').next().unwrap_or_default();
    one == other || (one, other) == ("postgresql", "postgres") || (one, other) == ("bolt", "neo4j")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_said_through_the_dependency() {
        let through = |value, preset| find(value).and_then(|it: Address<'_>| it.through("my-db", preset));
        let qdrant = Some(PresetName::Qdrant);
        assert_eq!(through("http://db:6333", qdrant).as_deref(), Some("$(MY_DB_URL)"));
        assert_eq!(through("http://db:6333/x", qdrant).as_deref(), Some("$(MY_DB_URL)/x"));
        assert_eq!(through("http://db:6334", qdrant).as_deref(), Some("http://$(MY_DB_HOST):6334"));
        let redis = Some(PresetName::Redis);
        assert_eq!(through("redis://db:6379/0", redis).as_deref(), Some("$(MY_DB_URL)"));
        assert_eq!(through("redis://db/1", redis).as_deref(), Some("$(MY_DB_URL)"));
        assert_eq!(through("postgres://u:p@db/x?y=z", Some(PresetName::Postgres)).as_deref(), Some("$(MY_DB_URL)"));
        assert_eq!(through("amqp://u:p@db/x", None), None);
        assert_eq!(through("http://db:8080/v1", None).as_deref(), Some("http://$(MY_DB_HOST):8080/v1"));
        assert_eq!(through("db:1", None).as_deref(), Some("$(MY_DB_HOST):1"));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for value in ["", "a b", "http://", "x:y", "/path", "http://[::1]:80"] {
            assert!(find(value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn ports_tell_databases() {
        assert_eq!(preset_at(6333), Some(PresetName::Qdrant));
        assert_eq!(preset_at(5432), Some(PresetName::Postgres));
        assert_eq!(preset_at(6379), Some(PresetName::Redis));
        assert_eq!(preset_at(8000), None);
        assert_eq!(preset_at(8080), None);
    }
}

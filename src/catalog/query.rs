//! Which of the servers are asked for, a page at a time.

use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

use super::Entry;

/// Servers on a page unless another number is asked for.
const USUAL: usize = 30;

/// Most servers on a page: an answer stays below a megabyte.
const MOST: usize = 100;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Part of a name.
    pub search: String,
    /// `latest`, or a version.
    pub version: Option<String>,
    updated_since: Option<Timestamp>,
    /// Namespace and name of the last server of the page before.
    cursor: Option<(String, String)>,
    limit: usize,
}

/// A part of the servers, by name.
pub(super) struct Page {
    pub entries: Vec<Arc<Entry>>,
    /// How to ask for those that follow.
    pub next: Option<String>,
}

impl Query {
    /// Of the part of a URL after `?`. The error says what is wrong with it.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let mut query = Self { search: String::new(), version: None, updated_since: None, cursor: None, limit: USUAL };
        for (name, value) in form_urlencoded::parse(text.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "search" => query.search = value.trim().to_lowercase(),
                "version" => query.version = Some(value.into_owned()),
                "cursor" => {
                    let (namespace, name) = value.split_once('/').unwrap_or((&value, ""));
                    query.cursor = Some((namespace.to_owned(), name.to_owned()));
                }
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| "limit is a number from 1 to 100")?;
                    query.limit = limit.clamp(1, MOST);
                }
                "updated_since" => {
                    let time = value.parse().map_err(|_| "updated_since is a time such as 2026-01-01T00:00:00Z")?;
                    query.updated_since = Some(time);
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// How to ask for the page that follows, in a URL after `?`.
    pub(super) fn following(&self, next: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("search", &self.search).append_pair("cursor", next);
        if self.limit != USUAL {
            query.append_pair("limit", &self.limit.to_string());
        }
        query.finish()
    }

    /// The page of these that is asked for. `entries` are in the order of their namespaces and names.
    pub(super) fn page(&self, entries: impl Iterator<Item = Arc<Entry>>) -> Page {
        let mut rest = entries
            .filter(|it| self.search.is_empty() || it.name().to_lowercase().contains(&self.search))
            .filter(|it| self.updated_since.is_none_or(|time| it.since.is_some_and(|since| since >= time)))
            .filter(|it| self.cursor.as_ref().is_none_or(|cursor| it.place() > *cursor));
        let entries: Vec<_> = rest.by_ref().take(self.limit).collect();
        let next = rest.next().and_then(|_| entries.last()).map(|it| it.name());
        Page { entries, next }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{entry, ready};
    use super::*;

    fn names(query: &str) -> (Vec<String>, Option<String>) {
        let entries = ["a/one", "a/two", "a-b/one"].map(|it| Arc::new(entry(it, &ready())));
        let page = Query::of(query).expect("a query").page(entries.into_iter());
        (page.entries.iter().map(|it| it.name()).collect(), page.next)
    }

    fn some(names: &[&str]) -> Vec<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn pages_follow_one_another_until_all_were_seen() {
        assert_eq!(names(""), (some(&["a/one", "a/two", "a-b/one"]), None));
        assert_eq!(names("limit=2"), (some(&["a/one", "a/two"]), Some("a/two".into())));
        assert_eq!(names("limit=2&cursor=a%2Ftwo"), (some(&["a-b/one"]), None));
        assert_eq!(names("limit=0").0, ["a/one"], "none would never end");
        // The one that it names may be gone by now.
        assert_eq!(names("cursor=a%2Fthree"), (some(&["a/two", "a-b/one"]), None));
        assert_eq!(names("cursor=z").0, some(&[]));
    }

    #[test]
    fn names_and_times_are_looked_for() {
        assert_eq!(names("search=ONE&limit=1"), (some(&["a/one"]), Some("a/one".into())));
        assert_eq!(names("search=a%2F").0, ["a/one", "a/two"]);
        assert_eq!(names("updated_since=2026-01-01T00:00:00Z").0.len(), 3);
        assert_eq!(names("updated_since=2026-01-01T00:00:01Z").0.len(), 0);
        assert_eq!(names("unknown=1&search=").0.len(), 3);
    }

    #[test]
    fn what_is_no_number_or_time_is_told() {
        for query in ["limit=many", "limit=-1", "updated_since=yesterday"] {
            assert!(Query::of(query).is_err(), "{query}");
        }
    }
}

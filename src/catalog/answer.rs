//! The answer to an HTTP request for the catalog.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::sync::Arc;

use super::query::Query;
use super::{Entry, page, registry};

const SERVERS: &str = "/v0.1/servers";

/// The page loads its style, sends its form to itself, and does nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Goes with every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";

/// What a request is answered. `entries` in the order of their namespaces and names; `None` as long as it is not known which
/// there are.
pub fn answer(method: &Method, uri: &Uri, entries: Option<&[Arc<Entry>]>) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "the catalog can only be read");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if uri.path() == "/style.css" {
        return response(StatusCode::OK, CSS, page::STYLE.to_owned());
    }
    let Some(entries) = entries else {
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "the servers are not known yet: try again");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let query = match Query::of(uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error),
    };
    if uri.path() == "/" {
        return response(StatusCode::OK, HTML, page::page(entries, &query));
    }
    match found(uri.path(), &query, entries) {
        Some(value) => response(StatusCode::OK, JSON, value.to_string()),
        None => refusal(StatusCode::NOT_FOUND, "Server not found"),
    }
}

/// What there is at a path of the registry's API. A name may come as `team%2Fecho`, or, by a proxy that decodes
/// paths, as `team/echo`.
fn found(path: &str, query: &Query, entries: &[Arc<Entry>]) -> Option<Value> {
    let rest = path.strip_prefix(SERVERS)?;
    if rest.is_empty() || rest == "/" {
        return Some(registry::servers(entries, query));
    }
    let (name, version) = rest.strip_prefix('/')?.rsplit_once("/versions")?;
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    match version.strip_prefix('/') {
        None if version.is_empty() => registry::versions(entries, &decoded(name)?),
        None => None,
        Some("") => registry::versions(entries, &decoded(name)?),
        Some(version) => registry::server(entries, &decoded(name)?, &decoded(version)?),
    }
}

/// In the form of the registry's API.
fn refusal(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    response(status, JSON, json!({"error": error}).to_string())
}

fn response(status: StatusCode, type_: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(type_));
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{entry, ready};
    use super::*;

    fn asked(method: &Method, path: &str, entries: Option<&[Arc<Entry>]>) -> (u16, String) {
        let response = answer(method, &path.parse().expect("a path"), entries);
        for (name, value) in HEADERS {
            assert_eq!(response.headers().get(&name).expect("the header"), value, "{path}: {name}");
        }
        (response.status().as_u16(), response.headers()[header::CONTENT_TYPE].to_str().expect("text").to_owned())
    }

    fn get(path: &str) -> (u16, String) {
        asked(&Method::GET, path, Some(&[Arc::new(entry("team/echo", &ready()))]))
    }

    fn is(status: u16, type_: &str) -> (u16, String) {
        (status, type_.to_owned())
    }

    #[test]
    fn each_path_has_its_form() {
        assert_eq!(get("/"), is(200, HTML));
        assert_eq!(get("/?search=x"), is(200, HTML));
        assert_eq!(get("/style.css"), is(200, CSS));
        for path in [
            "/v0.1/servers",
            "/v0.1/servers?limit=1",
            "/v0.1/servers/team%2Fecho/versions",
            "/v0.1/servers/team%2Fecho/versions/latest",
            "/v0.1/servers/team/echo/versions/0.1.0",
        ] {
            assert_eq!(get(path), is(200, JSON), "{path}");
        }
    }

    #[test]
    fn what_there_is_not_is_told_in_the_form_of_the_registry() {
        for path in [
            "/index.html",
            "/v0.1",
            "/v0.1/serversx",
            "/v0.1/servers/team%2Fecho",
            "/v0.1/servers/team%2Fother/versions/latest",
            "/v0.1/servers/team%2Fecho/versions/9",
            "/v0.1/servers/team%2Fecho/versionsx",
            "/v0.1/servers/%FF/versions/latest",
            "/../etc/passwd",
        ] {
            assert_eq!(get(path), is(404, JSON), "{path}");
        }
        assert_eq!(get("/v0.1/servers?limit=x"), is(400, JSON));
        assert_eq!(get("/?limit=x"), is(400, JSON));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(asked(&method, "/v0.1/servers", Some(&[])), is(405, JSON));
        }
        assert_eq!(asked(&Method::GET, "/", None), is(503, JSON));
    }
}

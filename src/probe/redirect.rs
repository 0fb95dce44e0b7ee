//! Decides which redirects are followed: within the same origin only, so that
//! neither the probe nor its secret headers go anywhere else.

use hyper::{HeaderMap, StatusCode, Uri, header::LOCATION, http::uri::PathAndQuery};

use super::target::Target;

/// The path on the same server to which a reply sends a POST, if it does.
///
/// Only 307 and 308 keep the method. A relative location is taken from `current`.
pub fn follow(
    target: &Target,
    current: &PathAndQuery,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<PathAndQuery> {
    if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let location = location.split('#').next()?;
    if location.starts_with("//") {
        let scheme = if target.is_tls { "https:" } else { "http:" };
        return same_origin(target, &format!("{scheme}{location}"));
    }
    if location.starts_with('/') {
        return location.parse().ok();
    }
    if location.contains("://") {
        return same_origin(target, location);
    }
    let directory = current.path().rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{directory}/{location}").parse().ok()
}

fn same_origin(target: &Target, url: &str) -> Option<PathAndQuery> {
    let uri: Uri = url.parse().ok()?;
    let other = Target::new(url).ok()?;
    let is_same = other.is_tls == target.is_tls
        && other.host().eq_ignore_ascii_case(target.host())
        && other.port() == target.port();
    is_same.then(|| uri.path_and_query().cloned())?
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode, header::LOCATION};

    use super::follow;
    use crate::probe::target::Target;

    fn path(status: u16, location: &str) -> Option<String> {
        let target = Target::new("http://a.b:80/x/mcp").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        follow(&target, &target.path, status, &headers).map(|path| path.to_string())
    }

    #[test]
    fn follows_within_the_origin() {
        let cases = [
            ("/mcp/", "/mcp/"),
            ("/mcp/?a=b#c", "/mcp/?a=b"),
            ("http://A.b/mcp/", "/mcp/"),
            ("//a.b:80/mcp/", "/mcp/"),
            ("mcp/", "/x/mcp/"),
        ];
        for (location, expected) in cases {
            assert_eq!(path(307, location).as_deref(), Some(expected), "{location}");
        }
        assert!(path(308, "/mcp/").is_some());
    }

    #[test]
    fn follows_nowhere_else() {
        for location in [
            "https://a.b/mcp/",
            "http://a.b:81/mcp/",
            "http://other/mcp/",
            "//other/mcp/",
            "http://a.b@other/mcp",
            "javascript://a.b/",
            "",
        ] {
            let followed = path(307, location);
            assert!(followed.is_none() || location.is_empty(), "{location}: {followed:?}");
        }
        for status in [200, 301, 302, 303] {
            assert_eq!(path(status, "/mcp/"), None, "{status}");
        }
    }
}

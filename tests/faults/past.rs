//! Looks at the cluster as it was. The API server keeps the past for a few minutes, and gives any list
//! at an exact version; it has no such thing for one object, which is a list of one here.

use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde_json::Value;

use super::answers::{failure, whole};
use super::call::{Call, Verb};
use super::gate::{Body, BoxError};

/// The same read, as it would have been at a version.
pub fn uri(uri: &Uri, call: &Call, version: u64) -> Result<Uri, BoxError> {
    let old = uri.query().unwrap_or_default();
    if old.contains("continue=") {
        return Ok(uri.clone());
    }
    let kept = old.split('&').filter(|it| !it.is_empty() && !it.starts_with("resourceVersion"));
    let mut query: Vec<_> = kept.map(str::to_owned).collect();
    query.push(format!("resourceVersion={version}&resourceVersionMatch=Exact"));
    let mut path = uri.path().to_owned();
    if call.verb == Verb::Get {
        query.push(format!("fieldSelector=metadata.name%3D{}", call.name));
        let end = path.rfind(&format!("/{}", call.name)).unwrap_or(path.len());
        path.truncate(end);
    }
    Ok(format!("{path}?{}", query.join("&")).parse()?)
}

/// Where an object was wanted by its metadata alone, so is the list.
pub fn accept_list(headers: &mut HeaderMap) {
    let wanted = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let wanted = wanted.replace("as=PartialObjectMetadata;", "as=PartialObjectMetadataList;");
    if let Ok(value) = HeaderValue::from_str(&wanted) {
        headers.insert(ACCEPT, value);
    }
}

/// The one object of a list, as an answer of its own.
pub fn only_item(list: &[u8]) -> Result<Response<Body>, BoxError> {
    let list: Value = serde_json::from_slice(list)?;
    let Some(mut item) = list["items"].get(0).cloned() else { return Ok(failure(404)) };
    item["apiVersion"] = list["apiVersion"].clone();
    item["kind"] = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").into();
    let mut response = Response::new(whole(item.to_string().into()));
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

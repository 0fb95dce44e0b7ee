//! Answers that the API server did not give.

use futures::stream::iter;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use std::convert::Infallible;

use super::gate::{Body, BoxError};

/// A failure, as the API server words it; 503 as what stands before it words it.
pub fn failure(code: u16) -> Response<Body> {
    let (type_, body) = match code {
        503 => ("text/plain", "no server is available to handle this request\n".to_owned()),
        _ => ("application/json", status(code).to_string()),
    };
    let mut response = Response::new(whole(body.into()));
    *response.status_mut() = code.try_into().unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(type_));
    if code == 429 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// What the API server says of a failure.
pub fn status(code: u16) -> Value {
    let (reason, message) = match code {
        404 => ("NotFound", "it is not found"),
        409 => {
            ("Conflict", "the object has been modified; please apply your changes to the latest version and try again")
        }
        410 => ("Expired", "too old resource version"),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request",
        ),
        _ => ("InternalError", "etcdserver: request timed out"),
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code})
}

pub fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The answer up to its half; then the connection breaks.
pub async fn half(answer: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    let frames: [Result<_, BoxError>; 2] = [Ok(Frame::data(body.slice(..body.len() / 2))), Err("it breaks".into())];
    Ok(Response::from_parts(head, StreamBody::new(iter(frames)).boxed_unsync()))
}

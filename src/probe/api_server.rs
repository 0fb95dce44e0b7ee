//! The way to a Service that leads through the API server, for an operator that is not in the
//! cluster: `/api/v1/namespaces/NAMESPACE/services/NAME:PORT/proxy/PATH`.
//!
//! The server sees the host name that clients in the cluster use, since the API server passes
//! `Host` on. It takes `Authorization` for itself and passes on none.

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request, Response, Uri,
    body::Bytes,
    header::{AUTHORIZATION, HeaderValue, LOCATION},
};
use kube::client::Client;
use serde::Deserialize;

use super::{
    classify::is_media_type,
    connection::{Body, ConnectError},
    target::Service,
    wire::Fault,
};

/// Longest answer that is looked at for words of the API server's own.
const STATUS: usize = 64 << 10;

/// The way to one Service.
pub struct Passage {
    client: Client,
    prefix: String,
}

/// What the API server answers when it does not pass a request on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    kind: String,
    api_version: String,
    message: String,
}

impl Passage {
    pub fn new(client: Client, service: &Service) -> Self {
        let Service { namespace, name, port } = service;
        Self { client, prefix: format!("/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy") }
    }

    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, Fault> {
        let path = format!("{}{}", self.prefix, request.uri());
        *request.uri_mut() = path.parse::<Uri>().map_err(|_| not_passed_on("the path cannot be passed on"))?;
        strip(request.headers_mut());
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let request = Request::from_parts(head, kube::client::Body::from(body));
        let response = self.client.send(request).await.map_err(|error| not_passed_on(&error.to_string()))?;
        let (mut head, body) = response.into_parts();
        self.mend_location(&mut head.headers);
        if head.status.is_success() || !is_media_type(&head.headers, "application/json") {
            let body = body.map_err(|_| Fault::Closed).boxed_unsync();
            return Ok(Response::from_parts(head, body));
        }
        let bytes = Limited::new(body, STATUS).collect().await.map_err(|_| Fault::TooLarge(STATUS))?.to_bytes();
        match serde_json::from_slice::<Status>(&bytes) {
            Ok(status) if status.kind == "Status" && status.api_version == "v1" => Err(not_passed_on(&status.message)),
            _ => Ok(Response::from_parts(head, Full::new(bytes).map_err(|never| match never {}).boxed_unsync())),
        }
    }

    /// The API server has put its own address before where the server leads to.
    fn mend_location(&self, headers: &mut HeaderMap) {
        let Some(location) = headers.get(LOCATION).and_then(|it| it.to_str().ok()) else { return };
        let Some((_, path)) = location.split_once(&self.prefix) else { return };
        if let Ok(path) = HeaderValue::from_str(if path.is_empty() { "/" } else { path }) {
            headers.insert(LOCATION, path);
        }
    }
}

/// Takes out what the API server would take as addressed to itself: who writes an `MCPServer` must
/// not speak to it in the operator's name.
fn strip(headers: &mut HeaderMap) {
    let is_for_api_server =
        |name: &str| name == AUTHORIZATION || name.starts_with("impersonate-") || name.starts_with("x-remote-");
    let taken: Vec<_> = headers.keys().filter(|it| is_for_api_server(it.as_str())).cloned().collect();
    for name in taken {
        headers.remove(name);
    }
}

fn not_passed_on(message: &str) -> Fault {
    ConnectError::ApiServer { message: message.to_owned() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Config;

    fn passage() -> Passage {
        let client = Client::try_from(Config::new("http://localhost:1".parse().unwrap())).unwrap();
        Passage::new(client, &Service { namespace: "team".into(), name: "echo".into(), port: 3001 })
    }

    #[tokio::test]
    async fn a_redirect_leads_to_the_server_again() {
        let mended = |location: &'static str| {
            let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            passage().mend_location(&mut headers);
            headers[LOCATION].to_str().unwrap().to_owned()
        };
        let prefix = "/api/v1/namespaces/team/services/echo:3001/proxy";
        assert_eq!(passage().prefix, prefix);
        assert_eq!(mended("https://api:6443/api/v1/namespaces/team/services/echo:3001/proxy/mcp/"), "/mcp/");
        assert_eq!(mended("/api/v1/namespaces/team/services/echo:3001/proxy/mcp/?a=b"), "/mcp/?a=b");
        assert_eq!(mended("https://login.example/"), "https://login.example/");
    }

    #[test]
    fn nothing_is_said_in_the_operators_name() {
        let headers = ["authorization", "impersonate-user", "impersonate-extra-x", "x-remote-user", "x-api-key"];
        let mut headers: HeaderMap =
            headers.into_iter().map(|name| (name.parse().unwrap(), HeaderValue::from_static("v"))).collect();
        strip(&mut headers);
        assert_eq!(headers.keys().map(ToString::to_string).collect::<Vec<_>>(), ["x-api-key"]);
    }
}

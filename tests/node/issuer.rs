//! An identity provider that has just what it takes to check a token: discovery and keys.

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::ByteString;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves until dropped.
pub struct Issuer {
    pub url: String,
    key: EcdsaKeyPair,
    serving: JoinHandle<()>,
}

impl Issuer {
    pub async fn start(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let random = SystemRandom::new();
        let stored = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok().context("no key")?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, stored.as_ref(), &random)
            .ok()
            .context("no key")?;
        let pages = Arc::new(pages(&url, key.public_key().as_ref())?);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pages = Arc::clone(&pages);
                let answer = service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(page(pages.as_slice(), &request)))
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(connection);
            }
        });
        Ok(Self { url, key, serving })
    }

    /// What a program says in `Authorization` that has a token for this audience.
    pub fn bearer(&self, audience: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "1"});
        let claims = json!({"iss": self.url, "aud": audience, "sub": "a program", "iat": now, "exp": now + 3600});
        let signed = format!("{}.{}", base64url(header.to_string())?, base64url(claims.to_string())?);
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok().context("cannot sign")?;
        Ok(format!("Bearer {signed}.{}", base64url(signature)?))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn pages(url: &str, key: &[u8]) -> Result<[(&'static str, Value); 2]> {
    let discovery = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    // A byte that says "uncompressed", then both coordinates.
    let (x, y) = key.get(1..).context("an empty key")?.split_at(32);
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "1", "x": base64url(x)?, "y": base64url(y)?,
    });
    Ok([("/.well-known/openid-configuration", discovery), ("/keys", json!({"keys": [key]}))])
}

fn page(pages: &[(&str, Value)], request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let found = pages.iter().find(|(path, _)| *path == request.uri().path());
    let mut response = Response::new(Full::new(found.map(|(_, page)| page.to_string()).unwrap_or_default().into()));
    if found.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

fn base64url(bytes: impl AsRef<[u8]>) -> Result<String> {
    let encoded = serde_json::to_value(ByteString(bytes.as_ref().to_owned()))?;
    let encoded = encoded.as_str().context("not a text")?;
    Ok(encoded.trim_end_matches('=').replace('+', "-").replace('/', "_"))
}

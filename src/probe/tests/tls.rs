//! `https`: with a certificate that is trusted, and with all that can be wrong.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::scripted::{Answer, Scripted, always, discovered, http, read_request, result_text, short};
use crate::probe::{Conversation, Era, Limits, Outcome, Prober, Report, Target};

/// A server with a certificate for `name`, and a client that trusts it.
async fn start(name: &str) -> (SocketAddr, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut stream = BufReader::new(stream);
            while let Some(request) = read_request(&mut stream).await {
                let json = "Content-Type: application/json\r\n";
                let reply = http(200, json, &result_text(&request, &discovered()));
                let _ = stream.write_all(&reply).await;
                let _ = stream.flush().await;
            }
        }
    });
    (address, Arc::new(client))
}

async fn probe(prober: Prober, url: &str, address: SocketAddr) -> Report {
    let target = Target::new(url).unwrap().with_connect(&address.ip().to_string(), address.port());
    prober.with_limits(short()).probe(&target, Conversation::Light(Era::Modern)).await
}

fn assert_unreachable(report: &Report, says: &str) {
    assert_eq!(report.outcome.reason().as_str(), "Unreachable", "{report}");
    assert!(report.to_string().contains(says), "{report}");
}

#[tokio::test]
async fn a_trusted_certificate() {
    let (address, tls) = start("mcp.example.com").await;
    let report = probe(Prober::default().with_tls(tls), "https://mcp.example.com/mcp", address).await;
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let (address, tls) = start("mcp.example.com").await;
    let report = probe(Prober::default().with_tls(tls), "https://other.example.com/mcp", address).await;
    assert_unreachable(&report, "certificate");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed() {
    let (address, _) = start("mcp.example.com").await;
    let (_, other) = start("mcp.example.com").await;
    let report = probe(Prober::default().with_tls(other), "https://mcp.example.com/mcp", address).await;
    assert_unreachable(&report, "certificate");
}

#[tokio::test]
async fn plain_http_on_the_port() {
    let server = Scripted::start(always(Answer::Bytes(http(400, "", "")))).await;
    let (_, tls) = start("a").await;
    let report = probe(Prober::default().with_tls(tls), "https://a.example/mcp", server.address).await;
    assert_unreachable(&report, "TLS with a.example failed");
}

#[tokio::test]
async fn a_port_that_closes_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let (_, tls) = start("a").await;
    let report = probe(Prober::default().with_tls(tls), "https://a.example/mcp", address).await;
    assert_unreachable(&report, "TLS with a.example failed");
}

#[tokio::test]
async fn a_handshake_that_hangs() {
    // Connected by the kernel, never accepted.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, tls) = start("a").await;
    let limits = Limits { connect: Duration::from_millis(200), ..short() };
    let target = Target::new("https://a.example/mcp").unwrap().with_connect(&address.ip().to_string(), address.port());
    let prober = Prober::default().with_tls(tls).with_limits(limits);
    let report = prober.probe(&target, Conversation::Full).await;
    assert_unreachable(&report, "no connection to a.example within 200ms");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = probe(Prober::default(), "http://a.example/mcp", address).await;
    assert_unreachable(&report, "refused");
    assert!(report.hint().contains("0.0.0.0"), "{}", report.hint());
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let target = Target::new("http://no-such-host.invalid/mcp").unwrap();
    let limits = Limits { connect: Duration::from_secs(5), ..short() };
    let report = Prober::default().with_limits(limits).probe(&target, Conversation::Full).await;
    assert_unreachable(&report, "no-such-host.invalid");
}

//! Holds one conversation: reads the Secrets that it needs, and lets the probe ask.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::future::Future;
use std::time::Duration;

use super::course::{Lane, NEW_CONNECTION, PROMPT};
use super::schedule::Job;
use super::subject::{Door, Subject};
use super::verdict::Verdict;
use crate::api::conditions::Reason;
use crate::probe::{Limits, Prober, Report, Target, TargetError};
use crate::settings::VerificationRoute;
use crate::validate::{HeaderSource, PlannedHeader};

/// How a job ended.
#[derive(Debug)]
pub enum Answer {
    /// The conversation was held, whatever it came to.
    Talked(Report),
    /// It cannot be held as the spec wants it.
    Blocked(Verdict),
    /// It could not be held just now, for a reason that is not the server's.
    Later,
}

/// Holds conversations.
pub trait Ask: Send + Sync + 'static {
    /// Holds one.
    fn ask(&self, job: &Job) -> impl Future<Output = Answer> + Send;
}

/// Holds them over the network.
pub struct Network {
    client: Client,
    eager: Prober,
    prompt: Prober,
    patient: Prober,
}

impl Network {
    /// By way of `route`; `client` reads Secrets, and `conversations` leads through the API server.
    pub fn new(client: Client, conversations: &Client, route: VerificationRoute) -> Self {
        let prober = |limits| {
            let prober = Prober::default().with_limits(limits);
            if route == VerificationRoute::ApiServer { prober.through(conversations.clone()) } else { prober }
        };
        let short = Limits {
            total: Duration::from_secs(3),
            farewell: Duration::from_millis(500),
            connect: PROMPT,
            request: Duration::from_millis(1500),
            ..Limits::default()
        };
        let eager = prober(Limits { connect: NEW_CONNECTION, ..short });
        let (prompt, patient) = (prober(short), prober(Limits::default()));
        Self { client, eager, prompt, patient }
    }

    async fn target(&self, subject: &Subject) -> Result<Target, Answer> {
        let target =
            Target::new(&subject.url).map_err(|error| unusable(&format!("The URL cannot be called: {error}.")))?;
        let mut target = target.with_replicas(subject.pods.len() > 1);
        if let Some(service) = &subject.service {
            target = target.with_service(service.clone());
        }
        if let Some((host, port)) = &subject.connect {
            target = target.with_connect(host, *port);
        }
        for PlannedHeader { name, value } in &subject.headers {
            let value = match value {
                HeaderSource::Text(text) => Some(text.clone()),
                HeaderSource::Secret { name, key, optional } => {
                    self.read(&subject.namespace, name, key, *optional).await?
                }
            };
            let Some(value) = value else { continue };
            target = target.with_header(name, value.trim()).map_err(|error| about_header(name, &error))?;
        }
        Ok(target)
    }

    /// One key of a Secret; `None` if it may be missing and is.
    async fn read(&self, namespace: &str, name: &str, key: &str, optional: bool) -> Result<Option<String>, Answer> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), namespace);
        let secret = match secrets.get_opt(name).await {
            Ok(secret) => secret,
            Err(kube::Error::Api(status)) if status.is_forbidden() => return Err(not_allowed(name)),
            Err(error) => {
                tracing::warn!(%namespace, secret = %name, "cannot read the Secret for verification, trying again: {error}");
                return Err(Answer::Later);
            }
        };
        let Some(value) = secret.and_then(|it| it.data?.remove(key)) else {
            return if optional { Ok(None) } else { Err(missing(name, key)) };
        };
        String::from_utf8(value.0).map(Some).map_err(|_| {
            unusable(&format!("Key \"{key}\" of Secret \"{name}\", which verification.headers names, is no text."))
        })
    }
}

impl Ask for Network {
    async fn ask(&self, job: &Job) -> Answer {
        let target = match self.target(&job.subject).await {
            Ok(target) => target,
            Err(answer) => return answer,
        };
        let prober = match job.lane {
            Lane::Prompt if job.is_new && job.subject.door == Door::Service => &self.eager,
            Lane::Prompt => &self.prompt,
            Lane::Slow => &self.patient,
        };
        Answer::Talked(prober.probe(&target, job.conversation).await)
    }
}

fn not_allowed(secret: &str) -> Answer {
    Answer::Blocked(Verdict::blocked(
        Reason::Forbidden,
        format!(
            "The operator may not read Secret \"{secret}\", which verification.headers names: grant it the right to get \
             Secrets (rbac.readSecrets in the chart, or config/rbac/read_secrets.yaml)."
        ),
    ))
}

fn missing(secret: &str, key: &str) -> Answer {
    unusable(&format!(
        "Secret \"{secret}\" with the key \"{key}\", which verification.headers names, does not exist: create it."
    ))
}

fn about_header(name: &str, error: &TargetError) -> Answer {
    unusable(&format!("The header {name} of verification.headers cannot be sent: {error}."))
}

fn unusable(message: &str) -> Answer {
    Answer::Blocked(Verdict::blocked(Reason::MissingReference, message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Service;
    use kube::Config;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// An API server and an MCP server in one: answers a GET with `secret`, all else with 404.
    async fn servers(status: u16, secret: &'static str) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 16 << 10];
                let length = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let (status, body) = if head.starts_with("GET /api/") { (status, secret) } else { (404, "") };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                heads.lock().unwrap().push(head);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (address, seen)
    }

    /// What comes of asking a server with the header `X-Key` from key `mcp` of Secret `keys`.
    async fn ask(status: u16, secret: &'static str, optional: bool) -> (Answer, Vec<String>) {
        let (address, seen) = servers(status, secret).await;
        let client = Client::try_from(Config::new(format!("http://{address}").parse().unwrap())).unwrap();
        let network = Network::new(client.clone(), &client, VerificationRoute::Direct);
        let value = HeaderSource::Secret { name: "keys".into(), key: "mcp".into(), optional };
        let subject = Subject {
            namespace: "team".into(),
            name: "echo".into(),
            url: format!("http://{address}/mcp"),
            door: Door::Service,
            service: Some(Service { namespace: "team".into(), name: "echo".into(), port: 80 }),
            connect: None,
            route: None,
            headers: vec![PlannedHeader { name: "X-Key".into(), value }],
            interval: Duration::from_mins(1),
            pods: Vec::new(),
        };
        let answer = network.ask(&Job::for_test(subject)).await;
        let seen = seen.lock().unwrap().clone();
        (answer, seen)
    }

    fn blocked(answer: &Answer) -> (Reason, &str) {
        let Answer::Blocked(verdict) = answer else { panic!("{answer:?}") };
        (verdict.reason, &verdict.message)
    }

    #[tokio::test]
    async fn a_header_comes_from_just_the_secret_that_is_named() {
        // "s3cret-value\n"
        let (answer, seen) = ask(200, r#"{"data": {"mcp": "czNjcmV0LXZhbHVlCg=="}}"#, false).await;
        assert!(seen[0].starts_with("GET /api/v1/namespaces/team/secrets/keys"), "{seen:?}");
        assert!(seen[1].contains("x-key: s3cret-value\r\n"), "{seen:?}");
        assert!(matches!(&answer, Answer::Talked(_)) && !format!("{answer:?}").contains("s3cret"), "{answer:?}");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_secret_is_told() {
        let forbidden =
            r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}"#;
        let (answer, seen) = ask(403, forbidden, false).await;
        assert_eq!(blocked(&answer).0, Reason::Forbidden);
        assert!(blocked(&answer).1.contains("rbac.readSecrets") && seen.len() == 1, "the server is not asked");
        let (answer, _) = ask(200, r#"{"data": {"other": "YQ=="}}"#, false).await;
        assert_eq!(blocked(&answer).0, Reason::MissingReference);
        let (answer, seen) = ask(200, r#"{"data": {"other": "YQ=="}}"#, true).await;
        assert!(matches!(answer, Answer::Talked(_)) && !seen[1].contains("x-key"), "it may be missing: {seen:?}");
        // "a\0b"
        let (answer, _) = ask(200, r#"{"data": {"mcp": "YQBi"}}"#, false).await;
        assert!(blocked(&answer).1.contains("x-key has characters"), "{answer:?}");
        let error =
            r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500}"#;
        let (answer, _) = ask(500, error, false).await;
        assert!(matches!(answer, Answer::Later), "{answer:?}");
    }
}

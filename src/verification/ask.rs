//! Holds one conversation: reads the Secrets that it needs, and lets the probe ask.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::future::Future;
use std::time::Duration;

use super::course::{Lane, PROMPT};
use super::schedule::Job;
use super::subject::Subject;
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
#[expect(private_interfaces, reason = "jobs are nobody else's matter")]
pub trait Ask: Send + Sync + 'static {
    /// Holds one.
    fn ask(&self, job: &Job) -> impl Future<Output = Answer> + Send;
}

/// Holds them over the network.
pub struct Network {
    client: Client,
    prompt: Prober,
    patient: Prober,
}

impl Network {
    /// By way of `route`; `client` reads Secrets.
    pub fn new(client: Client, route: VerificationRoute) -> Self {
        let prober = |limits| {
            let prober = Prober::default().with_limits(limits);
            if route == VerificationRoute::ApiServer { prober.through(client.clone()) } else { prober }
        };
        let short = Limits {
            total: Duration::from_secs(3),
            farewell: Duration::from_millis(500),
            connect: PROMPT,
            request: Duration::from_millis(1500),
            ..Limits::default()
        };
        let (prompt, patient) = (prober(short), prober(Limits::default()));
        Self { client, prompt, patient }
    }

    async fn target(&self, subject: &Subject) -> Result<Target, Answer> {
        let target =
            Target::new(&subject.url).map_err(|error| unusable(&format!("The URL cannot be called: {error}.")))?;
        let mut target = target.with_service(subject.service.clone()).with_replicas(subject.pods.len() > 1);
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

#[expect(private_interfaces, reason = "jobs are nobody else's matter")]
impl Ask for Network {
    async fn ask(&self, job: &Job) -> Answer {
        let target = match self.target(&job.subject).await {
            Ok(target) => target,
            Err(answer) => return answer,
        };
        let prober = match job.lane {
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

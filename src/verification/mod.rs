//! Asks every server, again and again, whether an MCP client can use it; outside of the reconcile
//! workers, which only say what is to be asked and take the answer that there is.
//!
//! ```text
//! reconcile ── Subject ──> Schedule ── Job ──> Ask (the probe) ── Answer ──> Schedule
//!     ^ └───────────── Verification ──────────────┘ Course: when next, and       │
//!     └───────────────────── news: "look at this server again" ─── is it news? ──┘
//! ```
//!
//! - [`schedule`](self) and [`course`](self) are pure: they are told the time, and start nothing.
//! - Verdicts live in memory. After a restart, what a status says holds until the first answer.

mod ask;
mod course;
mod schedule;
mod subject;
#[cfg(test)]
mod tests;
mod verdict;

pub use ask::Network;
pub use subject::{Door, Subject};
pub use verdict::{Verdict, Verification, Verifications};

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::stream::FuturesUnordered;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::observe::{ExposureState, Observation};
use crate::settings::{VerificationRoute, VerificationSettings};
use crate::validate::ValidatedServer;
use ask::{Answer, Ask};
use schedule::{Job, Schedule};

/// How long conversations that are under way may still take when the operator stops: they end the
/// sessions that they opened.
const FAREWELL: Duration = Duration::from_secs(3);

/// Namespace and name of a server whose verdict has changed.
pub type News = (String, String);

/// Keeps what is to be verified, and what is known of it.
pub struct Verifier<A = Network> {
    ask: A,
    settings: VerificationSettings,
    schedule: Mutex<Schedule>,
    has_changed: Notify,
    news: UnboundedSender<News>,
    metrics: Arc<Metrics>,
}

impl<A: Ask> Verifier<A> {
    /// A verifier, and what it has to tell.
    pub fn new(ask: A, settings: &VerificationSettings, metrics: Arc<Metrics>) -> (Self, UnboundedReceiver<News>) {
        let (news, told) = unbounded();
        let schedule = Mutex::new(Schedule::new(settings.concurrency));
        let verifier = Self { ask, settings: settings.clone(), schedule, has_changed: Notify::new(), news, metrics };
        (verifier, told)
    }

    /// Notes that `server` is to be verified as it is observed to be, and gives what is known. Costs
    /// no request.
    pub fn verify(&self, server: &ValidatedServer, observation: &Observation) -> Verifications {
        let uid = &server.owner.uid;
        let plan = server.verification.as_ref().filter(|_| self.settings.route != VerificationRoute::None);
        let Some(plan) = plan else {
            self.forget(uid);
            return Verification::Off.into();
        };
        let subject = Subject::of_service(server, plan, observation, self.settings.interval.duration());
        let front = subject.as_ref().and_then(|it| it.of_front(observation));
        let is_called =
            self.settings.front_door && observation.exposure.as_ref().is_none_or(ExposureState::is_callable);
        // In this order: the front door's course looks at the Service's.
        let service = self.want(uid, Door::Service, subject);
        let front = if is_called { self.want(uid, Door::Front, front) } else { Verification::Off };
        Verifications { service, front }
    }

    fn want(&self, uid: &str, door: Door, subject: Option<Subject>) -> Verification {
        let Some(subject) = subject else {
            self.schedule().rest(uid, door);
            return Verification::Waiting;
        };
        let (known, is_due) = self.schedule().want(uid, subject, Instant::now());
        if is_due {
            self.has_changed.notify_one();
        }
        known.map_or(Verification::Asked, Verification::Known)
    }

    /// Forgets a server that is gone.
    pub fn forget(&self, uid: &str) {
        self.schedule().forget(uid);
    }

    /// Holds conversations until `shutdown` ends.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut running = FuturesUnordered::new();
        loop {
            let (jobs, next) = self.schedule().start(Instant::now());
            running.extend(jobs.into_iter().map(|job| self.hold(job)));
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            tokio::select! {
                () = &mut shutdown => break,
                () = self.has_changed.notified() => {}
                () = tokio::time::sleep_until(next) => {}
                Some(()) = running.next() => {}
            }
        }
        let _ = tokio::time::timeout(FAREWELL, running.collect::<()>()).await;
    }

    async fn hold(&self, job: Job) {
        let began = Instant::now();
        let answer = self.ask.ask(&job).await;
        let took = began.elapsed();
        if let Answer::Talked(report) = &answer {
            self.metrics.verified(report.outcome.reason().as_str(), took);
        }
        let is_news = self.schedule().ended(&job, answer, took, Instant::now());
        if is_news {
            let Subject { namespace, name, .. } = &*job.subject;
            // Nobody listens any more while the operator stops.
            let _ = self.news.unbounded_send((namespace.clone(), name.clone()));
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

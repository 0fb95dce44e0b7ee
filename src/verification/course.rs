//! One server's course: what its last conversations came to, and when the next one is due. Pure.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::ask::Answer;
use super::subject::{Door, Subject};
use super::verdict::Verdict;
use crate::api::conditions::Reason;
use crate::jitter;
use crate::probe::{Conversation, Era, Outcome, Report};

/// How long pods are new: kube-proxy and name servers hear of them a little after Kubernetes says
/// that they are ready.
const NEW: Duration = Duration::from_secs(5);

/// How long a way in is new: its controller takes it up within seconds.
const NEW_FRONT: Duration = Duration::from_secs(15);

/// How long what was before may still answer outside: proxies gather changes, and forget an old route, or a pod
/// that is gone, a moment before or after they take up the new one.
const OLD_FRONT: Duration = Duration::from_secs(5);

/// Between attempts to reach new pods, and to find a new way in.
const QUICK: Duration = Duration::from_millis(100);
const QUICK_FRONT: Duration = Duration::from_millis(500);

/// A connection to new pods is given up after this time: made in the midst of kube-proxy's work, it
/// gets lost.
pub(super) const NEW_CONNECTION: Duration = Duration::from_millis(150);

/// Before a failure is believed, it is looked at again after this time.
const CONFIRM: Duration = Duration::from_secs(2);

/// Between conversations with a server that fails, at first and at most.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);

/// A server that keeps sessions which nobody can end is asked no more often.
const SPARING: Duration = Duration::from_mins(10);

/// How long a proxy may say that there is no server behind it until that is believed.
const PROXY_PATIENCE: Duration = Duration::from_mins(5);

/// After so many light conversations comes a full one: tools may have come or gone.
const FULL_EVERY: u32 = 15;

/// A conversation that is over in this time has waited for no limit of [`Lane::Prompt`].
pub(super) const PROMPT: Duration = Duration::from_millis(500);

/// Servers that let one wait have places of their own, so that they hold up nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Short limits: a conversation that meets one is not believed but held again on the other.
    Prompt,
    /// The full limits of a conversation.
    Slow,
}

/// One server's course.
pub(super) struct Course {
    pub(super) subject: Arc<Subject>,
    pub(super) verdict: Option<Arc<Verdict>>,
    pub(super) due: Instant,
    pub(super) lane: Lane,
    /// Of the conversation that is under way.
    pub(super) ticket: Option<u64>,
    new_from: Instant,
    /// Before, an old way or an old pod may answer a proxy.
    settled_from: Instant,
    /// There is nothing to ask for now.
    pub(super) is_resting: bool,
    /// Failures in a row.
    failures: u32,
    /// Since when there is nothing but answers that leave open what is so.
    open_since: Option<Instant>,
    /// How the server was last met.
    era: Option<Era>,
    /// Light conversations since the last full one.
    light: u32,
}

impl Course {
    pub(super) fn new(subject: Subject, now: Instant) -> Self {
        Self {
            subject: Arc::new(subject),
            verdict: None,
            due: now,
            lane: Lane::Prompt,
            ticket: None,
            new_from: now,
            settled_from: now,
            is_resting: false,
            failures: 0,
            open_since: None,
            era: None,
            light: 0,
        }
    }

    /// Takes in what is to be verified now; says whether that is due at once.
    pub(super) fn want(&mut self, subject: Subject, now: Instant) -> bool {
        let has_old = subject.is_led_another_way(&self.subject) || self.subject.has_new_pods(&subject);
        if has_old {
            self.settled_from = now + OLD_FRONT;
        }
        let settled_from = self.settled_from;
        if self.is_resting || subject.is_another(&self.subject) {
            *self = Self { settled_from, ..Self::new(subject, now) };
            return true;
        }
        let is_due = subject.has_new_pods(&self.subject);
        if is_due {
            let verdict = self.verdict.take();
            *self = Self { verdict, settled_from, ..Self::new(subject, now) };
        } else if subject != *self.subject {
            self.due = self.due.min(now + subject.interval);
            self.subject = Arc::new(subject);
        }
        is_due
    }

    /// From when on no proxy leads to what was before.
    pub(super) fn settled_from(&self) -> Instant {
        self.settled_from
    }

    /// Puts that off.
    pub(super) fn settle_from(&mut self, time: Instant) {
        self.settled_from = self.settled_from.max(time);
    }

    /// Has nothing to ask for a while, and forgets what is known.
    pub(super) fn rest(&mut self) {
        self.is_resting = true;
        self.verdict = None;
        self.ticket = None;
    }

    /// Whether the server was fine, and failed just now: it goes before others.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.failures > 0 && self.verdict.as_ref().is_none_or(|it| it.is_usable)
    }

    /// Whether pods are so new that not everybody may know of them.
    pub(super) fn is_new(&self, now: Instant) -> bool {
        now < self.new_from + if self.subject.door == Door::Front { NEW_FRONT } else { NEW }
    }

    /// From when on an answer at the front door counts. A proxy that asks for credentials itself may do so before
    /// it has heard of the pods.
    fn counts_from(&self, outcome: &Outcome) -> Instant {
        match outcome {
            Outcome::AuthRequired(_) | Outcome::AuthRequiredUnverified => {
                self.settled_from.max(self.new_from + OLD_FRONT)
            }
            _ => self.settled_from,
        }
    }

    /// How much to ask next.
    pub(super) fn conversation(&self) -> Conversation {
        let is_fine = self.verdict.as_ref().is_some_and(|it| it.reason == Reason::Verified);
        match self.era {
            Some(era) if is_fine && self.light < FULL_EVERY => Conversation::Light(era),
            _ => Conversation::Full,
        }
    }

    /// Takes in how a conversation ended; says whether that is news.
    pub(super) fn ended(&mut self, answer: Answer, took: Duration, now: Instant) -> bool {
        match answer {
            Answer::Later => {
                self.due = now + self.backoff();
                self.failures += 1;
                false
            }
            Answer::Blocked(verdict) => {
                self.due = now + self.backoff();
                self.failures += 1;
                self.adopt(verdict)
            }
            Answer::Talked(report) if self.subject.door == Door::Front && now < self.counts_from(&report.outcome) => {
                self.due = self.counts_from(&report.outcome);
                false
            }
            Answer::Talked(report) if self.is_new(now) && may_be_lag(self.subject.door, &report.outcome) => {
                self.due = now + if self.subject.door == Door::Front { QUICK_FRONT } else { QUICK };
                false
            }
            Answer::Talked(report) if self.is_cut_short(&report, took) => {
                self.lane = Lane::Slow;
                self.failures += 1;
                self.due = now;
                false
            }
            Answer::Talked(report) => self.talked(&report, took, now),
        }
    }

    /// Whether the short limits may have made the report what it is.
    fn is_cut_short(&self, report: &Report, took: Duration) -> bool {
        self.lane == Lane::Prompt && took >= PROMPT && !(report.outcome == Outcome::Verified && self.is_enough(report))
    }

    /// Whether all was answered that was asked.
    fn is_enough(&self, report: &Report) -> bool {
        report.complete || self.conversation() != Conversation::Full
    }

    fn talked(&mut self, report: &Report, took: Duration, now: Instant) -> bool {
        self.lane = if took < PROMPT { Lane::Prompt } else { Lane::Slow };
        let is_news = match report.outcome.is_usable() {
            Some(true) => self.succeeded(report, now),
            Some(false) => self.failed(report, now),
            None => self.left_open(report, now),
        };
        if report.sessions_kept > 0 {
            self.due = self.due.max(now + jitter::around(SPARING));
        }
        is_news
    }

    fn succeeded(&mut self, report: &Report, now: Instant) -> bool {
        let was_light = !report.complete && self.conversation() != Conversation::Full;
        self.failures = 0;
        self.open_since = None;
        self.due = now + jitter::within(self.subject.interval);
        if was_light && report.outcome == Outcome::Verified {
            self.light += 1;
            return false;
        }
        self.light = 0;
        self.era = report.server.as_ref().and_then(|it| it.eras.first().copied());
        let known = self.verdict.as_ref().and_then(|it| it.server.clone());
        self.adopt(Verdict::of(self.subject.door, report, known.as_ref()))
    }

    /// One failure may be chance, two are not.
    fn failed(&mut self, report: &Report, now: Instant) -> bool {
        let is_known_to_fail = self.verdict.as_ref().is_some_and(|it| !it.is_usable && !it.is_open);
        self.failures += 1;
        if self.failures == 1 && !is_known_to_fail {
            self.due = now + CONFIRM;
            return false;
        }
        self.open_since = None;
        self.failures = self.failures.max(2);
        self.due = now + self.backoff();
        self.adopt(Verdict::of(self.subject.door, report, None))
    }

    fn left_open(&mut self, report: &Report, now: Instant) -> bool {
        let since = *self.open_since.get_or_insert(now);
        self.failures += 1;
        let (is_proxy, retry_after) = match report.outcome {
            Outcome::BackendUnavailable { retry_after, .. } => (true, retry_after),
            Outcome::RateLimited { retry_after } => (false, retry_after),
            _ => (false, None),
        };
        self.due = now + self.backoff().max(retry_after.unwrap_or_default());
        let mut verdict = Verdict::of(self.subject.door, report, None);
        verdict.is_open = !is_proxy || now.duration_since(since) < PROXY_PATIENCE;
        let is_the_best = self.verdict.as_ref().is_none_or(|it| it.is_open) || !verdict.is_open;
        is_the_best && self.adopt(verdict)
    }

    fn adopt(&mut self, verdict: Verdict) -> bool {
        let is_news = self.verdict.as_ref().is_none_or(|before| verdict.is_news_after(before));
        self.verdict = Some(Arc::new(verdict));
        is_news
    }

    /// Longer with each failure, and the first two count as one.
    fn backoff(&self) -> Duration {
        let doubled = SHORTEST.saturating_mul(2u32.saturating_pow(self.failures.saturating_sub(2)));
        jitter::around(doubled.min(LONGEST))
    }
}

/// Whether it may just be too early: to reach new pods, or for a way in to be taken up.
fn may_be_lag(door: Door, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unreachable { .. } | Outcome::BackendUnavailable { .. } => true,
        Outcome::EndpointNotFound | Outcome::NotMcp { .. } => door == Door::Front,
        _ => false,
    }
}

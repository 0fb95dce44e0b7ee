use super::ask::{Answer, Ask};
use super::course::{Course, Lane};
use super::schedule::{Job, Schedule};
use super::subject::{Door, Subject};
use super::verdict::Verdict;
use super::{Verification, Verifier};
use crate::api::conditions::Reason;
use crate::metrics::Metrics;
use crate::observe::{Called, ExposureState, FrontDoor, Observation, Workload};
use crate::probe::{Conversation, Era, Outcome, Report, Server, Service, Sessions, Standing, Step};
use crate::references::References;
use crate::settings::{Platform, Settings, VerificationSettings};
use crate::testing::{observation, server, smallest, smallest_with, validated};
use crate::validate::{ValidatedServer, validate};
use clap::Parser;
use futures::StreamExt;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const SHORT: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_mins(1);

fn subject(pods: &[&str]) -> Subject {
    Subject {
        namespace: "team".into(),
        name: "echo".into(),
        door: Door::Service,
        url: "http://echo.team.svc.cluster.local:3001/mcp".into(),
        service: Some(Service { namespace: "team".into(), name: "echo".into(), port: 3001 }),
        connect: None,
        route: None,
        headers: Vec::new(),
        interval: MINUTE,
        pods: pods.iter().map(|it| (*it).to_owned()).collect(),
    }
}

fn report(outcome: Outcome) -> Report {
    let server = outcome.is_verified().then(|| Server {
        name: "echo".into(),
        version: "1".into(),
        protocol_version: "2026-07-28".into(),
        eras: vec![Era::Modern, Era::Legacy],
        capabilities: vec!["tools".into(), "prompts".into()],
        tool_count: Some(2),
        tools_truncated: false,
        sessions: Some(Sessions::Stateful),
    });
    let (complete, host) = (true, "echo".to_owned());
    Report { outcome, server, complete, requests: 3, sessions_kept: 0, sent_headers: false, host }
}

fn talked(outcome: Outcome) -> Answer {
    Answer::Talked(report(outcome))
}

fn light() -> Answer {
    let mut light = report(Outcome::Verified);
    light.complete = false;
    light.server = light.server.map(|it| Server { tool_count: None, sessions: None, eras: vec![Era::Modern], ..it });
    Answer::Talked(light)
}

fn refused() -> Outcome {
    Outcome::Unreachable { step: Step::Port, cause: "connection refused".into() }
}

/// A course whose server was found to be fine, a while after its pods were new.
fn fine() -> (Course, Instant) {
    let now = Instant::now();
    let mut course = Course::new(subject(&["a"]), now);
    assert!(course.ended(talked(Outcome::Verified), SHORT, now));
    (course, now + MINUTE)
}

fn reason(course: &Course) -> Option<Reason> {
    course.verdict.as_ref().map(|it| it.reason)
}

#[test]
fn a_server_that_is_fine_is_asked_lightly_at_its_interval_and_fully_now_and_then() {
    let (mut course, now) = fine();
    assert!((now - MINUTE / 5..=now).contains(&course.due));
    assert_eq!(course.conversation(), Conversation::Light(Era::Modern));
    let server = course.verdict.as_ref().and_then(|it| it.server.clone()).expect("it said who it is");
    for _ in 0..15 {
        assert_eq!(course.conversation(), Conversation::Light(Era::Modern));
        assert!(!course.ended(light(), SHORT, now), "nothing new");
    }
    assert_eq!(course.conversation(), Conversation::Full);
    let kept = course.verdict.as_ref().and_then(|it| it.server.clone());
    assert_eq!(kept.as_ref(), Some(&server), "a light conversation leaves tools and eras as they were");
    assert_eq!(
        (server.tool_count, server.eras.join(" "), server.capabilities.join(" ")),
        (Some(2), "modern legacy".into(), "prompts tools".into())
    );
}

#[test]
fn one_failure_is_looked_at_again_and_two_are_believed() {
    let (mut course, now) = fine();
    assert!(!course.ended(talked(Outcome::EndpointNotFound), SHORT, now));
    assert_eq!((reason(&course), course.due), (Some(Reason::Verified), now + Duration::from_secs(2)));
    assert!(!course.ended(light(), SHORT, course.due), "it was chance");
    assert!(!course.ended(talked(Outcome::EndpointNotFound), SHORT, now));
    assert!(course.ended(talked(Outcome::EndpointNotFound), SHORT, course.due));
    assert_eq!(reason(&course), Some(Reason::EndpointNotFound));
    assert!(course.ended(talked(Outcome::Verified), SHORT, course.due), "one success is believed");
}

#[test]
fn a_server_that_fails_is_asked_ever_more_rarely_and_for_ever() {
    let (mut course, mut now) = fine();
    course.ended(talked(Outcome::EndpointNotFound), SHORT, now);
    let mut waits = Vec::new();
    for _ in 0..40 {
        now = course.due;
        let is_news = course.ended(talked(Outcome::EndpointNotFound), SHORT, now);
        assert_eq!(is_news, waits.is_empty(), "told once");
        waits.push((course.due - now).as_secs_f64());
        assert_eq!(course.conversation(), Conversation::Full);
    }
    assert!((4.0..=6.0).contains(&waits[0]) && (8.0..=12.0).contains(&waits[1]), "{waits:?}");
    assert!(waits[8..].iter().all(|it| (240.0..=360.0).contains(it)), "{waits:?}");
}

#[test]
fn another_detail_is_no_news_and_another_hint_is() {
    let (mut course, now) = fine();
    let says = |text: &str| talked(Outcome::NotMcp { seen: text.into() });
    course.ended(says("1"), SHORT, now);
    assert!(course.ended(says("2"), SHORT, now));
    assert!(!course.ended(says("3"), SHORT, now));
    let closed = Outcome::Unreachable { step: Step::Answer, cause: "closed".into() };
    assert!(course.ended(talked(refused()), SHORT, now));
    assert!(course.ended(talked(closed), SHORT, now));
}

#[test]
fn new_pods_are_asked_at_once_and_again_quickly_until_they_can_be_reached() {
    let (mut course, now) = fine();
    assert!(!course.want(subject(&["a"]), now), "nothing is new");
    assert!(course.want(subject(&["a", "b"]), now));
    assert_eq!((course.due, course.conversation()), (now, Conversation::Full));
    assert!(!course.ended(talked(refused()), SHORT, now));
    assert_eq!(course.due, now + Duration::from_millis(100));
    assert!(!course.ended(talked(refused()), SHORT, now + Duration::from_millis(4900)));
    assert_eq!(reason(&course), Some(Reason::Verified), "what was known holds meanwhile");
    let later = now + Duration::from_secs(5);
    assert!(!course.ended(talked(refused()), SHORT, later));
    assert!(course.ended(talked(refused()), SHORT, later));
    assert!(!course.want(subject(&["b"]), later), "a pod that goes away is no reason to ask");
}

#[test]
fn another_url_makes_what_was_known_void() {
    let (mut course, now) = fine();
    assert!(course.want(Subject { url: "http://echo/".into(), ..subject(&["a"]) }, now));
    assert_eq!(reason(&course), None);
    let sooner = Subject { interval: Duration::from_secs(15), ..subject(&["a"]) };
    let (mut course, now) = fine();
    let earlier = now - MINUTE;
    assert!(!course.want(sooner, earlier));
    assert_eq!(course.due, earlier + Duration::from_secs(15), "a shorter interval counts from now on");
}

#[test]
fn what_limits_cut_short_is_asked_again_with_time() {
    let (mut course, now) = fine();
    assert!(!course.ended(talked(Outcome::HandshakeTimeout), Duration::from_secs(2), now));
    assert_eq!((course.lane, course.due), (Lane::Slow, now), "at once, on the other lane");
    assert!(!course.ended(light(), Duration::from_secs(4), now), "it is slow and fine");
    assert_eq!(course.lane, Lane::Slow);
    assert!(!course.ended(light(), SHORT, now));
    assert_eq!(course.lane, Lane::Prompt, "it is quick again");
    course.ended(talked(Outcome::HandshakeTimeout), Duration::from_secs(2), now);
    assert!(course.ended(talked(Outcome::HandshakeTimeout), Duration::from_secs(5), now), "it hangs");
}

#[test]
fn a_server_without_time_keeps_what_is_known_and_is_not_pressed() {
    let (mut course, now) = fine();
    let wait = Some(Duration::from_mins(20));
    assert!(!course.ended(talked(Outcome::RateLimited { retry_after: wait }), SHORT, now));
    assert_eq!((reason(&course), course.due), (Some(Reason::Verified), now + Duration::from_mins(20)));
    let mut unknown = Course::new(subject(&["a"]), now);
    assert!(unknown.ended(talked(Outcome::RateLimited { retry_after: None }), SHORT, now));
    assert!(unknown.verdict.is_some_and(|it| it.is_open && it.standing == Standing::Unknown));
}

#[test]
fn a_proxy_without_a_server_is_believed_after_a_while() {
    let (mut course, now) = fine();
    let gone = || talked(Outcome::BackendUnavailable { status: 503, message: String::new(), retry_after: None });
    assert!(!course.ended(gone(), SHORT, now));
    assert!(!course.ended(gone(), SHORT, now + Duration::from_mins(4)));
    assert!(course.ended(gone(), SHORT, now + Duration::from_mins(5)));
    assert!(course.verdict.as_ref().is_some_and(|it| !it.is_usable && !it.is_open));
}

#[test]
fn a_server_that_keeps_sessions_is_asked_rarely() {
    let (mut course, now) = fine();
    let Answer::Talked(mut report) = talked(Outcome::Verified) else { panic!("a report") };
    report.sessions_kept = 1;
    course.ended(Answer::Talked(report), SHORT, now);
    assert!(course.due >= now + Duration::from_mins(8));
}

#[test]
fn what_stands_in_the_way_is_told_and_what_passes_is_not() {
    let (mut course, now) = fine();
    assert!(!course.ended(Answer::Later, SHORT, now));
    assert_eq!(reason(&course), Some(Reason::Verified));
    let blocked = || Answer::Blocked(Verdict::blocked(Reason::Forbidden, "Grant it.".into()));
    assert!(course.ended(blocked(), SHORT, now));
    assert!(!course.ended(blocked(), SHORT, now));
    assert_eq!(reason(&course), Some(Reason::Forbidden));
}

#[test]
fn servers_that_hang_leave_places_to_others() {
    let now = Instant::now();
    let mut schedule = Schedule::new(8);
    for at in 0..100 {
        schedule.want(&format!("hangs-{at}"), subject(&["a"]), now);
    }
    // Each takes a place once; from then on they share two.
    let mut hanging: Vec<Job> = Vec::new();
    for round in 0..17 {
        let (jobs, _) = schedule.start(now);
        let (slow, prompt): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|it| it.lane == Lane::Slow);
        hanging.extend(slow);
        assert!(prompt.len() <= 6 && hanging.len() <= 2, "round {round}");
        for job in prompt {
            schedule.ended(&job, talked(Outcome::HandshakeTimeout), Duration::from_secs(2), now);
        }
    }
    assert!(schedule.start(now).0.is_empty(), "all places for the slow are taken");
    schedule.want("healthy", subject(&["a"]), now);
    let (jobs, _) = schedule.start(now);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].lane, Lane::Prompt);
}

#[test]
fn the_answer_about_a_pod_that_is_gone_counts_for_nothing() {
    let now = Instant::now();
    let mut schedule = Schedule::new(8);
    schedule.want("u", subject(&["a"]), now);
    let (old, _) = schedule.start(now);
    assert_eq!(schedule.want("u", subject(&["b"]), now), (None, true));
    let (new, _) = schedule.start(now);
    assert_eq!((old.len(), new.len()), (1, 1));
    assert!(!schedule.ended(&old[0], talked(Outcome::Verified), SHORT, now));
    assert!(schedule.ended(&new[0], talked(Outcome::Verified), SHORT, now));
    schedule.forget("u");
    assert_eq!(schedule.start(now + MINUTE).0.len(), 0);
}

#[test]
fn a_server_in_doubt_goes_before_those_whose_turn_it_is() {
    let now = Instant::now();
    let mut schedule = Schedule::new(2);
    schedule.want("doubtful", subject(&["a"]), now);
    let (jobs, _) = schedule.start(now);
    schedule.ended(&jobs[0], talked(Outcome::EndpointNotFound), SHORT, now);
    let later = now + Duration::from_secs(3);
    schedule.want("waits", subject(&["w"]), now);
    schedule.want("waits, too", subject(&["w"]), now);
    let (jobs, next) = schedule.start(later);
    assert_eq!(jobs.len(), 1, "of two places one is for the slow");
    schedule.ended(&jobs[0], talked(Outcome::EndpointNotFound), SHORT, later);
    assert_eq!(next, None, "no place is free: the next end of a conversation tells");
    assert_eq!(schedule.want("doubtful", subject(&["a"]), later).0.map(|it| it.reason), Some(Reason::EndpointNotFound));
}

#[test]
fn only_pods_of_this_generation_that_answer_are_asked() {
    let server = validated(&smallest()).expect("valid");
    let plan = server.verification.clone().expect("servers are verified");
    let of = |workload, pods: &[&str]| {
        let ready_pods = pods.iter().map(|it| (*it).to_owned()).collect();
        let observation = Observation { ready_pods, ..observation(workload) };
        Subject::of_service(&server, &plan, &observation, MINUTE)
    };
    assert_eq!(of(Workload::Up, &["a"]).map(|it| it.url), Some(server.cluster_url.clone()));
    assert_eq!(of(Workload::Up, &[]), None);
    for workload in [
        Workload::Unseen,
        Workload::ScaledToZero,
        Workload::Down,
        Workload::RollingOut { serving: true },
        Workload::Stuck { serving: true },
    ] {
        assert_eq!(of(workload, &["a"]), None, "{workload:?}");
    }
}

// ---- The whole, on a clock of its own.

/// Answers as a test says, and remembers when it was asked.
#[derive(Default)]
struct Fake {
    hangs: Mutex<bool>,
    asked: Mutex<Vec<Instant>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Ask for Arc<Fake> {
    async fn ask(&self, job: &Job) -> Answer {
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        let hangs = *self.hangs.lock().expect("no panic") || job.subject.name.starts_with("hangs");
        if job.subject.name == "echo" {
            self.asked.lock().expect("no panic").push(Instant::now());
        }
        let takes = match (hangs, job.lane, job.conversation) {
            (false, ..) => SHORT,
            (true, Lane::Prompt, _) => Duration::from_millis(2500),
            (true, Lane::Slow, Conversation::Full) => Duration::from_secs(10),
            (true, Lane::Slow, _) => Duration::from_secs(5),
        };
        tokio::time::sleep(takes).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let outcome = if hangs { Outcome::HandshakeTimeout } else { Outcome::Verified };
        match job.conversation {
            Conversation::Full => talked(outcome),
            _ if hangs => talked(outcome),
            _ => light(),
        }
    }
}

fn settings() -> VerificationSettings {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }
    Cli::parse_from(["landfall"]).settings.verification
}

fn named(name: &str, interval: &str) -> ValidatedServer {
    let mut named = server(&smallest_with(&json!({"verification": {"interval": interval}})));
    (named.metadata.name, named.metadata.uid) = (Some(name.to_owned()), Some(name.to_owned()));
    validate(&named, &References::default(), &Platform::default()).expect("valid")
}

fn up() -> Observation {
    observation(Workload::Up)
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_noticed_within_two_intervals_and_so_is_its_end() {
    let fake = Arc::new(Fake::default());
    let (verifier, mut news) = Verifier::new(Arc::clone(&fake), &settings(), Arc::new(Metrics::default()));
    let server = named("echo", "15s");
    let conditions = async {
        assert_eq!(verifier.verify(&server, &up()).service, Verification::Asked);
        assert_eq!(news.next().await, Some(("team".into(), "echo".into())));
        assert!(
            matches!(verifier.verify(&server, &up()).service, Verification::Known(it) if it.reason == Reason::Verified)
        );
        *fake.hangs.lock().expect("no panic") = true;
        let began = Instant::now();
        news.next().await;
        assert!(
            matches!(verifier.verify(&server, &up()).service, Verification::Known(it) if it.reason == Reason::HandshakeTimeout)
        );
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_mins(30)).await;
        assert!(news.try_recv().is_err(), "nothing is new while it hangs");
        *fake.hangs.lock().expect("no panic") = false;
        let began = Instant::now();
        news.next().await;
        assert!(began.elapsed() < Duration::from_mins(7), "{:?}", began.elapsed());
        assert!(matches!(verifier.verify(&server, &up()).service, Verification::Known(it) if it.is_usable));
    };
    tokio::select! { () = conditions => {}, () = verifier.run(std::future::pending()) => {} }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_servers_that_hang_delay_nobody_else() {
    let fake = Arc::new(Fake::default());
    let (verifier, _news) = Verifier::new(Arc::clone(&fake), &settings(), Arc::new(Metrics::default()));
    let test = async {
        for at in 0..1000 {
            verifier.verify(&named(&format!("hangs-{at}"), "1m"), &up());
        }
        // Until each has shown what it is.
        tokio::time::sleep(Duration::from_mins(10)).await;
        let created = Instant::now();
        verifier.verify(&named("echo", "15s"), &up());
        tokio::time::sleep(Duration::from_mins(10)).await;
        let asked = fake.asked.lock().expect("no panic").clone();
        assert!(asked[0] - created < Duration::from_secs(1), "{:?}", asked[0] - created);
        let longest = asked.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest < Some(Duration::from_secs(18)), "{longest:?}");
        assert!(fake.most_at_once.load(Ordering::Relaxed) <= 16);
    };
    tokio::select! { () = test => {}, () = verifier.run(std::future::pending()) => {} }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_ended_in_good_order_and_nothing_new_begun() {
    let fake = Arc::new(Fake::default());
    let (verifier, _news) = Verifier::new(Arc::clone(&fake), &settings(), Arc::new(Metrics::default()));
    verifier.verify(&named("hangs-1", "1m"), &up());
    let began = Instant::now();
    verifier.run(tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(began.elapsed().as_millis(), 2500, "the conversation came to its end");
    verifier.forget("hangs-1");
}

fn front() -> Subject {
    let exposed = ExposureState::Admitted(FrontDoor {
        url: "https://public.example/mcp".into(),
        called: Some(Called {
            url: "https://echo.example:8443/mcp".into(),
            address: "203.0.113.7".into(),
            port: 8443,
            route: "a/1".into(),
        }),
        session_risk: None,
    });
    let observation = Observation { exposure: Some(exposed), ..up() };
    subject(&["a"]).of_front(&observation).expect("let in")
}

#[test]
fn the_front_door_is_called_where_the_way_in_leads_without_credentials() {
    let front = front();
    assert_eq!((front.url.as_str(), front.door), ("https://echo.example:8443/mcp", Door::Front));
    assert_eq!(front.connect, Some(("203.0.113.7".to_owned(), 8443)));
    assert!(front.service.is_none() && front.headers.is_empty());
    assert_eq!(subject(&["a"]).of_front(&up()), None, "it is not exposed");
}

#[test]
fn a_way_in_has_its_time_to_be_taken_up() {
    let began = Instant::now();
    let mut course = Course::new(front(), began);
    assert!(!course.ended(talked(Outcome::EndpointNotFound), SHORT, began));
    assert!(course.due <= began + Duration::from_secs(1) && course.verdict.is_none());
    let late = began + MINUTE;
    course.ended(talked(Outcome::EndpointNotFound), SHORT, late);
    assert!(course.ended(talked(Outcome::EndpointNotFound), SHORT, late), "believed when seen twice");
    let verdict = course.verdict.expect("a verdict");
    assert!(verdict.message.contains("another route has the same host"), "{verdict:?}");
    let mut service = Course::new(subject(&["a"]), began);
    service.ended(talked(Outcome::EndpointNotFound), SHORT, began);
    assert!(service.due >= began + Duration::from_secs(2), "a pod that answers 404 does so on purpose");
}

#[test]
fn another_way_to_the_same_url_is_believed_once_the_old_one_is_gone() {
    let began = Instant::now();
    let answered = || talked(Outcome::Verified);
    let by = |route: &str| Subject { route: Some(route.into()), ..front() };
    let mut course = Course::new(by("ingress/1"), began);
    assert!(course.ended(answered(), SHORT, began), "nothing else could have answered");

    // The Ingress is gone, and the HTTPRoute is not let in yet.
    course.rest();
    assert!(course.want(by("route/1"), began) && course.verdict.is_none());
    assert!(!course.ended(answered(), SHORT, began), "the Ingress may have answered");
    let later = course.due;
    assert_eq!(later, began + Duration::from_secs(5));
    assert!(course.ended(answered(), SHORT, later) && course.verdict.is_some());

    assert!(course.want(by("route/2"), later), "it was changed");
    assert!(!course.ended(answered(), SHORT, later));
    let later = course.due;
    assert!(course.want(Subject { url: "https://other.example/mcp".into(), ..by("route/3") }, later));
    assert!(course.ended(answered(), SHORT, later), "nothing has answered at this URL before");
    course.rest();
    course.want(Subject { url: "https://other.example/mcp".into(), ..by("route/3") }, later);
    assert!(course.ended(answered(), SHORT, later), "it only had no ready pods for a while");
}

#[test]
fn a_proxy_that_asks_for_credentials_may_not_have_heard_of_the_pods() {
    let began = Instant::now();
    let later = began + Duration::from_secs(5);
    let asks = || talked(Outcome::AuthRequiredUnverified);
    let mut course = Course::new(front(), began);
    assert!(!course.ended(asks(), SHORT, began) && course.due == later);
    assert!(course.ended(asks(), SHORT, later));
    assert!(Course::new(subject(&["a"]), began).ended(asks(), SHORT, began), "at its Service, the server says so");
}

#[test]
fn proxies_have_their_time_to_forget_pods_that_are_gone() {
    let began = Instant::now();
    let later = began + Duration::from_secs(5);
    let of_pods = |pods: &[&str]| Subject { pods: subject(pods).pods, ..front() };
    let rejected = || talked(Outcome::HostRejected { message: "no".into() });
    let mut course = Course::new(of_pods(&["a"]), began);
    assert!(course.ended(talked(Outcome::Verified), SHORT, began));
    course.rest();
    course.want(of_pods(&["b"]), began);
    assert!(!course.ended(talked(Outcome::Verified), SHORT, began), "the next call may come to the old pod");
    assert!(!course.ended(rejected(), SHORT, began), "it may be the old pod that says so");
    assert_eq!(course.due, later);
    assert!(course.ended(talked(Outcome::Verified), SHORT, later));
    course.want(of_pods(&["b", "c"]), later);
    assert!(!course.ended(light(), SHORT, later) && course.due > later + Duration::from_secs(5), "none is gone");

    let mut schedule = Schedule::new(4);
    schedule.want("u", subject(&["a"]), began);
    schedule.rest("u", Door::Service);
    schedule.want("u", subject(&["b"]), began);
    schedule.want("u", of_pods(&["b"]), began);
    let (jobs, _) = schedule.start(began);
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        let is_news = schedule.ended(job, talked(Outcome::Verified), SHORT, began);
        assert_eq!(
            is_news,
            job.subject.door == Door::Service,
            "the way in is new, and its pods came in place of others"
        );
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_as_such() {
    let mut course = Course::new(front(), Instant::now());
    let late = Instant::now() + MINUTE;
    let untrusted = || talked(Outcome::Unreachable { step: Step::Tls, cause: "UnknownIssuer".into() });
    course.ended(untrusted(), SHORT, late);
    course.ended(untrusted(), SHORT, late);
    let verdict = course.verdict.expect("a verdict");
    assert_eq!(verdict.reason, Reason::CertificateNotReady);
    assert!(verdict.message.contains("trustedCertificates"), "{verdict:?}");
}

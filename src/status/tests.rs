use super::*;
use crate::observe::{Called, ExposureState, FrontDoor, Trouble, Workload};
use crate::testing::{observation, server_json, smallest, smallest_with, validated};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::api::ServerStatus;
use crate::probe::Standing;
use crate::verification::Verdict;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn early() -> Timestamp {
    time("2026-01-01T00:00:00Z")
}

fn late() -> Timestamp {
    time("2026-01-02T00:00:00Z")
}

fn report(
    before: Option<&MCPServerStatus>,
    observation: &Observation,
    pending: &[String],
    now: Timestamp,
) -> MCPServerStatus {
    let server = validated(&smallest()).expect("valid");
    next(
        before,
        Some(1),
        &Outcome::Observed { server: &server, observation, verification: &Verification::Off.into(), pending },
        now,
    )
}

fn find<'a>(status: &'a MCPServerStatus, type_: &str) -> &'a Condition {
    status.conditions.iter().find(|it| it.type_ == type_).expect("the condition is there")
}

fn line(status: &MCPServerStatus) -> String {
    let words: Vec<_> =
        status.conditions.iter().map(|it| format!("{}={}/{}", it.type_, it.status, it.reason)).collect();
    words.join(" ")
}

#[test]
fn each_state_of_the_workload_has_its_conditions() {
    let good = "Accepted=True/Accepted ReferencesResolved=True/Resolved";
    let cases = [
        (Workload::Up, "Available=True/MinimumReplicasAvailable Ready=True/Ready"),
        (Workload::Unseen, "Available=Unknown/Pending Ready=Unknown/Pending Reconciling=True/Pending"),
        (Workload::Down, "Available=False/Starting Ready=False/Starting Reconciling=True/Starting"),
        (
            Workload::RollingOut { serving: true },
            "Available=True/MinimumReplicasAvailable Ready=False/RollingOut Reconciling=True/RollingOut",
        ),
        (
            Workload::RollingOut { serving: false },
            "Available=False/Starting Ready=False/Starting Reconciling=True/Starting",
        ),
        (
            Workload::Stuck { serving: true },
            "Available=True/MinimumReplicasAvailable Ready=False/ProgressDeadlineExceeded Stalled=True/ProgressDeadlineExceeded",
        ),
        (Workload::ScaledToZero, "Available=False/ScaledToZero Ready=False/ScaledToZero"),
    ];
    for (workload, expected) in cases {
        assert_eq!(line(&report(None, &observation(workload), &[], early())), format!("{good} {expected}"));
    }
}

#[test]
fn the_same_again_is_no_change() {
    for workload in [Workload::Up, Workload::Down, Workload::RollingOut { serving: true }] {
        let first = report(None, &observation(workload), &[], early());
        assert_eq!(report(Some(&first), &observation(workload), &[], late()), first);
    }
}

#[test]
fn the_time_moves_only_with_the_status() {
    let starting = report(None, &observation(Workload::Down), &[], early());
    let up = report(Some(&starting), &observation(Workload::Up), &[], late());
    assert_eq!(find(&up, "Accepted").last_transition_time.0, early());
    assert_eq!(find(&up, "Ready").last_transition_time.0, late());
}

#[test]
fn a_new_detail_of_the_same_trouble_is_no_news() {
    let trouble = |detail: &str| Observation {
        trouble: Some(Trouble { reason: Reason::CrashLooping, hint: "It ends.".into(), detail: Some(detail.into()) }),
        ..observation(Workload::Down)
    };
    let first = report(None, &trouble("00:01 panic"), &[], early());
    assert_eq!(find(&first, "Ready").message, "It ends. (00:01 panic)");
    assert_eq!(report(Some(&first), &trouble("00:02 panic"), &[], late()), first);
}

#[test]
fn a_spec_that_is_wrong_says_nothing_of_what_runs() {
    let up = report(None, &observation(Workload::Up), &[], early());
    let problems = validated(&smallest_with(&json!({"env": [{"name": ""}]}))).expect_err("invalid");
    let status = next(Some(&up), Some(2), &Outcome::Invalid(&problems), late());
    assert_eq!(
        line(&status),
        "Accepted=False/InvalidSpec ReferencesResolved=True/Resolved Available=True/MinimumReplicasAvailable \
         Ready=False/InvalidSpec Stalled=True/InvalidSpec"
    );
    assert_eq!((status.observed_generation, &status.url), (Some(2), &up.url));
    assert!(find(&status, "Ready").message.contains("spec.env[0].name"), "{status:?}");
}

#[test]
fn dependencies_that_are_gone_leave_nothing_behind() {
    let trouble = Some(Trouble { reason: Reason::StorageNotBound, hint: "It has no volume.".into(), detail: None });
    let database = DependencyState { name: "db".into(), url: None, trouble };
    let broken = Observation { dependencies: vec![database], ..observation(Workload::Up) };
    let before = report(None, &broken, &[], early());
    assert_eq!(find(&before, "DependenciesReady").status, "False");
    let without = report(Some(&before), &observation(Workload::Up), &[], late());
    assert_eq!(line(&without), line(&report(None, &observation(Workload::Up), &[], late())));
}

#[test]
fn suspension_with_changes_held_back_is_not_ready() {
    let status = report(None, &observation(Workload::Up), &["Deployment \"echo\"".to_owned()], early());
    assert_eq!(find(&status, "Ready").reason, "Suspended");
    assert!(status.conditions.iter().all(|it| it.type_ != "Reconciling"), "nothing is on its way: {status:?}");
}

#[test]
fn a_long_message_is_cut() {
    let long = Outcome::Undecodable(&"x".repeat(10_000));
    assert!(find(&next(None, Some(1), &long, early()), "Ready").message.len() <= LONGEST_MESSAGE);
}

#[test]
fn news_on_the_way_can_wait_and_nothing_else() {
    let server = validated(&smallest()).expect("valid");
    let wait = |before: Option<&MCPServerStatus>, observation: &Observation, generation| {
        let outcome =
            Outcome::Observed { server: &server, observation, verification: &Verification::Off.into(), pending: &[] };
        patience(before, &next(before, Some(generation), &outcome, early()), &outcome)
    };
    let (unseen, starting, up) =
        (observation(Workload::Unseen), observation(Workload::Down), observation(Workload::Up));
    let trouble = Observation {
        trouble: Some(Trouble { reason: Reason::CrashLooping, hint: "It ends.".into(), detail: None }),
        ..starting.clone()
    };
    let fresh = MCPServerStatus { observed_generation: Some(-1), ..MCPServerStatus::default() };
    let told = report(None, &unseen, &[], early());
    assert_eq!(wait(Some(&fresh), &unseen, 1), Some(FIRST_REPORT));
    assert_eq!(wait(Some(&told), &starting, 1), Some(FURTHER_REPORT));
    for (before, observation, generation) in
        [(&fresh, &up, 1), (&fresh, &trouble, 1), (&told, &up, 1), (&told, &trouble, 1)]
    {
        assert_eq!(wait(Some(before), observation, generation), None);
    }
    assert_eq!(wait(Some(&told), &starting, 2), None, "a new generation was seen");
    let ready = report(None, &up, &[], early());
    assert_eq!(wait(Some(&ready), &starting, 1), None, "it was ready and is no longer");
}

fn verified(
    before: Option<&MCPServerStatus>,
    workload: Workload,
    verification: &Verification,
    generation: i64,
) -> MCPServerStatus {
    let server = validated(&smallest()).expect("valid");
    let observation = observation(workload);
    let verification = verification.clone().into();
    let outcome =
        Outcome::Observed { server: &server, observation: &observation, verification: &verification, pending: &[] };
    next(before, Some(generation), &outcome, late())
}

fn known(standing: Standing, reason: Reason, is_usable: bool, detail: Option<&str>) -> Verification {
    let server = is_usable.then(|| ServerStatus { tool_count: Some(2), ..ServerStatus::default() });
    let (message, detail) = ("What to do.".to_owned(), detail.map(str::to_owned));
    Verification::Known(Arc::new(Verdict { standing, reason, is_usable, is_open: false, message, detail, server }))
}

fn open() -> Verification {
    let Verification::Known(verdict) = known(Standing::Unknown, Reason::RateLimited, false, None) else {
        panic!("a verdict")
    };
    Verification::Known(Arc::new(Verdict { is_open: true, ..(*verdict).clone() }))
}

#[test]
fn ready_needs_a_client_to_get_in() {
    let cases = [
        (Workload::Up, Verification::Waiting, "Unknown/WaitingForPods", "Unknown/WaitingForPods"),
        (Workload::Up, Verification::Asked, "Unknown/Verifying", "Unknown/Verifying"),
        (Workload::Up, known(Standing::True, Reason::Verified, true, None), "True/Verified", "True/Ready"),
        (Workload::Up, known(Standing::True, Reason::AuthRequired, true, None), "True/AuthRequired", "True/Ready"),
        (
            Workload::Up,
            known(Standing::Unknown, Reason::AuthRequiredUnverified, true, None),
            "Unknown/AuthRequiredUnverified",
            "True/Ready",
        ),
        (
            Workload::Up,
            known(Standing::False, Reason::LegacySSEOnly, false, None),
            "False/LegacySSEOnly",
            "False/LegacySSEOnly",
        ),
        (Workload::Up, open(), "Unknown/RateLimited", "Unknown/RateLimited"),
        // What Kubernetes says of pods is said first.
        (Workload::RollingOut { serving: true }, Verification::Waiting, "Unknown/WaitingForPods", "False/RollingOut"),
        (Workload::Down, Verification::Waiting, "Unknown/WaitingForPods", "False/Starting"),
    ];
    for (workload, verification, is_verified, is_ready) in cases {
        let line = line(&verified(None, workload, &verification, 1));
        assert!(line.contains(&format!("Verified={is_verified} Ready={is_ready}")), "{line}");
    }
}

#[test]
fn what_was_verified_holds_until_there_is_an_answer() {
    let fine = known(Standing::True, Reason::Verified, true, None);
    let before = verified(None, Workload::Up, &fine, 1);
    for verification in [Verification::Asked, open()] {
        assert_eq!(verified(Some(&before), Workload::Up, &verification, 1), before, "also after a restart");
        let next = verified(Some(&before), Workload::Up, &verification, 2);
        assert_eq!(find(&next, "Verified").status, "Unknown", "it was of another generation");
    }
    let dead = verified(Some(&before), Workload::Down, &Verification::Waiting, 1);
    assert_eq!(find(&dead, "Ready").reason, "Starting");
    let back = verified(Some(&dead), Workload::Up, &Verification::Asked, 1);
    assert_eq!(find(&back, "Verified").reason, "Verifying", "a server that was dead is asked anew");
}

#[test]
fn what_varies_in_a_failure_is_no_news() {
    let says = |detail| known(Standing::False, Reason::NotMCP, false, Some(detail));
    let first = verified(None, Workload::Up, &says("saw 1"), 1);
    assert_eq!(find(&first, "Ready").message, "What to do. (saw 1)");
    assert_eq!(verified(Some(&first), Workload::Up, &says("saw 2"), 1), first);
    assert_eq!(verified(Some(&first), Workload::Up, &Verification::Asked, 1), first, "after a restart");
}

#[test]
fn turned_off_it_leaves_nothing_behind() {
    let before = verified(None, Workload::Up, &known(Standing::True, Reason::Verified, true, None), 1);
    assert_eq!(before.server.as_ref().and_then(|it| it.tool_count), Some(2));
    let off = verified(Some(&before), Workload::Up, &Verification::Off, 2);
    assert!(off.server.is_none() && off.conditions.iter().all(|it| it.type_ != "Verified"), "{off:?}");
    assert_eq!(find(&off, "Ready").reason, "Ready");
}

#[test]
fn an_answer_is_told_at_once() {
    let server = validated(&smallest()).expect("valid");
    let before = verified(None, Workload::Down, &Verification::Waiting, 1);
    for (verification, waits) in
        [(Verification::Asked, true), (known(Standing::False, Reason::NotMCP, false, None), false)]
    {
        let observation = observation(Workload::Up);
        let outcome = Outcome::Observed {
            server: &server,
            observation: &observation,
            verification: &verification.clone().into(),
            pending: &[],
        };
        let next = next(Some(&before), Some(1), &outcome, late());
        assert_eq!(patience(Some(&before), &next, &outcome).is_some(), waits, "{verification:?}");
    }
}

/// What Argo CD, Flux, Helm and their like get to see: `tests/chart/health.rs` has them judge it.
#[test]
fn what_health_checks_of_others_see() {
    let trouble = |reason| Observation {
        trouble: Some(Trouble { reason, hint: "It does not work.".into(), detail: None }),
        ..observation(Workload::Down)
    };
    let fine = known(Standing::True, Reason::Verified, true, None);
    let observed = |spec: &Value, observation: &Observation, pending: &[String]| {
        let verification = if observation.workload == Workload::Up { fine.clone() } else { Verification::Waiting };
        let verification = &verification.into();
        let server = validated(spec).expect("valid");
        next(None, Some(1), &Outcome::Observed { server: &server, observation, verification, pending }, early())
    };
    let plain = |observation: &Observation| observed(&smallest(), observation, &[]);
    let report = |outcome: &Outcome<'_>| next(None, Some(1), outcome, early());
    let held_back = ["Deployment \"echo\"".to_owned()];
    let wrong = smallest_with(&json!({"env": [{"name": ""}]}));
    let mut unresolved = validated(&smallest()).expect("valid");
    unresolved.missing.push("ConfigMap \"settings\" does not exist".to_owned());
    let waiting = Outcome::Observed {
        server: &unresolved,
        observation: &observation(Workload::Down),
        verification: &Verification::Waiting.into(),
        pending: &[],
    };
    let suspended = smallest_with(&json!({"suspend": true}));
    let conflict = ApplyError::NameConflict {
        kind: "Service".into(),
        name: "echo".into(),
        owner: "was not made by Landfall".into(),
    };
    let unseen = MCPServerStatus { observed_generation: Some(-1), ..MCPServerStatus::default() };
    let cases = [
        ("new", smallest(), 1, unseen),
        ("pending", smallest(), 1, plain(&observation(Workload::Unseen))),
        ("starting", smallest(), 1, plain(&observation(Workload::Down))),
        ("rolling-out", smallest(), 1, plain(&observation(Workload::RollingOut { serving: true }))),
        ("crash-looping", smallest(), 1, plain(&trouble(Reason::CrashLooping))),
        ("missing-reference", smallest(), 1, report(&waiting)),
        ("ready", smallest(), 1, plain(&observation(Workload::Up))),
        ("ready-before-a-change", smallest(), 2, plain(&observation(Workload::Up))),
        ("scaled-to-zero", smallest(), 1, plain(&observation(Workload::ScaledToZero))),
        ("stuck", smallest(), 1, plain(&observation(Workload::Stuck { serving: true }))),
        ("invalid", wrong.clone(), 1, report(&Outcome::Invalid(&validated(&wrong).expect_err("invalid")))),
        ("undecodable", smallest(), 1, report(&Outcome::Undecodable("invalid type"))),
        ("name-conflict", smallest(), 1, report(&Outcome::Refused(&conflict))),
        ("suspended", suspended.clone(), 1, observed(&suspended, &observation(Workload::Up), &[])),
        (
            "suspended-before-a-change",
            suspended.clone(),
            1,
            observed(&suspended, &observation(Workload::Up), &held_back),
        ),
        ("resumed", smallest(), 2, observed(&suspended, &observation(Workload::Up), &held_back)),
    ];
    let objects = cases.map(|(name, spec, generation, status)| {
        let mut object = server_json(&spec);
        object["metadata"]["name"] = json!(name);
        object["metadata"]["generation"] = json!(generation);
        object["status"] = json!(status);
        object
    });
    insta::assert_snapshot!("seen_by_others", serde_saphyr::to_string(&objects).expect("YAML"));
}

fn admitted(url: &str) -> ExposureState {
    let called = Called { url: url.into(), address: "203.0.113.7".into(), port: 443, route: "a/1".into() };
    ExposureState::Admitted(FrontDoor { url: url.into(), called: Some(called), session_risk: None })
}

/// The server is fine within the cluster; how it is from outside, as far as it was called.
fn exposed(
    before: Option<&MCPServerStatus>,
    state: ExposureState,
    front: Verification,
    workload: Workload,
    generation: i64,
) -> MCPServerStatus {
    let server = validated(&smallest()).expect("valid");
    let observation = Observation { exposure: Some(state), ..observation(workload) };
    let fine = known(Standing::True, Reason::Verified, true, None);
    let service = if workload == Workload::Up { fine } else { Verification::Waiting };
    let verification = Verifications { service, front };
    let outcome =
        Outcome::Observed { server: &server, observation: &observation, verification: &verification, pending: &[] };
    next(before, Some(generation), &outcome, late())
}

/// Its URL, and what is said of the way in and of readiness.
fn told(status: &MCPServerStatus) -> String {
    let said = |type_| {
        let condition = find(status, type_);
        format!("{}/{}", condition.status, condition.reason)
    };
    let url = status.url.as_deref().unwrap_or_default();
    let place = if url.contains("svc.cluster.local") { "cluster" } else { url };
    format!("{place} {} {}", said("Exposed"), said("Ready"))
}

const PUBLIC: &str = "https://echo.example/mcp";

fn answers() -> Verification {
    let mut verdict = match known(Standing::True, Reason::AuthRequired, true, None) {
        Verification::Known(verdict) => (*verdict).clone(),
        other => panic!("{other:?}"),
    };
    verdict.server = Some(ServerStatus { auth_required: true, ..ServerStatus::default() });
    Verification::Known(Arc::new(verdict))
}

#[test]
fn the_public_url_is_told_once_it_answers_and_as_long_as_it_does() {
    let up = |before: Option<&MCPServerStatus>, front, generation| {
        exposed(before, admitted(PUBLIC), front, Workload::Up, generation)
    };
    let checking = up(None, Verification::Asked, 1);
    assert_eq!(
        told(&checking),
        "cluster Unknown/CheckingFrontDoor False/CheckingFrontDoor".replace("False/", "Unknown/")
    );
    let open = up(Some(&checking), answers(), 1);
    assert_eq!(told(&open), "https://echo.example/mcp True/Exposed True/Ready");
    let restarted = up(Some(&open), Verification::Asked, 1);
    assert_eq!(restarted, open, "what was known holds until the first answer");

    let rolling =
        exposed(Some(&open), admitted(PUBLIC), Verification::Waiting, Workload::RollingOut { serving: true }, 2);
    assert_eq!(told(&rolling), "https://echo.example/mcp Unknown/WaitingForPods False/RollingOut");
    let moved = exposed(Some(&open), admitted("https://other.example/mcp"), Verification::Asked, Workload::Up, 1);
    assert_eq!(
        told(&moved),
        "cluster Unknown/CheckingFrontDoor Unknown/CheckingFrontDoor",
        "another URL is yet to answer"
    );

    let fails = known(Standing::False, Reason::EndpointNotFound, false, None);
    assert_eq!(told(&up(Some(&open), fails, 1)), "cluster False/EndpointNotFound False/EndpointNotFound");
    let trouble = Trouble { reason: Reason::HostTaken, hint: "It is taken.".into(), detail: None };
    let closed = exposed(Some(&open), ExposureState::Closed(trouble), Verification::Waiting, Workload::Up, 1);
    assert_eq!(told(&closed), "cluster False/HostTaken False/HostTaken");
    let hidden = verified(Some(&open), Workload::Up, &known(Standing::True, Reason::Verified, true, None), 2);
    assert!(hidden.conditions.iter().all(|it| it.type_ != "Exposed"), "expose was removed: {hidden:?}");
    assert_eq!(hidden.url, hidden.cluster_url);
}

#[test]
fn whether_credentials_are_asked_for_is_told_of_the_url_to_use() {
    let up =
        |before: Option<&MCPServerStatus>, url: &str, front| exposed(before, admitted(url), front, Workload::Up, 1);
    let asked = |status: &MCPServerStatus| status.server.as_ref().is_some_and(|it| it.auth_required);
    let checking = up(None, PUBLIC, Verification::Asked);
    assert!(!asked(&checking), "the Service lets everybody in");
    let open = up(Some(&checking), PUBLIC, answers());
    assert!(asked(&open), "the proxy in front of it does not");
    assert!(asked(&up(Some(&open), PUBLIC, Verification::Asked)));
    let fails = known(Standing::False, Reason::EndpointNotFound, false, None);
    assert!(!asked(&up(Some(&open), PUBLIC, fails)), "the URL to use is the Service's again");
    assert!(!asked(&up(Some(&open), "https://other.example/mcp", Verification::Asked)));
}

#[test]
fn what_is_at_risk_is_told() {
    let said = |url: &str, front| {
        let status = exposed(None, admitted(url), front, Workload::Up, 1);
        let condition = find(&status, "Exposed").clone();
        (condition.reason, condition.message)
    };
    let mut lets_everybody_in = answers();
    if let Verification::Known(verdict) = &mut lets_everybody_in {
        Arc::make_mut(verdict).server = Some(ServerStatus::default());
    }
    assert_eq!(said(PUBLIC, answers()).0, "Exposed");
    let (reason, message) = said("http://echo.example/mcp", answers());
    assert!(
        reason == "ExposedAtRisk" && message.contains("no TLS") && !message.contains("credentials, so"),
        "{message}"
    );
    let (reason, message) = said(PUBLIC, lets_everybody_in);
    assert!(reason == "ExposedAtRisk" && message.contains("no credentials") && !message.contains("TLS"), "{message}");
    let (reason, message) = said("http://echo.example/mcp", Verification::Off);
    assert!(reason == "ExposedUnchecked" && message.contains("no TLS"), "{message}");
}

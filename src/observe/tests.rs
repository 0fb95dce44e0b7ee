use super::*;
use crate::children::Children;
use crate::testing::{nothing_live, smallest, validated};
use serde_json::{Value, json};

type Change = fn(&mut Value);

const NOW: &str = "2026-01-01T00:01:00Z";

fn look(deployment: impl Into<Option<Value>>, pods: Vec<Value>) -> Observation {
    let server = validated(&smallest()).expect("valid");
    let deployment = deployment.into().map(|it| Arc::new(serde_json::from_value(it).expect("a Deployment")));
    let children = Children { deployments: deployment.into_iter().collect(), ..nothing_live() };
    let pods: Vec<_> =
        pods.into_iter().map(|it| Arc::new(serde_json::from_value::<PodView>(it).expect("a pod"))).collect();
    observe(&server, &children, &pods, NOW.parse().expect("a time"))
}

fn deployment(status: &Value) -> Value {
    json!({"metadata": {"name": "echo", "generation": 3}, "spec": {"replicas": 1, "selector": {}, "template": {}}, "status": status})
}

fn progressing(reason: &str) -> Value {
    json!([{"type": "Progressing", "status": "True", "reason": reason}])
}

/// All pods new, one available.
fn complete() -> Value {
    json!({"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
           "conditions": progressing("NewReplicaSetAvailable")})
}

fn rolling() -> Value {
    deployment(
        &json!({"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "conditions": progressing("ReplicaSetUpdated")}),
    )
}

fn pod(container: &Value) -> Value {
    json!({
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"pod-template-hash": "new", "app.kubernetes.io/component": "server"}},
        "status": {"containerStatuses": [container]},
    })
}

fn container(state: &Value, last: &Value, started: bool) -> Value {
    json!({"name": "server", "image": "x:1", "imageID": "", "ready": false, "restartCount": 1,
           "state": state, "lastState": last, "started": started})
}

fn reason_of(container: &Value) -> Option<Reason> {
    look(rolling(), vec![pod(container)]).trouble.map(|it| it.reason)
}

#[test]
fn nothing_is_known_before_the_deployment_is_reported_on() {
    assert_eq!(look(None, vec![]).workload, Workload::Unseen);
    assert_eq!(look(deployment(&json!({})), vec![]).workload, Workload::Unseen);
}

#[test]
fn up_takes_new_pods_only_and_one_that_answers() {
    assert_eq!(look(deployment(&complete()), vec![]).workload, Workload::Up);
    let cases: [(Change, Workload); 5] = [
        // The spec has changed since: what answers is the old template.
        (|it| it["observedGeneration"] = json!(2), Workload::RollingOut { serving: true }),
        (|it| it["replicas"] = json!(2), Workload::RollingOut { serving: true }),
        (|it| it["conditions"] = progressing("ReplicaSetUpdated"), Workload::RollingOut { serving: true }),
        (|it| it["availableReplicas"] = json!(0), Workload::Down),
        (|it| it["conditions"] = progressing("ProgressDeadlineExceeded"), Workload::Stuck { serving: true }),
    ];
    for (change, expected) in cases {
        let mut status = complete();
        change(&mut status);
        assert_eq!(look(deployment(&status), vec![]).workload, expected, "{status}");
    }
}

#[test]
fn scaling_a_complete_rollout_leaves_it_up() {
    let mut status = complete();
    status["replicas"] = json!(3);
    status["updatedReplicas"] = json!(3);
    assert_eq!(look(deployment(&status), vec![]).workload, Workload::Up);
}

#[test]
fn zero_replicas_are_a_wanted_state() {
    let mut deployment = deployment(&json!({"observedGeneration": 3}));
    deployment["spec"]["replicas"] = json!(0);
    assert_eq!(look(deployment, vec![]).workload, Workload::ScaledToZero);
}

#[test]
fn each_state_of_a_container_has_its_reason() {
    let none = json!({});
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "m"}});
    let ended = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    let running = |at: &str| json!({"running": {"startedAt": at}});
    let cases = [
        (container(&waiting("ContainerCreating"), &none, false), None),
        (container(&waiting("ErrImagePull"), &none, false), Some(Reason::ImagePullFailed)),
        (container(&waiting("ImagePullBackOff"), &none, false), Some(Reason::ImagePullFailed)),
        (container(&waiting("CreateContainerConfigError"), &none, false), Some(Reason::ContainerConfigError)),
        (container(&waiting("CrashLoopBackOff"), &ended(1, "Error"), false), Some(Reason::CrashLooping)),
        (container(&ended(0, "Completed"), &none, false), Some(Reason::CrashLooping)),
        (container(&waiting("CrashLoopBackOff"), &ended(128, "StartError"), false), Some(Reason::ContainerConfigError)),
        // Killed by kubelet since its startup probe failed for too long.
        (container(&running("2026-01-01T00:00:59Z"), &ended(137, "Error"), false), Some(Reason::NotListening)),
        (container(&running("2026-01-01T00:00:59Z"), &ended(137, "OOMKilled"), false), Some(Reason::CrashLooping)),
        (container(&running("2026-01-01T00:00:40Z"), &none, false), Some(Reason::NotListening)),
        (container(&running("2026-01-01T00:00:50Z"), &none, false), None),
    ];
    for (container, expected) in cases {
        assert_eq!(reason_of(&container), expected, "{container}");
    }
}

#[test]
fn a_server_that_is_still_quiet_is_looked_at_again() {
    let quiet = container(&json!({"running": {"startedAt": "2026-01-01T00:00:50Z"}}), &json!({}), false);
    assert_eq!(look(rolling(), vec![pod(&quiet)]).look_again, Some(Duration::from_secs(5)));
}

#[test]
fn the_two_reasons_that_kubelet_alternates_between_say_the_same() {
    let first = container(&json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}), &json!({}), false);
    let second = container(
        &json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\": ErrImagePull: not found"}}),
        &json!({}),
        false,
    );
    let trouble = |it| look(rolling(), vec![pod(it)]).trouble;
    assert_eq!(trouble(&first), trouble(&second));
    assert_eq!(trouble(&first).and_then(|it| it.detail).as_deref(), Some("not found"));
}

#[test]
fn a_crash_quotes_the_last_line_of_the_log() {
    let crash = container(
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        &json!({"terminated": {"exitCode": 1, "message": "starting\nno such file\n\n"}}),
        false,
    );
    let trouble = look(rolling(), vec![pod(&crash)]).trouble.expect("trouble");
    assert_eq!(trouble.detail.as_deref(), Some("no such file"));
}

#[test]
fn pods_of_an_older_template_are_not_blamed() {
    let crash =
        container(&json!({"waiting": {"reason": "CrashLoopBackOff"}}), &json!({"terminated": {"exitCode": 1}}), false);
    let mut old = pod(&crash);
    old["metadata"]["labels"]["pod-template-hash"] = json!("old");
    old["metadata"]["creationTimestamp"] = json!("2025-12-31T00:00:00Z");
    let starting = pod(&container(&json!({"waiting": {"reason": "ContainerCreating"}}), &json!({}), false));
    assert_eq!(look(rolling(), vec![old, starting]).trouble, None);
}

#[test]
fn a_refusal_of_the_pods_is_told() {
    let status = json!({"observedGeneration": 3, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "violates PodSecurity"},
    ]});
    let trouble = look(deployment(&status), vec![]).trouble.expect("trouble");
    assert_eq!((trouble.reason, trouble.detail.as_deref()), (Reason::PodsRefused, Some("violates PodSecurity")));
}

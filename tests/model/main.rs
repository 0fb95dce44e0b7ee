//! All that can happen, in small: the operator's decisions against a model of the API server.
//!
//! Every order of steps is tried of a small cluster in which users create, edit and delete servers,
//! somebody else meddles, the operator dies, its cache lags behind, and each call to the API server is
//! a step of its own, as is hearing its answer. In each state that can be come to, it holds that
//!
//! - nothing was deleted or overwritten that the operator did not make,
//! - no data got a second password,
//! - no claim was lost,
//!
//! and that if from then on nobody interferes, the children come to be just what a fresh build makes,
//! and then nothing is written any more.
//!
//! What decides is the operator's own code ([`lab`]): `validate`, `build`, `apply::decide`, the caches.
//! What is told anew is the API server ([`api_server`]), and the loop that carries a decision out
//! ([`operator`]). Not part of it: what triggers a pass (one may begin at any time here), two operators
//! at once, `--cascade=orphan`, and children of the whole cluster. It is relied on that garbage
//! collection is quicker than a pod starts.
//!
//! That it would find something, [`a_broken_rule_is_found`] shows. What it has found: an answer that
//! came after the watch had shown the object's end brought the object back into the cache for ever; and
//! the password of a claim that was gone was taken for that of the claim made anew.

#![expect(clippy::expect_used, clippy::panic, reason = "all of it is a test")]
#![expect(clippy::type_complexity, reason = "the question of each answer is told where it is asked")]

mod api_server;
mod cluster;
mod decisions;
mod explorer;
mod lab;
mod memo;
mod operator;
mod others;
mod promises;
mod scope;
mod state;
mod words;

use cluster::Cluster;
use explorer::{Explored, explore};
use scope::{Broken, Scope, Way};
use serde_json::{Value, json};
use state::Left;
use std::io::Write;
use std::time::Instant;

fn server(more: &Value) -> Value {
    let mut spec = json!({"image": "echo:1", "port": 3001, "serviceAccount": {"name": "default"}});
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    spec
}

fn run(name: &str, scope: Scope) -> Explored {
    let began = Instant::now();
    let explored = explore(&Cluster::new(scope));
    // Past the test harness, which would keep it to itself where all is well.
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {} states, {} steps, at most {} fair steps to the end, {:.1?}",
        explored.states,
        explored.steps,
        explored.longest,
        began.elapsed()
    );
    explored
}

fn holds(name: &str, scope: Scope) {
    if let Some(counterexample) = run(name, scope).counterexample {
        panic!("{name}: a promise is broken:\n{counterexample}");
    }
}

/// One server that is edited, whose children others meddle with in all ways.
fn plain(left: Left) -> Scope {
    let more = json!({"env": [{"name": "A", "value": "1"}], "disruptionBudget": {"maxUnavailable": 1}});
    Scope {
        servers: vec![("shop", vec![server(&more), server(&json!({}))])],
        at_first: 1,
        is_settled: false,
        may_end: false,
        left,
        meddled: &["PodDisruptionBudget", "Deployment"],
        ways: &Way::ALL,
        broken: None,
    }
}

fn with_database() -> Value {
    server(&json!({"dependencies": [{"name": "db", "preset": "postgres"}]}))
}

/// A server with a database.
fn database(left: Left) -> Scope {
    Scope {
        servers: vec![("shop", vec![with_database()])],
        meddled: &["PersistentVolumeClaim", "Secret", "StatefulSet"],
        ..plain(left)
    }
}

/// The same, which may lose the database and get it back.
fn database_at_times(left: Left) -> Scope {
    Scope { servers: vec![("shop", vec![with_database(), server(&json!({}))])], is_settled: true, ..database(left) }
}

/// The same, once all is there, which may be deleted and made anew.
fn mortal(left: Left) -> Scope {
    Scope { is_settled: true, may_end: true, ..database(left) }
}

/// A server with two databases, one of which waits for the other and keeps nothing.
fn two_databases(left: Left) -> Scope {
    let both = json!({"dependencies": [
        {"name": "db", "preset": "postgres"},
        {"name": "cache", "preset": "redis", "storage": {"disabled": true}, "dependsOn": ["db"]},
    ]});
    Scope { servers: vec![("shop", vec![server(&both)])], ..database(left) }
}

/// Two servers whose databases have the same name.
fn of_one_name(left: Left) -> Scope {
    let of = |name: &str| server(&json!({"dependencies": [{"name": name, "preset": "postgres"}]}));
    Scope { servers: vec![("shop", vec![of("eu-db")]), ("shop-eu", vec![of("db")])], may_end: true, ..database(left) }
}

fn left(users: u8, others: u8, crashes: u8) -> Left {
    Left { users, others, crashes }
}

#[test]
fn a_server_comes_to_what_is_wanted_whatever_others_do() {
    holds("one server, edited, others", plain(left(1, 2, 0)));
}

#[test]
fn a_server_comes_to_what_is_wanted_however_the_operator_dies() {
    holds("one server, edited, crashes", plain(left(2, 0, 2)));
}

#[test]
fn a_database_keeps_its_data_and_its_password_when_the_operator_dies() {
    holds("database, crashes", database(left(0, 0, 2)));
}

#[test]
fn a_database_outlives_what_others_do_to_it() {
    holds("database, others and crashes", database(left(0, 1, 1)));
}

#[test]
fn a_database_is_taken_up_again() {
    holds("database at times, others", database_at_times(left(2, 1, 0)));
}

#[test]
fn a_database_outlives_its_server() {
    holds("mortal server", mortal(left(2, 0, 0)));
}

#[test]
fn a_database_waits_for_another() {
    holds("two databases", two_databases(left(0, 0, 1)));
}

#[test]
fn two_servers_do_not_take_from_each_other() {
    holds("two servers", of_one_name(left(1, 0, 0)));
}

#[test]
fn a_broken_rule_is_found() {
    let one = |users, others| plain(left(users, others, 0));
    let cases = [
        (Broken::DeletesWithoutUid, "was deleted, which", one(1, 1)),
        (Broken::AppliesWithoutUid, "was overwritten, which", one(1, 1)),
        (Broken::AppliesOverAnything, "was overwritten, which", one(0, 1)),
        (Broken::TakesAllForItsOwn, "was overwritten, which", one(0, 1)),
        (Broken::ForgetsTheHash, "writes without end", one(0, 0)),
        (Broken::CreatesOverAnything, "is a second password", database(left(0, 0, 1))),
        (Broken::TakesWhatIsLeft, "Secret \"shop-db-credentials\" is missing", database(left(0, 1, 0))),
    ];
    for (broken, promise, scope) in cases {
        let explored = run(&format!("{broken:?}"), Scope { broken: Some(broken), ..scope });
        let counterexample = explored.counterexample.unwrap_or_else(|| panic!("{broken:?} is not noticed"));
        assert!(counterexample.contains(promise), "{broken:?}:\n{counterexample}");
        println!("{counterexample}");
    }
}

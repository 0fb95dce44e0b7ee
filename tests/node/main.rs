//! The operator on a real node with real containers: the example server, in an image made here.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod clients;
mod databases;
mod exposure;
mod front_door;
mod issuer;
mod kubectl;
mod latency;
mod sdks;
mod serving;
mod switching;
mod trouble;
mod verification;
mod visitor;

use anyhow::{Context, Result, ensure};
use landfall_cluster::Size;
use std::path::Path;
use std::process::{Command, ExitCode};

use support::World;

/// The example server, under the name that the sample gives it.
pub const ECHO: &str = "localhost/landfall/echo-server:0.1.0";

/// The same server as another version.
pub const ECHO_NEXT: &str = "localhost/landfall/echo-server:0.2.0";

fn main() -> ExitCode {
    let mut tests = tests![
        // The longest first: tests start in this order.
        verification::what_only_the_protocol_shows_is_noticed_told_once_and_taken_back,
        serving::the_sample_answers_tool_calls_and_leaves_nothing_behind,
        serving::a_new_image_takes_over_without_a_gap,
        serving::an_image_that_cannot_be_pulled_leaves_the_old_pod_serving,
        serving::a_restricted_namespace_is_enough,
        trouble::each_fault_of_a_server_has_its_reason_and_hint,
        trouble::a_server_that_dies_is_not_ready_until_it_is_back,
        verification::a_death_is_noticed_at_once,
        verification::through_the_api_server_the_host_name_is_the_same,
        verification::a_header_from_a_secret_needs_a_right_and_is_told_to_nobody,
        kubectl::the_everyday_commands_work,
    ];
    match landfall_cluster::missing_for_front_door() {
        Some(missing) => eprintln!("skipped: the way in from outside: {missing}"),
        // One of them takes minutes, most of them asleep.
        None => drop(tests.splice(
            0..0,
            tests![
                exposure::streams_stay_open_for_minutes,
                switching::a_ready_servers_url_answers_whatever_is_changed,
                switching::what_is_taken_away_takes_the_url_along,
                exposure::the_url_of_the_status_is_the_one_to_call,
                exposure::what_is_refused_says_what_to_change,
                exposure::fifty_calls_at_once_succeed,
                authentication::a_password_lets_in_through_ingress_and_gateway,
                authentication::a_token_lets_in_and_who_has_none_learns_where_to_get_one,
            ],
        )),
    }
    match databases::missing() {
        Some(missing) => eprintln!("skipped: databases: {missing}"),
        None => tests.extend(tests![
            databases::what_a_server_stored_outlives_its_databases_pods_and_itself,
            databases::retain_false_leaves_nothing_behind,
            databases::a_database_without_storage_is_as_good_as_its_pod,
            databases::a_server_waits_for_its_databases_before_it_first_starts,
        ]),
    }
    match sdks::missing() {
        Some(missing) => eprintln!("skipped: servers of the SDKs: {missing} is missing"),
        None => tests.extend(tests![
            sdks::everything_of_npm_answers,
            sdks::a_server_of_the_go_sdk_answers,
            sdks::a_server_that_checks_the_host_answers_once_it_knows_its_names,
        ]),
    }
    match sdks::missing_for_clients() {
        Some(missing) => eprintln!("skipped: clients of the SDKs: {missing} is missing"),
        None => tests.extend(tests![clients::configured_by_connect_they_call_a_tool]),
    }
    if std::env::var_os("LANDFALL_BENCH").is_some() {
        tests = tests![verification::bench_ready_after_the_first_call];
        if landfall_cluster::missing_for_front_door().is_none() {
            tests.extend(tests![latency::bench_the_way_in_is_the_proxys_alone]);
        }
    }
    support::run(Size::Node, tests, |world| Box::pin(load_images(world)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn load_images(world: &World) -> Result<()> {
    let made = Command::new("make").arg("images").current_dir(root()).env_remove("MAKEFLAGS").status();
    ensure!(made.context("make is not installed")?.success(), "`make images` failed");
    for archive in ["echo-server.tar", "echo-server-next.tar"] {
        world.cluster.load_image(&root().join("target/images").join(archive)).await?;
    }
    if sdks::missing().is_none() {
        sdks::load_images(world).await?;
    }
    Ok(())
}

//! The operator on a real API server with its real controllers, but no node: that pods run is said
//! in their status by the test.

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod browser;
mod catalog;
mod cli;
mod conflict;
mod defaults;
mod dependencies;
mod drift;
mod exposure;
mod installed;
mod lifecycle;
mod outage;
mod process;
mod quiet;
mod replicas;
mod rights;
mod rollout;
mod rules;
mod samples;
mod scaling;
mod sharding;
mod soak;
mod storage;
mod trouble;

use landfall_cluster::Size;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = tests![
        // The longest first: tests start in this order.
        outage::an_api_server_that_is_away_for_a_minute,
        outage::a_history_that_is_compacted_and_rights_that_are_taken_away,
        quiet::a_quiet_minute_and_a_silent_restart,
        installed::a_missing_or_older_resource_is_told_and_waited_for,
        exposure::the_gateway_api_may_come_later,
        replicas::a_leader_that_stood_still_writes_nothing_when_it_wakes_up,
        replicas::clocks_that_differ_by_an_hour_change_nothing,
        replicas::a_lease_that_is_taken_away_ends_the_work,
        broken::they_hold_up_nobody,
        process::another_replica_takes_over,
        outage::a_namespace_that_is_deleted_in_the_midst_of_a_pass,
        scaling::an_autoscaler_of_the_spec_keeps_its_number,
        scaling::an_autoscaler_of_somebody_else_keeps_its_number,
        scaling::an_autoscaler_of_the_resource_keeps_its_number,
        rollout::many_servers_of_one_secret_roll_a_few_at_a_time,
        lifecycle::a_server_becomes_ready_only_when_its_pod_is,
        lifecycle::deleting_a_server_leaves_nothing_behind,
        lifecycle::a_new_image_is_ready_only_when_its_own_pod_is,
        lifecycle::a_plain_server_costs_its_children_and_two_writes,
        lifecycle::what_is_no_longer_wanted_is_removed,
        lifecycle::the_service_follows_every_change,
        lifecycle::scaling_through_the_resource,
        lifecycle::zero_replicas_are_a_wanted_state,
        lifecycle::suspension_holds_back_every_write,
        drift::what_somebody_deletes_or_edits_comes_back,
        drift::what_others_own_stays,
        exposure::an_ingress_follows_the_spec,
        exposure::the_older_server_keeps_the_host,
        conflict::an_object_of_somebody_else_is_never_touched,
        conflict::children_that_outlived_their_owner_are_taken_back,
        defaults::defaults_hold_until_a_spec_says_otherwise,
        rights::in_the_whole_cluster_they_come_and_go,
        rights::what_the_operator_may_not_grant_is_told,
        rights::a_crash_or_a_setting_that_is_gone_leaves_nothing_behind,
        rights::what_a_server_without_its_finalizer_leaves_is_removed,
        rights::deleting_a_namespace_takes_them_along,
        rights::a_cluster_role_of_somebody_else_is_never_touched,
        rights::without_the_setting_nothing_of_the_cluster_is_asked_for,
        rules::each_rule_is_told_by_the_api_server,
        cli::status_shows_what_is_ready_and_what_is_not,
        cli::connect_takes_the_url_from_the_status,
        cli::doctor_sees_what_is_there_and_what_is_not,
        catalog::programs_and_people_find_the_servers,
        samples::each_is_taken_with_all_its_children,
        storage::it_outlives_its_server_and_is_taken_up_again,
        storage::it_goes_with_its_server_where_that_is_said,
        rollout::only_a_key_that_is_used_rolls_the_pods,
        rules::a_spec_that_only_the_operator_can_refuse_leaves_what_runs,
        trouble::an_undecodable_server_stops_nobody_else,
        trouble::a_missing_config_map_and_secret_are_named,
        trouble::a_service_without_endpoints_is_told_through_the_api_server,
        trouble::a_quota_that_refuses_a_child_is_told,
        trouble::pod_security_that_refuses_the_pods_is_told,
        trouble::a_missing_right_is_told_and_its_return_noticed,
        dependencies::the_database_comes_first_and_then_the_server,
        dependencies::a_restart_with_dependencies_is_silent,
        dependencies::data_and_password_outlive_the_dependency_and_the_server,
        dependencies::a_change_that_the_data_does_not_survive_is_refused,
        dependencies::a_dependency_that_does_not_start_has_its_reason,
        dependencies::an_object_of_somebody_else_is_no_database_of_ours,
        dependencies::what_somebody_changes_of_a_database_comes_back,
        dependencies::every_preset_is_taken_under_restricted_pod_security,
        process::only_its_namespaces_are_served,
        sharding::each_namespace_has_one_operator,
        process::a_signal_ends_it_in_good_order,
    ];
    match browser::missing() {
        Some(missing) => eprintln!("skipped: the catalog in a browser: {missing} is missing"),
        None => tests.extend(tests![catalog::a_browser_shows_the_page_and_hostile_words_do_no_harm]),
    }
    if std::env::var_os("LANDFALL_BENCH").is_some() {
        tests = tests![broken::bench_a_hundred_beside_a_hundred_broken];
    }
    if std::env::var_os(soak::MINUTES).is_some() {
        tests = tests![soak::soak];
    }
    support::run(Size::ControlPlane, tests, |_| Box::pin(async { Ok(()) }))
}

//! The operator on a real API server with its real controllers, but no node: that pods run is said
//! in their status by the test.

#[path = "../support/mod.rs"]
mod support;

mod conflict;
mod drift;
mod installed;
mod lifecycle;
mod process;
mod quiet;
mod rules;
mod trouble;

use landfall_cluster::Size;
use std::process::ExitCode;

fn main() -> ExitCode {
    let tests = tests![
        // The longest first: tests start in this order.
        quiet::a_quiet_minute_and_a_silent_restart,
        installed::a_missing_or_older_resource_is_told_and_waited_for,
        process::another_replica_takes_over,
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
        conflict::an_object_of_somebody_else_is_never_touched,
        conflict::children_that_outlived_their_owner_are_taken_back,
        rules::each_rule_is_told_by_the_api_server,
        rules::each_sample_is_taken_by_the_api_server,
        rules::a_spec_that_only_the_operator_can_refuse_leaves_what_runs,
        trouble::an_undecodable_server_stops_nobody_else,
        trouble::a_missing_config_map_and_secret_are_named,
        trouble::a_quota_that_refuses_a_child_is_told,
        trouble::pod_security_that_refuses_the_pods_is_told,
        trouble::a_missing_right_is_told_and_its_return_noticed,
        process::only_its_namespaces_are_served,
        process::a_signal_ends_it_in_good_order,
    ];
    support::run(Size::ControlPlane, tests, |_| Box::pin(async { Ok(()) }))
}

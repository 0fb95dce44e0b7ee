//! Every leaf of the resource's schema, changed one after the other by values that fit and values
//! that do not: the method of Acto (SOSP 2023). A new field of the spec is covered without a line
//! here, or fails by its name; `cases.yaml` then says what it takes for it to mean something.

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod live;
mod made;
mod offline;
mod schema;
mod seen;
mod values;

use landfall_cluster::Size;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let offline = [
        trial("offline::every_leaf_is_covered", offline::every_leaf_is_covered),
        trial("offline::a_change_shows", offline::a_change_shows),
        trial(
            "offline::what_does_not_fit_the_schema_is_refused_by_name",
            offline::what_does_not_fit_the_schema_is_refused_by_name,
        ),
        trial("offline::an_odd_value_is_refused_by_name_or_used", offline::an_odd_value_is_refused_by_name_or_used),
    ];
    let code = libtest_mimic::run(&Arguments::from_args(), offline.into()).exit_code();
    let live = tests![live::every_leaf_of_servers_that_run];
    let on_cluster = support::run(Size::ControlPlane, live, |world| Box::pin(world.cluster.install_gateway_api()));
    if code == ExitCode::SUCCESS { on_cluster } else { code }
}

fn trial(name: &'static str, test: fn() -> anyhow::Result<()>) -> Trial {
    Trial::test(name, move || Ok(test().map_err(|error| format!("{error:#}"))?))
}

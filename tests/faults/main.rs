//! The operator when everything around it fails.
//!
//! Between operator and API server stands a gate (`gate.rs`) that sees every request and every event,
//! and does to them what a plan says (`plan.rs`), which follows from a number alone. Scenarios
//! (`scenarios.rs`) are run through it on a real control plane, each run in a namespace of its own with
//! an operator of its own (`operator.rs`), and each ends with the same judgement (`run.rs`): the cluster
//! is as an undisturbed run leaves it, with no orphan, no second Secret, no claim lost, nothing of
//! somebody else touched, and nothing is written any more.
//!
//! The method is that of Sieve (Sun and others, OSDI 2022): `crash.rs` kills the operator at each single
//! write, `stale.rs` shows it an older state, `missed.rs` hides states from it; `seeds.rs` does all that
//! and more by chance. What fails says how to run it again.
//!
//! A plain test run kills the operator at every write, but in one way each, and takes 520 seeds; `make faults`
//! has all ways and four times the seeds.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod call;
mod crash;
mod gate;
mod lab;
mod ledger;
mod missed;
mod operator;
mod past;
mod plan;
mod process;
mod run;
mod scenarios;
mod seeds;
mod stale;
mod state;
mod surroundings;
mod watching;

use landfall_cluster::Size;
use std::process::ExitCode;
use support::Test;

/// A test for each scenario.
macro_rules! of_each {
    ($module:ident :: $function:ident: $($name:literal),+ $(,)?) => {
        vec![$((
            concat!(stringify!($module), "::", $name),
            (|world| Box::pin(async move { $module::$function(&world, $name).await })) as support::Body,
        )),+]
    };
    ($module:ident :: $function:ident) => {
        of_each![$module::$function: "create", "edit", "delete", "dependency-added", "dependency-removed",
            "storage-grown", "exposure-switched", "scale", "suspend", "resume"]
    };
}

macro_rules! of_its_own {
    ($module:ident: $($name:ident),+ $(,)?) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($name)),
            (|world| Box::pin(async move { $module::$name(&world).await })) as support::Body,
        )),+]
    };
}

fn main() -> ExitCode {
    let tests: Vec<Test> = [
        // Those that wait most come first, beside those that compute.
        of_its_own![missed: a_server_is_made_again, a_spec_is_as_it_was, a_child_is_made_again, a_child_becomes_somebody_elses],
        of_each![process::may_die_at_a_write: "create", "delete"],
        of_each![stale::everywhere],
        of_each![crash::everywhere],
        of_each![seeds::all],
    ]
    .concat();
    support::run(Size::ControlPlane, tests, |_| Box::pin(async { Ok(()) }))
}

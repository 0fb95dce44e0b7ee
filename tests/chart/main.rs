//! The Helm charts and the kustomize base: what they render, and that they work on a real node.

#[path = "../support/mod.rs"]
mod support;

mod base;
mod charts;
mod documents;
mod drift;
mod gitops;
mod helm;
mod judges;
mod load;
mod node;
mod observability;
mod rendered;
mod replicas;
mod rights;
mod samples;
mod schemas;
mod values;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use landfall_cluster::{Size, missing_for};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use charts::Charts;
use node::Node;

/// What a test looks at.
#[derive(Clone, Copy)]
enum Test {
    /// What the charts render: needs no cluster.
    Rendering(fn(&Charts) -> Result<()>),
    /// What others make of it: takes programs that are built first.
    Judged(for<'a> fn(&'a Charts) -> LocalBoxFuture<'a, Result<()>>),
    /// What becomes of it on a node.
    OnNode(for<'a> fn(&'a Node, &'a Charts) -> LocalBoxFuture<'a, Result<()>>),
}

macro_rules! renderings {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), Test::Rendering($module::$name))),+]
    };
}

macro_rules! judged {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), Test::Judged(|charts| Box::pin($module::$name(charts))))),+]
    };
}

macro_rules! on_node {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), Test::OnNode(|node, charts| Box::pin($module::$name(node, charts))))),+]
    };
}

/// What the tests share. Each part is made when the first test asks for it.
struct Bench {
    runtime: Runtime,
    charts: OnceCell<Charts>,
    node: OnceCell<Node>,
}

impl Bench {
    fn run(&self, test: &Test) -> Result<()> {
        self.runtime.block_on(async {
            let charts = self.charts.get_or_try_init(Charts::package).await?;
            match test {
                Test::Rendering(test) => test(charts),
                Test::Judged(test) => test(charts).await,
                Test::OnNode(test) => test(self.node.get_or_try_init(Node::start).await?, charts).await,
            }
        })
    }
}

fn main() -> Result<ExitCode> {
    let renderings = renderings![
        charts::their_versions_are_the_programs,
        charts::the_image_is_built_by_the_pinned_toolchain,
        charts::helm_finds_no_fault,
        rendered::values_that_cannot_work_are_refused,
        rendered::the_resource_is_the_one_in_crds_and_is_kept,
        rendered::only_listed_namespaces_are_granted_anything,
        rights::the_chart_grants_what_config_says,
        rights::only_what_is_listed_can_be_granted,
        rights::every_kind_of_child_is_covered_and_no_rule_is_unused,
        values::every_setting_of_the_operator_is_a_value,
        values::every_value_is_documented,
        base::the_kustomize_base_is_the_default_rendering,
        observability::the_chart_has_both,
    ];
    let judged = judged![
        gitops::every_status_is_understood,
        gitops::the_manifests_of_the_docs_are_valid,
        rendered::every_template_passes_its_suite,
        observability::alerts_fire_when_they_should,
        observability::the_dashboard_asks_for_what_there_is,
        schemas::what_is_rendered_fits_every_kubernetes,
    ];
    let on_node = on_node![
        drift::what_was_applied_from_git_shows_no_drift,
        node::a_first_day_and_every_day_after_with_helm_3,
        node::a_first_day_and_every_day_after_with_helm_4,
        node::listed_namespaces_need_no_rights_elsewhere,
    ];
    let installed = on_node![
        // These share one installation, which stays.
        samples::echo_is_verified_from_inside,
        replicas::the_other_goes_on_when_the_leader_dies,
        load::a_hundred_servers_fit_into_the_limits,
    ];
    let documents = on_node![documents::a_reader_gets_what_they_say];
    let with_databases = on_node![samples::a_database_comes_with_its_server];
    let mut arguments = Arguments::from_args();
    // The operator is installed for the whole cluster: one test after the other.
    arguments.test_threads = Some(1);
    let no_helm = helm::missing();
    let no_node = no_helm.clone().or_else(|| missing_for(Size::Node));
    let no_databases = no_node.clone().or_else(samples::missing);
    let no_reader = no_node.clone().or_else(documents::missing);
    for missing in [&no_databases, &no_reader].into_iter().flatten() {
        eprintln!("skipped: {missing}");
    }

    let runtime = Runtime::new()?;
    let bench = Arc::new(Bench { runtime, charts: OnceCell::new(), node: OnceCell::new() });
    let parts = [
        (&no_helm, renderings.to_vec()),
        (&no_helm, judged.to_vec()),
        (&no_node, on_node.to_vec()),
        (&no_reader, documents.to_vec()),
        (&no_node, installed.to_vec()),
        (&no_databases, with_databases.to_vec()),
    ];
    let tests = parts.into_iter().flat_map(|(missing, tests)| tests.into_iter().map(move |it| (missing, it)));
    let trials = tests.map(|(missing, (name, test))| {
        let bench = Arc::clone(&bench);
        Trial::test(name, move || Ok(bench.run(&test).map_err(|error| format!("{error:#}"))?))
            .with_ignored_flag(missing.is_some())
    });
    let code = libtest_mimic::run(&arguments, trials.collect()).exit_code();
    let Some(Bench { runtime, node, charts: _ }) = Arc::into_inner(bench) else { return Ok(code) };
    if let Some(node) = node.into_inner()
        && let Err(error) = runtime.block_on(node.stop())
    {
        eprintln!("the test cluster left something behind: {error:#}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(code)
}

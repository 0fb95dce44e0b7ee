//! `landfall doctor`: whether a cluster has what Landfall and its servers need.

mod checks;

use anyhow::Result;
use std::process::ExitCode;

use super::cluster;
use super::tree::{self, Mark, Node, Style};

/// Looks only, and changes nothing. Ends with 1 if something is missing without which nothing works.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    cluster: cluster::Args,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// It is as it should be.
    Good(String),
    /// Something will not work for want of it, and what to do.
    Lacking(String),
    /// Nothing works for want of it, and what to do.
    Broken(String),
    /// It cannot be seen, and why.
    Unseen(String),
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let cluster = args.cluster.connect().await?;
    let findings = checks::all(&cluster).await;
    let broken = findings.iter().filter(|(_, it)| matches!(it, Finding::Broken(_))).count();
    let lacking = findings.iter().filter(|(_, it)| matches!(it, Finding::Lacking(_))).count();
    let (mark, sum) = match (broken, lacking) {
        (0, 0) => (Mark::Good, "everything is as it should be".into()),
        (0, lacking) => (Mark::Good, format!("works; {lacking} to look at")),
        (broken, lacking) => (Mark::Bad, format!("{broken} to repair, {lacking} to look at")),
    };
    let root = Node::new(mark, format!("namespace {}", cluster.namespace), sum).with(findings.iter().map(node));
    print!("{}", tree::draw(&root, Style::of_terminal()));
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn node((label, finding): &(&'static str, Finding)) -> Node {
    let (mark, text) = match finding {
        Finding::Good(text) => (Mark::Good, text),
        Finding::Lacking(text) => (Mark::Waiting, text),
        Finding::Broken(text) => (Mark::Bad, text),
        Finding::Unseen(text) => (Mark::Plain, text),
    };
    Node::new(mark, *label, text.as_str())
}

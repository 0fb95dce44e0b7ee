//! `landfall render -f FILE`: what the operator would make of the servers in files.

use anyhow::{Result, anyhow, bail};
use std::convert::Infallible;
use std::fmt::Write as _;

use super::files;
use super::validate::{Place, problems};
use crate::admission::Admission;
use crate::api::MCPServer;
use crate::build::build;
use crate::children::{Child, Desired, Nothing, Step};

/// Prints the objects in the order in which they are applied. They are to be read, or compared with those
/// of another version: applied by hand, they would belong to nobody.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: files::Args,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let files = args.files.read()?;
    let admission = Admission::new()?;
    let mut output = String::new();
    let mut refused = String::new();
    for (file, document) in files.documents.iter().filter(|(_, it)| it.is_server()) {
        let place = Place { file, document };
        for problem in problems(&admission, &files, document) {
            // Writing to a string cannot fail.
            let _ = write!(refused, "\n{place}: {}: {}", problem.field, problem.message);
        }
        if refused.is_empty() {
            let server: MCPServer = serde_json::from_value(document.value.clone())?;
            let server = files.validate(server).map_err(|problems| anyhow!("{place}: {problems}"))?;
            let mut print = Print { server: server.name.as_str(), output: &mut output };
            let Ok(_) = build(&server).try_each(&mut print).await;
        }
    }
    if !refused.is_empty() {
        bail!("nothing is rendered of what is invalid:{refused}");
    }
    if output.is_empty() {
        bail!("there is no MCPServer of {} in these files", crate::api::GROUP);
    }
    print!("{output}");
    Ok(())
}

/// Appends the objects of each kind.
struct Print<'a> {
    server: &'a str,
    output: &'a mut String,
}

impl Step<Desired, Nothing> for Print<'_> {
    type Error = Infallible;

    async fn step<K: Child>(&mut self, children: Vec<K>) -> Result<(), Infallible> {
        for mut child in children {
            // The owner is the stored MCPServer, whose uid only the cluster knows.
            child.meta_mut().owner_references = None;
            let note = if K::WRITE_ONCE { ", completed with what is generated when it is made" } else { "" };
            let _ = write!(
                self.output,
                "---\n# of MCPServer {}{note}\n{}",
                self.server,
                serde_saphyr::to_string(&child).unwrap_or_default()
            );
        }
        Ok(())
    }
}

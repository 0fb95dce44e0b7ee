//! `landfall validate -f FILE`: whether the API server and the operator would take what is in files.

use anyhow::Result;
use std::fmt;
use std::process::ExitCode;

use super::files::{self, Files};
use crate::admission::Admission;
use crate::api::{MCPServer, unreadable};
use crate::manifest::Document;
use crate::validate::Problem;

/// The files could not be read: nothing is known of what is in them.
const UNREADABLE: u8 = 2;

/// Ends with 0 if everything is valid, 1 if something is not, 2 if a file cannot be read.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: files::Args,
    /// Says nothing of what is valid or was skipped
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let files = match args.files.read() {
        Ok(files) => files,
        Err(error) => {
            eprintln!("landfall: {error:#}");
            return Ok(ExitCode::from(UNREADABLE));
        }
    };
    let admission = Admission::new()?;
    let mut invalid = 0;
    for (file, document) in &files.documents {
        let place = Place { file, document };
        if !document.is_server() {
            if !args.quiet {
                println!("{place}: skipped, only MCPServer of {} is checked", crate::api::GROUP);
            }
            continue;
        }
        let problems = problems(&admission, &files, document);
        invalid += usize::from(!problems.is_empty());
        if problems.is_empty() && !args.quiet {
            println!("{place}: valid");
        }
        for Problem { field, message } in &problems {
            println!("{place}: {field}: {message}");
        }
    }
    if !files.documents.iter().any(|(_, it)| it.is_server()) {
        eprintln!("landfall: there is no MCPServer of {} in these files", crate::api::GROUP);
        return Ok(ExitCode::from(UNREADABLE));
    }
    Ok(if invalid == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the API server would refuse; else what the operator would.
pub(super) fn problems(admission: &Admission, files: &Files, document: &Document) -> Vec<Problem> {
    let refused = admission.check(&document.value);
    if !refused.is_empty() {
        return refused;
    }
    let server: MCPServer = match serde_json::from_value(document.value.clone()) {
        Ok(server) => server,
        Err(error) => {
            let error = unreadable::explained(&document.value["spec"], &error.to_string());
            return vec![Problem { field: "spec".into(), message: format!("cannot be read: {error}") }];
        }
    };
    match files.validate(server) {
        Err(problems) => problems.iter().cloned().collect(),
        // Of what the same files hold: another Secret may be in the cluster.
        Ok(server) => server.missing.iter().map(|it| split(it)).collect(),
    }
}

/// A sentence that starts with its field.
fn split(sentence: &str) -> Problem {
    let (field, message) = sentence.split_once(": ").unwrap_or(("spec", sentence));
    Problem { field: field.to_owned(), message: message.to_owned() }
}

/// Where a document is, for people.
pub(super) struct Place<'a> {
    pub file: &'a str,
    pub document: &'a Document,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Document { number, .. } = self.document;
        write!(f, "{}: document {number}", self.file)?;
        match (self.document.kind(), self.document.name()) {
            ("", _) => Ok(()),
            (kind, "") => write!(f, " ({kind})"),
            (kind, name) => write!(f, " ({kind} {name})"),
        }
    }
}

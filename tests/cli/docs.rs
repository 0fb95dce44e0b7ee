//! The documents: their commands do what they say, and their links lead somewhere.

use anyhow::{Context, Result, ensure};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::documents::{Document, Place, Shell, Use, blocks, documents, is_as_shown, root};
use crate::folder;

#[test]
fn every_command_that_needs_no_cluster_does_what_it_says() -> Result<()> {
    let program = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().context("its folder")?;
    let path = format!("{}:/usr/bin:/bin", program.display());
    let (mut count, mut wrong) = (0, Vec::new());
    for document in documents()? {
        let folder = folder(&format!("docs-{}", document.path.replace('/', "-")))?;
        for file in fs::read_dir(root().join("docs/examples"))? {
            let file = file?;
            fs::copy(file.path(), folder.join(file.file_name()))?;
        }
        let environment = vec![("PATH".into(), path.clone()), ("HOME".into(), folder.display().to_string())];
        let patience = Duration::from_secs(30);
        let shell = Shell { folder, environment, patience, replace: Vec::new(), background: RefCell::default() };
        let (ran, problems) = document.run(Place::Anywhere, &shell)?;
        count += ran;
        wrong.extend(problems);
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    ensure!(count >= 15, "only {count} commands were run");
    Ok(())
}

#[test]
fn a_block_that_nobody_would_run_is_found() -> Result<()> {
    let problem = |text: &str| blocks(text).err().map(|it| format!("{it:#}")).unwrap_or_default();
    assert!(problem("```\nls\n```\n").contains("say the language"));
    assert!(problem("```text\n$ ls\n```\n").contains("is called `console` or `sh`"));
    assert!(problem("<!-- on a clutser -->\n```sh\nls\n```\n").contains("nothing that is known"));
    assert!(problem("```console\nls\n```\n").contains("does not start with a command"));
    assert!(problem("```sh\nls\n").contains("does not end"));
    let found = blocks("<!-- on a cluster -->\n```console\n$ a \\\n  b 'c\nd'\ne\n$ f\n```\n")?;
    let Use::Commands { place: Place::Cluster, steps } = &found[0].purpose else { panic!("{found:?}") };
    let told: Vec<_> = steps.iter().map(|it| (it.script.as_str(), it.shown.as_deref())).collect();
    assert_eq!(told, [("a \\\n  b 'c\nd'", Some("e\n")), ("f", Some(""))]);
    Ok(())
}

#[test]
fn what_differs_each_time_is_taken_for_the_same() {
    assert!(is_as_shown("pod/echo-7555cb954f-pb4sv   1/1   7s\n", "pod/echo-b5467ff7c-76znx 1/1 4m13s\n"));
    assert!(is_as_shown("a\n...\nd\n", "a\nb\nc\nd\n"));
    assert!(is_as_shown("10.96.0.1 None\n", "10.96.7.2   None\n"));
    assert!(!is_as_shown("a\n...\nd\n", "a\nb\n"));
    assert!(!is_as_shown("a\n", "a\nb\n"));
    assert!(!is_as_shown("echo True\n", "echo False\n"));
    assert!(!is_as_shown("", "a\n"));
}

#[test]
fn what_is_not_run_says_why() -> Result<()> {
    for document in documents()? {
        for block in &document.blocks {
            if let Use::NotRun { reason } = &block.purpose {
                ensure!(reason.len() > 10, "{}:{}: why is it not run?", document.path, block.line);
            }
        }
    }
    Ok(())
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let mut count = 0;
    // The charts' are shown elsewhere, too, where nothing of the repository is.
    for Document { path, .. } in documents()?.into_iter().filter(|it| !it.path.starts_with("charts/")) {
        let file = root().join(&path);
        let text = prose(&fs::read_to_string(&file)?);
        for link in links(&text).into_iter().filter(|it| !it.contains("://")) {
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { file.clone() } else { file.with_file_name(target) };
            ensure!(target.exists(), "{path}: there is no {link}");
            if !heading.is_empty() {
                let has = prose(&fs::read_to_string(&target)?).lines().filter_map(anchor).any(|it| it == heading);
                ensure!(has, "{path}: there is no heading for {link}");
            }
            count += 1;
        }
    }
    ensure!(count > 50, "only {count} links were found");
    Ok(())
}

#[test]
fn every_document_is_in_the_index() -> Result<()> {
    let index = fs::read_to_string(root().join("docs/README.md"))?;
    let links = links(&index);
    for document in documents()? {
        let Some(name) = document.path.strip_prefix("docs/").filter(|it| *it != "README.md") else { continue };
        ensure!(links.contains(&name), "docs/README.md does not link to {name}");
    }
    Ok(())
}

/// Without blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Where the links of a Markdown text lead.
fn links(text: &str) -> Vec<&str> {
    let ends = text.split("](").skip(1);
    ends.filter_map(|it| it.split_once(')')).map(|(link, _)| link).collect()
}

/// How a link names this heading, as GitHub has it.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading.trim().to_lowercase();
    Some(
        kept.chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it))
            .map(|it| if it == ' ' { '-' } else { it })
            .collect(),
    )
}

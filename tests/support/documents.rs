//! Commands in the documents. Every block of commands is run by a test, or says why not.
//!
//! A block of commands is one in the language `sh`, a script, or `console`, where lines that start with `$ ` are
//! commands and the others what they print. In what they print, `...` at the end of a line stands for anything.
//! What a reader does not see is said in a comment on the line before the block:
//!
//! - `<!-- on a cluster -->`: is run where there is a node and what the commands before it made;
//! - `<!-- not run: REASON -->`: is run nowhere;
//! - `<!-- file: NAME -->`: no commands, but what stands in a file that later commands read.
//!
//! Blocks without a comment are run without a cluster, and on one again in documents that have other blocks for it:
//! so a document is run as a reader does it, from top to bottom, in one folder.

#![allow(dead_code, reason = "each test binary uses its part")]

use anyhow::{Context, Result, bail, ensure};
use std::cell::RefCell;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where a block is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Anywhere,
    Cluster,
}

/// What a block is to its readers.
#[derive(Debug)]
pub enum Use {
    /// A script, or commands with what they print.
    Commands { place: Place, steps: Vec<Step> },
    /// Commands that no test runs.
    NotRun { reason: String },
    /// A file that commands read.
    File { name: String },
    /// To be read: a manifest, a picture, an answer.
    Text,
}

/// Commands, and what they print if the document shows it.
#[derive(Debug)]
pub struct Step {
    pub script: String,
    pub shown: Option<String>,
}

/// A block of a document.
#[derive(Debug)]
pub struct Block {
    /// Number of its first line.
    pub line: usize,
    pub language: String,
    pub text: String,
    pub purpose: Use,
}

/// A document.
#[derive(Debug)]
pub struct Document {
    /// Its path in the repository.
    pub path: String,
    pub blocks: Vec<Block>,
}

impl Document {
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))?;
        Ok(Self { path: path.to_owned(), blocks: blocks(&text).with_context(|| path.to_owned())? })
    }

    /// Whether some of it needs a cluster.
    pub fn needs_cluster(&self) -> bool {
        self.blocks.iter().any(|it| matches!(it.purpose, Use::Commands { place: Place::Cluster, .. }))
    }

    /// Makes its files and runs its commands, as far as `place` has what they need. Gives how many commands ran, and
    /// all that is not as the document says.
    pub fn run(&self, place: Place, shell: &Shell) -> Result<(usize, Vec<String>)> {
        let (mut count, mut wrong) = (0, Vec::new());
        for block in &self.blocks {
            match &block.purpose {
                Use::File { name } => fs::write(shell.folder.join(name), shell.stood_in(&block.text))?,
                Use::Commands { place: needed, steps } if *needed == Place::Anywhere || place == Place::Cluster => {
                    for step in steps {
                        if let Err(error) = shell.run(step) {
                            wrong.push(format!("{}:{}: {}\n{error:#}", self.path, block.line, step.script));
                        }
                        count += 1;
                    }
                }
                _ => {}
            }
        }
        Ok((count, wrong))
    }
}

/// The documents that have commands: all there are.
pub fn documents() -> Result<Vec<Document>> {
    let mut paths = [
        "README.md",
        "CONTRIBUTING.md",
        "charts/landfall/README.md",
        "charts/landfall-crds/README.md",
        "examples/echo-server/README.md",
    ]
    .map(str::to_owned)
    .to_vec();
    for file in fs::read_dir(root().join("docs"))? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|it| it == "md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort();
    paths.iter().map(|it| Document::read(it)).collect()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The blocks of a Markdown text, or what is wrong with how one is marked.
pub fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            before = if line.trim().is_empty() { before } else { line };
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let mut inside = String::new();
        loop {
            let (_, line) = lines.next().with_context(|| format!("line {}: the block does not end", number + 1))?;
            if line.trim() == "```" {
                break;
            }
            inside.extend([line.get(indent..).unwrap_or_default(), "\n"]);
        }
        let purpose = purpose(language, before, &inside).with_context(|| format!("line {}", number + 1))?;
        blocks.push(Block { line: number + 1, language: language.to_owned(), text: inside, purpose });
        before = "";
    }
    Ok(blocks)
}

fn purpose(language: &str, before: &str, text: &str) -> Result<Use> {
    let comment = before.trim().strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"));
    let has_commands = matches!(language, "sh" | "console");
    ensure!(!language.is_empty(), "say the language of the block: `text` if it has none");
    let looks_like_commands = text.lines().any(|it| it.starts_with("$ "));
    ensure!(has_commands || !looks_like_commands, "a block with commands is called `console` or `sh`");
    let place = match comment {
        Some(comment) if comment.starts_with("file: ") && !has_commands => {
            return Ok(Use::File { name: comment["file: ".len()..].to_owned() });
        }
        _ if !has_commands => return Ok(Use::Text),
        None => Place::Anywhere,
        Some("on a cluster") => Place::Cluster,
        Some(comment) => match comment.strip_prefix("not run: ") {
            Some(reason) => return Ok(Use::NotRun { reason: reason.to_owned() }),
            None => bail!("the comment {comment:?} says nothing that is known here"),
        },
    };
    let steps = if language == "sh" { vec![Step { script: text.to_owned(), shown: None }] } else { steps(text)? };
    Ok(Use::Commands { place, steps })
}

/// Commands, each with what it prints.
fn steps(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(step)) if goes_on => step.script.extend(["\n", line]),
            (Some(command), _) => steps.push(Step { script: command.to_owned(), shown: Some(String::new()) }),
            (None, Some(Step { shown: Some(shown), .. })) => {
                shown.extend([line, "\n"]);
                continue;
            }
            (None, _) => bail!("the block does not start with a command, `$ …`"),
        }
        goes_on = steps.last().is_some_and(|it| is_unfinished(&it.script));
    }
    Ok(steps)
}

/// Whether a command goes on in the next line.
fn is_unfinished(script: &str) -> bool {
    script.ends_with('\\') || script.matches('\'').count() % 2 == 1
}

/// What runs commands: a shell in a folder, with programs and variables. What commands leave in the background ends
/// with it.
pub struct Shell {
    pub folder: PathBuf,
    pub environment: Vec<(String, String)>,
    /// How long a command may take.
    pub patience: Duration,
    /// What stands in the documents, and what stands in for it here.
    pub replace: Vec<(String, String)>,
    /// Groups of processes that go on.
    pub background: RefCell<Vec<u32>>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        for group in self.background.borrow().iter() {
            let _ = Command::new("kill").args(["--", &format!("-{group}")]).status();
        }
    }
}

impl Shell {
    fn stood_in(&self, text: &str) -> String {
        self.replace.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn run(&self, step: &Step) -> Result<()> {
        let (output, messages) = (self.folder.join(".output"), self.folder.join(".messages"));
        let mut child = Command::new("/bin/sh")
            .args(["-euc", &self.stood_in(&step.script)])
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&output)?)
            .stderr(fs::File::create(&messages)?)
            .spawn()?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if began.elapsed() > self.patience {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        if step.script.trim_end().ends_with('&') {
            self.background.borrow_mut().push(child.id());
            // It has begun once it says so.
            while fs::metadata(&output)?.len() == 0 {
                ensure!(began.elapsed() < self.patience, "says nothing: {}", fs::read_to_string(&messages)?);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let (found, messages) = (fs::read_to_string(&output)?, fs::read_to_string(&messages)?);
        let Some(status) = status else { bail!("did not end in {:?}:\n{found}{messages}", self.patience) };
        if let Some(shown) = &step.shown {
            let is_as_shown = is_as_shown(&self.stood_in(shown), &found);
            ensure!(is_as_shown, "prints\n{found}{messages}\nand not\n{shown}");
        }
        // What is shown may be that something is wrong.
        let may_fail = step.shown.as_ref().is_some_and(|it| !it.is_empty());
        ensure!(status.success() || may_fail, "{status}:\n{found}{messages}");
        Ok(())
    }
}

/// Whether `found` is `shown`, where `...` at the end of a line stands for all up to what is shown next.
pub fn is_as_shown(shown: &str, found: &str) -> bool {
    let (shown, found) = (alike(shown), alike(found));
    let mut rest = found.as_str();
    for (at, part) in shown.split("...\n").enumerate() {
        let Some(start) = rest.find(part).filter(|start| at > 0 || *start == 0) else { return false };
        rest = &rest[start + part.len()..];
    }
    rest.is_empty() || shown.ends_with("...\n")
}

/// Without what is different each time: times, the ends of pods' names, and how far columns are apart.
fn alike(text: &str) -> String {
    let mut alike = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().map(word).collect();
        alike.extend([words.join(" ").as_str(), "\n"]);
    }
    alike
}

fn word(word: &str) -> String {
    if is_age(word) {
        return "AGE".into();
    }
    if word.parse::<Ipv4Addr>().is_ok() {
        return "ADDRESS".into();
    }
    let without = |word: &'_ str, lengths: RangeInclusive<usize>| {
        let (name, end) = word.rsplit_once('-')?;
        (lengths.contains(&end.len()) && is_generated(end)).then(|| name.to_owned())
    };
    // A pod of a Deployment is called after its ReplicaSet.
    let set = without(word, 5..=5).and_then(|set| without(&set, 8..=10));
    set.or_else(|| without(word, 8..=10)).map_or_else(|| word.to_owned(), |name| format!("{name}-GENERATED"))
}

/// As `kubectl` writes how long ago something was: `4m13s`.
fn is_age(word: &str) -> bool {
    let mut had_digit = false;
    let is_age = word.chars().all(|it| match it {
        '0'..='9' => {
            had_digit = true;
            true
        }
        'd' | 'h' | 'm' | 's' => std::mem::take(&mut had_digit),
        _ => false,
    });
    is_age && !had_digit && word.len() > 1
}

/// Of the letters of which Kubernetes makes names.
fn is_generated(text: &str) -> bool {
    text.chars().all(|it| "bcdfghjklmnpqrstvwxz2456789".contains(it))
}

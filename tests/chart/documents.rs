//! The documents, as somebody with a new cluster reads them, each from top to bottom.
//!
//! Images that would come from a registry are stood in for, under their own names or by a name that is put in the
//! place of theirs. `mcp/everything` is the real server of that name, from npm; the article's server and its
//! database are the example server.

use anyhow::{Context, Result, anyhow, ensure};
use landfall_cluster::image::{Image, Layer};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::charts::{Charts, root};
use crate::node::{Node, made};
use crate::support::documents::{Document, Place, Shell, documents};

/// Installs the operator.
const FIRST: &str = "README.md";

/// Makes what the others look at.
const SECOND: &str = "docs/quick-start.md";

/// Is in namespaces of its own, and takes as long as the others together: another reader's.
const APART: &str = "docs/guide.md";

/// Removes everything.
const LAST: &str = "docs/upgrade.md";

/// In place of an image whose tag changes, which a kubelet would pull.
const EVERYTHING: (&str, &str) = ("mcp/everything", "localhost/landfall/everything:1");

/// A domain that the way in has a certificate for.
const DOMAIN: &str = "example.com";

/// What keeps this machine from making the images, or opening a way in.
pub fn missing() -> Option<String> {
    let works = |program: &str, arguments: &str| {
        Command::new(program).args(arguments.splitn(2, ' ')).output().is_ok_and(|it| it.status.success())
    };
    let programs = [
        ("node", "--version"),
        ("npm", "--version"),
        ("python3", "--version"),
        ("python3", "-c import ensurepip, venv"),
        ("go", "version"),
    ];
    let absent = programs.into_iter().find(|(program, arguments)| !works(program, arguments));
    let absent = absent.map(|(program, words)| format!("the documents' images: `{program} {words}` does not work"));
    absent.or_else(landfall_cluster::missing_for_front_door)
}

pub async fn a_reader_gets_what_they_say(node: &Node, charts: &Charts) -> Result<()> {
    let everything = made("servers", "everything.tar")?;
    node.world.cluster.load_image(&everything).await?;
    for archive in stand_ins(charts.folder())? {
        node.world.cluster.load_image(&archive).await?;
    }
    node.world.cluster.open_front_door(DOMAIN).await?;
    // Where Argo CD keeps its settings, on clusters that have it.
    node.space("argocd").await?;

    let mut documents = documents()?;
    documents.retain(Document::needs_cluster);
    documents.sort_by_key(|it| it.path != SECOND);
    let mut take = |belongs: fn(&str) -> bool| -> Result<Vec<_>> {
        let taken = documents.extract_if(.., |it| belongs(&it.path));
        taken.map(|it| Ok((shell(node, charts, &it.path)?, it))).collect()
    };
    let (first, apart, last) = (take(|it| it == FIRST)?, take(|it| it == APART)?, take(|it| it == LAST)?);
    let others = take(|_| true)?;
    let mut readings = vec![read(first)?];
    let both = std::thread::scope(|scope| {
        [scope.spawn(|| read(apart)), scope.spawn(|| read(others))].map(std::thread::ScopedJoinHandle::join)
    });
    for reading in both {
        readings.push(reading.map_err(|_| anyhow!("a reader panicked"))??);
    }
    readings.push(read(last)?);

    let (counts, wrong): (Vec<_>, Vec<_>) = readings.into_iter().unzip();
    let wrong = wrong.concat();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    ensure!(counts.iter().sum::<usize>() > 60, "only {counts:?} commands were run");
    // What is left is in namespaces that are on their way out.
    Ok(())
}

/// Runs documents one after the other. Gives how many commands ran, and all that is not as they say.
fn read(documents: Vec<(Shell, Document)>) -> Result<(usize, Vec<String>)> {
    let (mut count, mut wrong) = (0, Vec::new());
    for (shell, document) in documents {
        let began = Instant::now();
        let (ran, problems) = document.run(Place::Cluster, &shell)?;
        count += ran;
        wrong.extend(problems);
        eprintln!("{}: {:.1?}", document.path, began.elapsed());
    }
    Ok((count, wrong))
}

/// A checkout, and the programs and the kubeconfig of its owner.
fn shell(node: &Node, charts: &Charts, document: &str) -> Result<Shell> {
    let folder = charts.folder().join("readers").join(document.replace('/', "-"));
    let programs = folder.join(".bin");
    fs::create_dir_all(&programs)?;
    symlink(env!("CARGO_BIN_EXE_landfall"), programs.join("landfall"))?;
    symlink(node.world.cluster.kubectl()?, programs.join("kubectl"))?;
    symlink(charts.helm.program(), programs.join("helm"))?;
    for part in ["config", "crds"] {
        symlink(root().join(part), folder.join(part))?;
    }
    symlink(charts.source(""), folder.join("charts"))?;
    fs::create_dir_all(folder.join("docs/examples"))?;
    let (image, ours) = EVERYTHING;
    for file in fs::read_dir(root().join("docs/examples"))? {
        let file = file?;
        let text = fs::read_to_string(file.path())?.replace(image, ours);
        fs::write(folder.join(file.file_name()), &text)?;
        fs::write(folder.join("docs/examples").join(file.file_name()), &text)?;
    }
    // Which namespace is the current one is written into it, by the document that comes before the others.
    let reader = if document == APART { "another.kubeconfig" } else { "reader.kubeconfig" };
    let kubeconfig = charts.folder().join(reader);
    if !kubeconfig.exists() {
        fs::copy(node.kubeconfig(), &kubeconfig)?;
    }
    let home = folder.display().to_string();
    let environment = [
        ("PATH", format!("{}:/usr/bin:/bin", programs.display())),
        ("HOME", home.clone()),
        ("KUBECONFIG", kubeconfig.display().to_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let patience = Duration::from_mins(2);
    let replace = vec![(image.to_owned(), ours.to_owned())];
    Ok(Shell { folder, environment, patience, replace, background: RefCell::default() })
}

/// Images of the article's server, of the runtime that it is started with, and of its database.
fn stand_ins(folder: &Path) -> Result<Vec<PathBuf>> {
    made("images", "echo-server.tar")?;
    let binary = root().join("target/images/echo-server");
    let program = || Layer::new().file_from("/echo-server", &binary, 0o755);
    let server = ["/echo-server", "--path", "/"];
    let database = ["/echo-server", "--port", "6333", "--health-path", "/readyz"];
    let images = [
        Image::new("ghcr.io/vfarcic/dot-ai:0.85.0")?.layer(program()?).entrypoint(server),
        Image::new("docker.io/qdrant/qdrant:v1.15.4")?.layer(program()?).entrypoint(database),
        Image::new("ghcr.io/vfarcic/dot-ai-demo/qdrant:0.8.0")?.layer(program()?).entrypoint(database),
        Image::new("docker.io/library/node:24-slim")?.layer(npx(program()?, &server)?).env("PATH", "/bin"),
    ];
    let archive = |(number, image): (usize, Image)| -> Result<PathBuf> {
        let archive = folder.join(format!("stand-in-{number}.tar"));
        image.user("65532").write(&archive)?;
        Ok(archive)
    };
    images.into_iter().enumerate().map(archive).collect()
}

/// An `npx` that downloads nothing, and starts the same server whatever it is told. Its shell is this machine's.
fn npx(layer: Layer, server: &[&str]) -> Result<Layer> {
    let script = format!("#!/bin/sh\nexec {}\n", server.join(" "));
    let mut layer = layer.file("/bin/npx", script, 0o755)?.file_from("/bin/sh", "/bin/sh", 0o755)?;
    let listed = Command::new("ldd").arg("/bin/sh").output().context("ldd is missing")?;
    for library in String::from_utf8(listed.stdout)?.split_whitespace().filter(|it| it.starts_with('/')) {
        layer = layer.file_from(library, library, 0o755)?;
    }
    Ok(layer)
}

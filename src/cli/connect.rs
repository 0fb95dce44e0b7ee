//! `landfall connect NAME`: what a client has to be told to use a server.

use anyhow::{Context, Error, Result, anyhow, ensure};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::cluster;
use crate::connect::{Client, Connection, Merged, alone, merge};

/// Prints the configuration for the URL in the server's status. Credentials are never part of it: it names an
/// environment variable, or a place to fill in.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Name of the server
    name: String,
    /// For which client. Default: for each
    #[arg(long, value_enum)]
    client: Option<Client>,
    /// Adds the server to the client's own file, after copying that to FILE.backup
    #[arg(long, requires = "client")]
    write: bool,
    /// File to add it to, in place of the client's usual one
    #[arg(long, value_name = "FILE", requires = "write")]
    file: Option<PathBuf>,
    /// With --write, replaces another server that has this name in the file
    #[arg(long, requires = "write")]
    replace: bool,
    /// URL to use in place of the one in status, such as that of a `kubectl port-forward`; then no cluster is
    /// asked
    #[arg(long)]
    url: Option<String>,
    /// With --url, a header whose value the server wants; may be given several times
    #[arg(long = "header", value_name = "NAME", requires = "url")]
    headers: Vec<String>,
    #[command(flatten)]
    cluster: cluster::Args,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let connection = connection(args).await?;
    let Some(client) = args.client else {
        for client in Client::all() {
            println!("# {}: {}\n{}", client.title(), client.file(), alone(*client, &connection).map_err(Error::msg)?);
        }
        return Ok(());
    };
    if args.write {
        let path = match &args.file {
            Some(path) => path.clone(),
            None => client
                .path(std::env::var("HOME").ok().as_deref())
                .context("HOME is not set: name the file with --file")?,
        };
        println!("{}", write(client, &path, &connection, args.replace)?);
    } else {
        print!("{}", alone(client, &connection).map_err(Error::msg)?);
    }
    if let Some(hint) = client.hint(&connection) {
        eprintln!("landfall: {hint}");
    }
    Ok(())
}

async fn connection(args: &Args) -> Result<Connection> {
    if let Some(url) = &args.url {
        ensure!(
            url.starts_with("http://") || url.starts_with("https://"),
            "--url: \"{url}\" begins with neither http:// nor https://"
        );
        let connection = Connection::new(&args.name, url);
        return Ok(args.headers.iter().fold(connection, |it, header| it.with_header(header)));
    }
    let cluster = args.cluster.connect().await?;
    let server = cluster.server(&args.name).await?;
    let connection = Connection::of(&server, None).map_err(|error| anyhow!(error))?;
    let status = server.status.unwrap_or_default();
    if status.cluster_url == status.url {
        eprintln!(
            "landfall: {} is an address within the cluster: from outside, run `kubectl port-forward`, and give its URL with --url",
            connection.url
        );
    }
    Ok(connection)
}

/// What was done, in a sentence.
fn write(client: Client, path: &Path, connection: &Connection, replaces: bool) -> Result<String> {
    // Behind a link is the file that shall change, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.display();
    let before = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
    };
    let merged = merge(client, before.as_deref().unwrap_or_default(), connection, replaces)
        .map_err(|error| anyhow!("{name} is left as it is: {error}"))?;
    let Merged::Changed(after) = merged else { return Ok(format!("{name} has {} already", connection.name)) };
    let mut backup = String::new();
    if before.is_some() {
        let copy = backup_of(&path);
        fs::copy(&path, &copy).with_context(|| format!("cannot make the backup {}", copy.display()))?;
        backup = format!("; what was there before is in {}", copy.display());
    } else if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    replace(&path, &after).with_context(|| format!("cannot write {name}"))?;
    Ok(format!("{name} has {} now{backup}", connection.name))
}

/// The first free name: an older backup is never overwritten.
fn backup_of(path: &Path) -> PathBuf {
    let with = |end: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let numbered = (2..).map(|number| with(format!(".backup-{number}")));
    let mut names = std::iter::once(with(".backup".into())).chain(numbered);
    names.find(|it| !it.exists()).unwrap_or_else(|| with(".backup".into()))
}

/// In one step, so that a client never reads half of it.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    if path.exists() {
        // A copy is as hidden from others as the file itself, from its first byte on.
        fs::copy(path, &new)?;
    }
    fs::write(&new, text)?;
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}

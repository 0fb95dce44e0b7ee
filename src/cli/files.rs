//! Files of resources on the command line: where they come from, and which of them is meant.

use anyhow::{Context, Result};
use kube::ResourceExt;
use std::io::Read;
use std::path::PathBuf;

use crate::api::MCPServer;
use crate::manifest::{self, Document, Objects};
use crate::references::{Front, GatewayApi, References, Running};
use crate::settings::{Platform, Settings};
use crate::validate::{Problems, ValidatedServer, validate};

/// More than any file of resources has.
const LARGEST: u64 = 16 << 20;

/// Files of resources, and how the operator that they are meant for was started.
#[derive(clap::Args)]
// Subcommands have arguments of that name, too.
#[group(skip)]
pub(super) struct Args {
    /// File of resources in YAML or JSON; `-` is standard input. May be given several times. Secrets and
    /// ConfigMaps among them count as existing.
    #[arg(long = "filename", short = 'f', value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Namespace of what names none
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,
    /// The cluster is OpenShift, which assigns users and groups to pods itself
    #[arg(long)]
    openshift: bool,
    #[command(flatten, next_help_heading = "Settings of the operator")]
    settings: Settings,
}

/// What the files hold.
pub(super) struct Files {
    /// Each resource, with the file that it is in.
    pub documents: Vec<(String, Document)>,
    objects: Objects,
    namespace: String,
    platform: Platform,
}

/// The text of a file, and what it is called in messages.
pub(super) fn read(path: &PathBuf) -> Result<(String, String)> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(LARGEST).read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(("standard input".into(), text));
    }
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    file.take(LARGEST).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!((text.len() as u64) < LARGEST, "{name} is larger than any file of resources");
    Ok((name, text))
}

impl Args {
    /// Reads all files.
    pub(super) fn read(&self) -> Result<Files> {
        let mut documents = Vec::new();
        for path in &self.files {
            let (name, text) = read(path)?;
            let found = manifest::documents(&text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            documents.extend(found.into_iter().map(|it| (name.clone(), it)));
        }
        let objects = Objects::among(documents.iter().map(|(_, it)| it), &self.namespace);
        let domain = self.settings.cluster_domain.clone();
        let platform = super::operator::platform(&self.settings, domain, self.openshift);
        Ok(Files { documents, objects, namespace: self.namespace.clone(), platform })
    }
}

impl Files {
    /// What the operator would make of a server, if it was stored, its dependencies were ready, and the
    /// cluster had the Gateway API.
    pub(super) fn validate(&self, mut server: MCPServer) -> Result<ValidatedServer, Problems> {
        let namespace = server.metadata.namespace.get_or_insert_with(|| self.namespace.clone()).clone();
        server.metadata.uid.get_or_insert_with(|| super::NO_UID.into());
        let ready = server
            .spec
            .dependencies
            .iter()
            .map(|it| (format!("{}-{}", server.name_any(), it.name), Running { hash: None, is_ready: true }));
        let look_up = |source, name: &str| self.objects.look_up(source, &namespace, name);
        let front = Front { gateway_api: GatewayApi::Served, ..Front::default() };
        let references = References::gather(&server.spec, look_up).with_workloads(ready.collect()).with_front(front);
        validate(&server, &references, &self.platform)
    }
}

//! Container images without a container engine: an archive that `ctr images import` and `docker load` take.
//!
//! ```no_run
//! use landfall_cluster::image::{Image, Layer};
//!
//! # fn example() -> anyhow::Result<()> {
//! Image::new("example/echo:1")?
//!     .layer(Layer::new().file_from("/echo", "target/release/echo", 0o755)?)
//!     .entrypoint(["/echo"])
//!     .user("65532:65532")
//!     .port(8080)
//!     .write("echo.tar")?;
//! # Ok(())
//! # }
//! ```

mod layer;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::digest::sha256_hex;
pub use layer::Layer;
use layer::append_file;

/// An image in the making. The same input always gives the same bytes.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    layers: Vec<Layer>,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    env: Vec<String>,
    user: Option<String>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    ports: Vec<u16>,
    labels: BTreeMap<String, String>,
}

impl Image {
    /// `name` needs a tag other than `latest`: kubelet would try to pull that one from a registry.
    pub fn new(name: &str) -> Result<Self> {
        let last = name.rsplit('/').next().unwrap_or(name);
        match last.split_once(':') {
            Some((repository, tag)) if !repository.is_empty() && !tag.is_empty() => {
                if tag == "latest" {
                    bail!("{name}: give it a tag other than latest, which kubelet would pull");
                }
            }
            _ => bail!("{name}: an image's name needs a tag, as in {last}:1"),
        }
        Ok(Self {
            name: name.to_owned(),
            layers: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            env: Vec::new(),
            user: None,
            working_dir: None,
            stop_signal: None,
            ports: Vec::new(),
            labels: BTreeMap::new(),
        })
    }

    /// Adds a layer above those that are there.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    #[must_use]
    pub fn entrypoint(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.entrypoint = words.into_iter().map(Into::into).collect();
        self
    }

    #[must_use]
    pub fn cmd(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.cmd = words.into_iter().map(Into::into).collect();
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// A user id or `user:group`; a name only if the image has `/etc/passwd`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    #[must_use]
    pub fn working_dir(mut self, path: &str) -> Self {
        self.working_dir = Some(path.to_owned());
        self
    }

    /// What tells its program to end, such as `SIGINT`; SIGTERM if nothing is said.
    #[must_use]
    pub fn stop_signal(mut self, name: &str) -> Self {
        self.stop_signal = Some(name.to_owned());
        self
    }

    /// Documents a TCP port; nothing is opened or closed by it.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes the archive: an OCI image layout, with the file by which Docker finds the same blobs.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let archive = self.archive()?;
        fs::write(path, archive).with_context(|| format!("cannot write {}", path.display()))
    }

    fn archive(&self) -> Result<Vec<u8>> {
        let layers: Vec<Blob> = self.layers.iter().map(|layer| layer.tar().map(Blob::new)).collect::<Result<_>>()?;
        let config = Blob::new(self.config(&layers).to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": layers.iter().map(|layer| layer.descriptor(LAYER)).collect::<Vec<_>>(),
        });
        let manifest = Blob::new(manifest.to_string().into_bytes());
        let docker = json!([{
            "Config": config.path(),
            "RepoTags": [self.name],
            "Layers": layers.iter().map(Blob::path).collect::<Vec<_>>(),
        }]);

        let mut archive = tar::Builder::new(Vec::new());
        append_file(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        append_file(&mut archive, "index.json", self.index(&manifest).to_string().as_bytes(), 0o644)?;
        append_file(&mut archive, "manifest.json", docker.to_string().as_bytes(), 0o644)?;
        // Two equal layers are one blob.
        let blobs: BTreeMap<String, &Blob> =
            layers.iter().chain([&config, &manifest]).map(|blob| (blob.path(), blob)).collect();
        for (name, blob) in blobs {
            append_file(&mut archive, &name, &blob.content, 0o644)?;
        }
        Ok(archive.into_inner()?)
    }

    fn index(&self, manifest: &Blob) -> Value {
        let mut descriptor = manifest.descriptor(MANIFEST);
        let tag = self.name.rsplit(':').next();
        descriptor["annotations"] = json!({
            "io.containerd.image.name": full_name(&self.name),
            "org.opencontainers.image.ref.name": tag,
        });
        json!({"schemaVersion": 2, "manifests": [descriptor]})
    }

    /// Without a date: it would differ each time.
    fn config(&self, layers: &[Blob]) -> Value {
        let mut config = Map::new();
        let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
        if !self.entrypoint.is_empty() {
            set("Entrypoint", json!(self.entrypoint));
        }
        if !self.cmd.is_empty() {
            set("Cmd", json!(self.cmd));
        }
        if !self.env.is_empty() {
            set("Env", json!(self.env));
        }
        if let Some(user) = &self.user {
            set("User", json!(user));
        }
        if let Some(path) = &self.working_dir {
            set("WorkingDir", json!(path));
        }
        if let Some(name) = &self.stop_signal {
            set("StopSignal", json!(name));
        }
        if !self.ports.is_empty() {
            let ports = self.ports.iter().map(|port| (format!("{port}/tcp"), json!({})));
            set("ExposedPorts", Value::Object(ports.collect()));
        }
        if !self.labels.is_empty() {
            set("Labels", json!(self.labels));
        }
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": config,
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| &layer.digest).collect::<Vec<_>>(),
            },
        })
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

struct Blob {
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", sha256_hex([content.as_slice()]));
        Self { digest, content }
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.content.len()})
    }
}

/// `echo:1` -> `docker.io/library/echo:1`: the name under which kubelet looks for it.
fn full_name(name: &str) -> String {
    match name.split_once('/') {
        Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

/// This machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests;

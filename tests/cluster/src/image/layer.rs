//! One layer of an image: files, folders and links.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tar::{Builder, EntryType, Header};

/// A set of files that becomes one layer. Everything belongs to root and has no date.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// By path in the archive, so the order does not depend on how the layer was put together.
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Directory { mode: u32 },
    File { content: Vec<u8>, mode: u32 },
    Link { target: PathBuf },
}

impl Layer {
    pub fn new() -> Self {
        Self::default()
    }

    /// A file with this content at an absolute path in the image.
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<Self> {
        let content = content.into();
        self.entry(path, Entry::File { content, mode })
    }

    /// A copy of a file of this machine.
    pub fn file_from(self, path: &str, source: impl AsRef<Path>, mode: u32) -> Result<Self> {
        let source = source.as_ref();
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.file(path, content, mode)
    }

    /// An empty folder. The folders above a file are there without being named.
    pub fn directory(self, path: &str, mode: u32) -> Result<Self> {
        self.entry(path, Entry::Directory { mode })
    }

    /// A symbolic link.
    pub fn link(self, path: &str, target: impl Into<PathBuf>) -> Result<Self> {
        let target = target.into();
        self.entry(path, Entry::Link { target })
    }

    /// A copy of a file, a link or a whole folder of this machine. Of a mode only that is taken over
    /// which no umask changes: whether a file may be run, and a folder's sticky bit, which makes it
    /// open to all as `/tmp` is.
    pub fn copy_from(mut self, path: &str, source: impl AsRef<Path>) -> Result<Self> {
        let source = source.as_ref();
        let metadata = fs::symlink_metadata(source).with_context(|| format!("cannot read {}", source.display()))?;
        if metadata.is_symlink() {
            return self.link(path, fs::read_link(source)?);
        }
        if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o111 != 0;
            return self.file_from(path, source, if executable { 0o755 } else { 0o644 });
        }
        if !metadata.is_dir() {
            bail!("{} is neither a file nor a folder", source.display());
        }
        let sticky = metadata.permissions().mode() & 0o1000 != 0;
        self = self.directory(path, if sticky { 0o1777 } else { 0o755 })?;
        for entry in fs::read_dir(source)? {
            let name = entry?.file_name();
            let name = name.to_str().context("a file's name is not UTF-8")?;
            self = self.copy_from(&format!("{path}/{name}"), source.join(name))?;
        }
        Ok(self)
    }

    fn entry(mut self, path: &str, entry: Entry) -> Result<Self> {
        let absolute = Path::new(path);
        let Ok(relative) = absolute.strip_prefix("/") else {
            bail!("{path}: a path in an image begins with /");
        };
        for parent in relative.ancestors().skip(1) {
            if !parent.as_os_str().is_empty() {
                let mode = 0o755;
                let directory = Entry::Directory { mode };
                self.entries.entry(parent.to_owned()).or_insert(directory);
            }
        }
        self.entries.insert(relative.to_owned(), entry);
        Ok(self)
    }

    pub(super) fn tar(&self) -> Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            match entry {
                Entry::Directory { mode } => {
                    let mut header = header(EntryType::Directory, 0, *mode);
                    archive.append_data(&mut header, path.join(""), [].as_slice())?;
                }
                Entry::File { content, mode } => append_file(&mut archive, path, content, *mode)?,
                Entry::Link { target } => {
                    let mut header = header(EntryType::Symlink, 0, 0o777);
                    archive.append_link(&mut header, path, target)?;
                }
            }
        }
        Ok(archive.into_inner()?)
    }
}

pub(super) fn append_file(
    archive: &mut Builder<Vec<u8>>,
    path: impl AsRef<Path>,
    content: &[u8],
    mode: u32,
) -> Result<()> {
    let mut header = header(EntryType::Regular, content.len() as u64, mode);
    archive.append_data(&mut header, path, content)?;
    Ok(())
}

fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

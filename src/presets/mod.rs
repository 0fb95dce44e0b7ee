//! What Landfall knows of databases: data, not code. A preset only fills in what a dependency does
//! not say; `table.rs` has one entry for each, with the facts that its image's documentation gives.

mod table;
mod version;

pub use version::{DataVersion, parse_tag};

use crate::api::PresetName;

/// Everything that is known of one database.
pub struct Preset {
    /// Image without a tag.
    pub image: &'static str,
    /// Version that is run when the spec names none.
    pub version: &'static str,
    /// How a version becomes a tag: `{}` stands for it.
    pub tag: &'static str,
    /// Major versions for which the rest of the entry holds.
    pub majors: &'static [u32],
    /// Name and number of each port; the first one is what `NAME_PORT` and the URL speak of.
    pub ports: &'static [(&'static str, i32)],
    /// Where the data is kept, and how much room it has by default.
    pub data: Option<Data>,
    pub scratch: &'static [&'static str],
    pub args: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
    pub credentials: Option<CredentialsOf>,
    /// URL that clients take, of `$(HOST)`, `$(PORT)`, and with credentials `$(USERNAME)`,
    /// `$(PASSWORD)` and `$(DATABASE)`.
    pub url: &'static str,
    pub readiness: Check,
    pub user: i64,
    pub group: i64,
    pub fs_group: i64,
    pub read_only_root: bool,
    /// Least CPU and memory with which it starts.
    pub requests: (&'static str, &'static str),
    pub node_selector: &'static [(&'static str, &'static str)],
    /// Which change of the version the data survives.
    pub upgrade: Upgrade,
}

/// Storage by default.
pub struct Data {
    pub path: &'static str,
    pub size: &'static str,
}

/// How a database is told its user and password.
pub struct CredentialsOf {
    pub username: Account,
    pub database: Account,
    /// Variables of its own pod.
    pub env: &'static [(&'static str, Part)],
    /// Its other variables that are made of them.
    pub composed: &'static [(&'static str, &'static str)],
    /// Arguments that turn the password on.
    pub args: &'static [&'static str],
    /// URL with credentials.
    pub url: &'static str,
    /// Whether it runs without any, too.
    pub optional: bool,
    /// Whether one is made when the spec says nothing.
    pub by_default: bool,
}

/// A user or a database within the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// It knows none.
    Absent,
    /// It has this one.
    Fixed(&'static str),
    /// Its image makes one at the first start, with this name unless another is wanted.
    Made(&'static str),
}

/// A part of credentials, and its key in the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Username,
    Password,
    Database,
}

impl Part {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Username, Self::Password, Self::Database];

    /// Its key in the Secret.
    pub fn key(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Password => "password",
            Self::Database => "database",
        }
    }

    /// What it is called in a URL's template and in the names of variables.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Username => "USERNAME",
            Self::Password => "PASSWORD",
            Self::Database => "DATABASE",
        }
    }
}

/// How it is known that the database answers.
pub enum Check {
    /// GET of this path on the first port.
    Http(&'static str),
    /// A connection to the first port.
    Tcp,
    /// A shell command in the container.
    Command(&'static str),
}

/// Which change of the version a database's data survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Only within one major version: the format on disk is another in the next.
    WithinMajor,
    /// One major version at a time.
    MajorByMajor,
    /// One minor version at a time.
    MinorByMinor,
    /// To any newer one.
    Forward,
}

impl PresetName {
    /// What is known of it.
    pub fn preset(self) -> &'static Preset {
        table::of(self)
    }
}

impl Preset {
    /// The image of `version`, or of the default one.
    pub fn image_of(&self, version: Option<&str>) -> String {
        format!("{}:{}", self.image, self.tag.replace("{}", version.unwrap_or(self.version)))
    }
}

#[cfg(test)]
mod tests;

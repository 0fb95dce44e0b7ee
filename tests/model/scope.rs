//! What is explored: which cluster, and what happens to it.

use serde_json::Value;

use crate::state::Left;

/// What others do to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They change a field that is the operator's.
    Edit,
    /// They take off the label that it is watched by.
    TakeLabel,
    /// They take off the hash of what was applied.
    TakeHash,
    /// They take away its owner.
    Disown,
    /// They add something of their own.
    Annotate,
    Delete,
    /// They put one of their own in its place.
    Replace,
    /// They make one of that name before the operator does.
    Make,
}

impl Way {
    pub const ALL: [Self; 8] = [
        Self::Edit,
        Self::TakeLabel,
        Self::TakeHash,
        Self::Disown,
        Self::Annotate,
        Self::Delete,
        Self::Replace,
        Self::Make,
    ];
}

/// A rule that the operator keeps, broken on the way between it and the API server: to show that the
/// exploration finds what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    DeletesWithoutUid,
    AppliesWithoutUid,
    AppliesOverAnything,
    CreatesOverAnything,
    ForgetsTheHash,
    TakesAllForItsOwn,
    TakesWhatIsLeft,
}

/// What is explored.
pub struct Scope {
    pub servers: Vec<(&'static str, Vec<Value>)>,
    /// How many servers there are at first, with their first spec.
    pub at_first: usize,
    /// Whether all of theirs is there when anything may happen.
    pub is_settled: bool,
    /// Whether users delete servers.
    pub may_end: bool,
    pub left: Left,
    /// The kinds that others meddle with, and how.
    pub meddled: &'static [&'static str],
    pub ways: &'static [Way],
    pub broken: Option<Broken>,
}

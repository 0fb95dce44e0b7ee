//! What the soak asks for: servers at random, and what shall have become of each in the end.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::support::mcp::SILENT;
use crate::support::random::Random;

/// Never more servers than this at a time: what grows nevertheless is a leak.
pub const MOST: usize = 40;

/// More names than servers, so that names come back while their last bearers are still being collected.
const NAMES: u64 = 60;

/// One server as it is wanted now.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is thrown for by itself")]
pub struct Wish {
    pub replicas: i32,
    version: u64,
    setting: u64,
    is_silent: bool,
    is_invalid: bool,
    has_cache: bool,
    has_file: bool,
    has_budget: bool,
}

/// What is done next.
#[derive(Debug)]
pub enum Step {
    Apply(String, Wish),
    Scale(String, i32),
    Delete(String),
}

impl Wish {
    fn random(random: &mut Random) -> Self {
        Self {
            replicas: i32::try_from(random.below(3)).unwrap_or_default(),
            version: random.below(1000),
            setting: random.below(1000),
            is_silent: random.percent(10),
            is_invalid: random.percent(5),
            has_cache: random.percent(25),
            has_file: random.percent(25),
            has_budget: random.percent(15),
        }
    }

    /// Changes one thing, and what was wrong is put right.
    fn edit(&mut self, random: &mut Random) {
        self.is_invalid = false;
        match random.below(7) {
            0 => self.version = random.below(1000),
            1 => self.is_silent = !self.is_silent,
            2 => self.is_invalid = true,
            3 => self.has_cache = !self.has_cache,
            4 => self.has_file = !self.has_file,
            5 => self.has_budget = !self.has_budget,
            _ => self.setting = random.below(1000),
        }
    }

    /// The image, which tells in the end whether the last wish was heard.
    pub fn image(&self) -> String {
        format!("soak:{}", self.version)
    }

    /// Whether the spec can be carried out.
    pub fn is_valid(&self) -> bool {
        !self.is_invalid
    }

    pub fn spec(&self, port: u16) -> Value {
        let mut spec = json!({
            "image": self.image(), "port": port, "replicas": self.replicas, "sessions": "Stateless",
            "path": if self.is_silent { SILENT } else { "/mcp" },
            "env": [{"name": "SETTING", "value": self.setting.to_string()}],
        });
        if self.is_invalid {
            spec["affinity"] = json!({"nonsense": 1});
        }
        if self.has_cache {
            spec["dependencies"] =
                json!([{"name": "cache", "image": "cache:1", "ports": [{"name": "cache", "port": 6379}]}]);
        }
        if self.has_file {
            spec["files"] = json!([{"path": "/etc/setting", "content": format!("{}", self.setting)}]);
        }
        if self.has_budget {
            spec["disruptionBudget"] = json!({"maxUnavailable": 1});
        }
        spec
    }

    /// Status and reason of `Ready` once all is done.
    pub fn outcome(&self) -> (&'static str, &'static str) {
        match self {
            Self { is_invalid: true, .. } => ("False", "InvalidSpec"),
            Self { replicas: 0, .. } => ("False", "ScaledToZero"),
            Self { is_silent: true, .. } => ("False", "HandshakeTimeout"),
            _ => ("True", "Ready"),
        }
    }
}

/// Chooses what is done next, and notes it in `wishes`.
pub fn next(random: &mut Random, wishes: &mut BTreeMap<String, Wish>) -> Step {
    let choice = random.below(100);
    let some = |random: &mut Random, wishes: &BTreeMap<String, Wish>| {
        let index = random.below(wishes.len() as u64);
        wishes.keys().nth(usize::try_from(index).unwrap_or_default()).cloned().unwrap_or_default()
    };
    if wishes.is_empty() || (choice < 25 && wishes.len() < MOST) {
        let name = format!("s-{}", random.below(NAMES));
        let wish = Wish::random(random);
        wishes.insert(name.clone(), wish.clone());
        return Step::Apply(name, wish);
    }
    let name = some(random, wishes);
    if choice < 40 {
        wishes.remove(&name);
        return Step::Delete(name);
    }
    let Some(wish) = wishes.get_mut(&name) else { return Step::Delete(name) };
    if choice < 60 {
        wish.replicas = i32::try_from(random.below(4)).unwrap_or_default();
        return Step::Scale(name, wish.replicas);
    }
    wish.edit(random);
    Step::Apply(name, wish.clone())
}

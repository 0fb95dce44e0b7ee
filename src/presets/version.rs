//! Versions of databases, and which may follow which on the same data.

use super::Upgrade;
use crate::api::PresetName;

/// Which database, and which version of it, last wrote to a storage. Kept on the claim, so that it is
/// known after the workload is gone, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataVersion {
    preset: String,
    numbers: Vec<u32>,
}

/// The numbers of a version or of an image's tag: `v1.15.4`, `pg17` and `17.2-alpine` have some,
/// `latest` has none.
pub fn parse_tag(text: &str) -> Vec<u32> {
    let text = text.trim_start_matches(|it: char| it.is_ascii_alphabetic() || it == '-');
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    text[..end].split('.').map_while(|number| number.parse().ok()).collect()
}

impl DataVersion {
    /// That of an image with this reference.
    pub fn of_image(preset: PresetName, image: &str) -> Self {
        let name = image.split('@').next().unwrap_or_default();
        let tag = name.rsplit('/').next().and_then(|it| it.split_once(':')).map_or("", |(_, tag)| tag);
        Self { preset: preset.to_string(), numbers: parse_tag(tag) }
    }

    /// As it is written on a claim.
    pub fn text(&self) -> String {
        let numbers: Vec<_> = self.numbers.iter().map(u32::to_string).collect();
        format!("{} {}", self.preset, numbers.join(".")).trim_end().to_owned()
    }

    /// What is written on a claim.
    pub fn read(text: &str) -> Self {
        let (preset, version) = text.split_once(' ').unwrap_or((text, ""));
        Self { preset: preset.to_owned(), numbers: parse_tag(version) }
    }

    /// Whether the data of `before` can be given to this version, and if not, why and what to do.
    pub fn check_after(&self, before: &Self) -> Result<(), String> {
        if self.preset != before.preset {
            return Err(format!(
                "holds data of {}, which {} cannot read: give this dependency another name, or delete the claim with \
                 all its data",
                before.preset, self.preset
            ));
        }
        let Some(rule) = PresetName::ALL.iter().find(|it| it.as_str() == self.preset).map(|it| it.preset().upgrade)
        else {
            return Ok(());
        };
        let (Some(old), Some(new)) = (before.numbers.first(), self.numbers.first()) else { return Ok(()) };
        let minors = before.numbers.get(1).zip(self.numbers.get(1));
        let (from, to) = (before.text(), self.text());
        let older = || {
            Err(format!("was written by {from}, and {to} is older, which cannot read it: stay at {from} or go forward"))
        };
        match rule {
            Upgrade::WithinMajor if old != new => Err(format!(
                "was written by {from}, and {to} cannot read it: stay within {old}, or add {to} as another dependency, \
                 copy the data with the database's own tools, and then remove this one"
            )),
            _ if new < old => older(),
            _ if new == old && minors.is_some_and(|(old, new)| new < old) => older(),
            Upgrade::MajorByMajor | Upgrade::MinorByMinor if *new > old + 1 => {
                Err(format!("was written by {from}, and a major version cannot be skipped: go to {} first", old + 1))
            }
            Upgrade::MinorByMinor if new == old && minors.is_some_and(|(old, new)| *new > old + 1) => {
                let next = minors.map_or(0, |(old, _)| old + 1);
                Err(format!("was written by {from}, and a minor version cannot be skipped: go to {old}.{next} first"))
            }
            _ => Ok(()),
        }
    }
}

//! A share of the servers, for more of them than one operator can hold.
//!
//! What is shared out are namespaces, since a server and all that it refers to are in one. Which
//! share a namespace is in follows from its name alone: nobody keeps a table of it, and no right
//! to read namespaces is needed.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use crate::digest;

/// One of several equal shares of the namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    count: u16,
}

impl Shard {
    /// Whether a namespace is in this share. The same in every version: or two operators would
    /// serve a namespace during an upgrade.
    pub fn holds(self, namespace: &str) -> bool {
        let digest = digest::of(namespace.as_bytes()).finish();
        let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        number % u64::from(self.count) == u64::from(self.index)
    }

    /// Its number, from 0.
    pub fn index(self) -> u16 {
        self.index
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            _ => Err("a shard is INDEX/COUNT, where INDEX is from 0 to COUNT - 1, such as 0/3, 1/3 and 2/3"),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: u16) -> Vec<Shard> {
        (0..count).map(|index| Shard { index, count }).collect()
    }

    #[test]
    fn each_namespace_is_in_one_share_and_shares_are_about_equal() {
        let shards = shards(4);
        let mut held = [0; 4];
        for number in 0..4000 {
            let namespace = format!("team-{number}");
            let holders: Vec<_> = shards.iter().filter(|it| it.holds(&namespace)).collect();
            assert_eq!(holders.len(), 1, "{namespace}");
            held[usize::from(holders[0].index)] += 1;
        }
        assert!(held.iter().all(|it| (900..1100).contains(it)), "{held:?}");
    }

    #[test]
    fn a_namespace_stays_in_its_share_in_every_version() {
        let share = |namespace: &str| shards(5).iter().position(|it| it.holds(namespace));
        assert_eq!(["default", "team-a", "team-b"].map(share), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn only_a_share_that_there_is_can_be_named() {
        assert_eq!("2/3".parse::<Shard>().map(|it| it.to_string()), Ok("2/3".into()));
        for text in ["", "3/3", "0/0", "1", "1/2/3", "-1/3", "a/b", "0/70000"] {
            assert!(text.parse::<Shard>().is_err(), "{text:?}");
        }
    }
}

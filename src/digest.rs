//! SHA-256 over several parts, such that no two lists of parts have the same: each goes in with its
//! length before it.

use ring::digest;
use std::fmt::Write;

/// Digest of a value.
pub type Digest = [u8; 32];

/// Bytes of a digest that its text shows: enough that nobody meets two alike.
const SHOWN: usize = 12;

/// A digest in the making.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Adds a part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// The digest.
    pub fn finish(self) -> Digest {
        let mut bytes = Digest::default();
        bytes.copy_from_slice(self.0.finish().as_ref());
        bytes
    }

    /// The digest as a short text.
    pub fn text(self) -> String {
        self.finish()[..SHOWN].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Digest of one part.
pub fn of(part: &[u8]) -> Sha256 {
    let mut digest = Sha256::default();
    digest.add(part);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_counts() {
        let text = |parts: &[&str]| {
            let mut digest = Sha256::default();
            for part in parts {
                digest.add(part.as_bytes());
            }
            digest.text()
        };
        assert_ne!(text(&["ab", "c"]), text(&["a", "bc"]));
        assert_ne!(text(&["a"]), text(&["a", ""]));
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        // Pods of every server with files or references would roll if it were not.
        assert_eq!(of(b"landfall").text(), "eaa2af6c92b137df9a139a2a");
    }
}

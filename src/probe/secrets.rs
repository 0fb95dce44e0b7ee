//! Keeps the caller's secret headers out of everything that is shown.
//!
//! Servers repeat what they were sent, in error pages above all. So replies are
//! masked before anything reads them.

use hyper::{HeaderMap, header::HeaderValue};

/// Shorter values are no secrets, and would blot out harmless text.
const SHORTEST: usize = 4;

/// The byte sequences that must not be shown.
#[derive(Default)]
pub struct Secrets {
    sequences: Vec<Vec<u8>>,
}

impl Secrets {
    /// Takes the values of `headers`; of `Bearer TOKEN`, the token by itself too.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut secrets = Self::default();
        for value in headers.values() {
            let value = value.as_bytes().trim_ascii();
            secrets.add(value);
            if let Some(space) = value.iter().position(|&byte| byte == b' ') {
                secrets.add(value[space..].trim_ascii());
            }
        }
        secrets
    }

    fn add(&mut self, secret: &[u8]) {
        if secret.len() < SHORTEST {
            return;
        }
        self.sequences.push(secret.to_vec());
        // The forms that it takes inside JSON, where `/` may be escaped as well.
        let quoted = serde_json::to_string(&String::from_utf8_lossy(secret)).unwrap_or_default();
        let quoted = quoted.trim_matches('"');
        self.sequences.push(quoted.as_bytes().to_vec());
        self.sequences.push(quoted.replace('/', "\\/").into_bytes());
        self.sequences.sort_unstable_by_key(|sequence| std::cmp::Reverse(sequence.len()));
        self.sequences.dedup();
    }

    /// Overwrites every secret in `text` with asterisks.
    pub fn mask(&self, text: &mut [u8]) {
        for sequence in &self.sequences {
            let mut from = 0;
            while let Some(found) = find(&text[from..], sequence) {
                let start = from + found;
                from = start + sequence.len();
                text[start..from].fill(b'*');
            }
        }
    }

    /// Overwrites them in headers.
    pub fn mask_headers(&self, headers: &mut HeaderMap) {
        if self.sequences.is_empty() {
            return;
        }
        for value in headers.values_mut() {
            let mut masked = value.as_bytes().to_vec();
            self.mask(&mut masked);
            if let Ok(masked) = HeaderValue::from_bytes(&masked) {
                *value = masked;
            }
        }
    }
}

fn find(text: &[u8], sequence: &[u8]) -> Option<usize> {
    text.windows(sequence.len()).position(|window| window == sequence)
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::Secrets;

    fn masked(value: &str, text: &str) -> String {
        let headers = HeaderMap::from_iter([("x-key".parse().unwrap(), value.parse().unwrap())]);
        let mut text = text.as_bytes().to_vec();
        Secrets::of(&headers).mask(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn masks_every_form() {
        assert_eq!(masked("Bearer abc/def", "Bearer abc/def"), "**************");
        assert_eq!(masked("Bearer abc/def", "no abc/def, abc\\/def"), "no *******, ********");
        assert_eq!(masked("ab\"cd", r#""ab\"cd""#), r#""******""#);
    }

    #[test]
    fn leaves_the_rest() {
        assert_eq!(masked("1", "111"), "111");
        assert_eq!(masked("abcd", "abce"), "abce");
    }
}

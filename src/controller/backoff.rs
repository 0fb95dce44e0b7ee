//! How long to wait before trying again: per object, longer with each failure in a row, and never
//! the same for many objects at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::jitter;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// Failures in a row of each object, by uid.
#[derive(Default)]
pub(super) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Notes a failure; gives the time to wait.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        let wait = SHORTEST.saturating_mul(2u32.saturating_pow(*count)).min(LONGEST);
        *count = count.saturating_add(1);
        jitter::around(wait)
    }

    /// Notes a success, or that the object is gone.
    pub(super) fn clear(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_again_after_a_success() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.failed("u").as_secs_f64()).collect();
        assert!((0.8..=1.2).contains(&waits[0]), "{waits:?}");
        assert!((3.2..=4.8).contains(&waits[2]), "{waits:?}");
        assert!(waits[20..].iter().all(|it| (240.0..=360.0).contains(it)), "{waits:?}");
        assert!((0.8..=1.2).contains(&backoff.failed("other").as_secs_f64()));
        backoff.clear("u");
        assert!((0.8..=1.2).contains(&backoff.failed("u").as_secs_f64()));
    }
}

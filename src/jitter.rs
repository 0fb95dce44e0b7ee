//! Waits that differ a little, so that what began together does not go on in step.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Between four and six fifths of `wait`.
pub fn around(wait: Duration) -> Duration {
    wait.mul_f64(0.8 + 0.4 * random())
}

/// Between four fifths of `wait` and all of it: for what must not come later.
pub fn within(wait: Duration) -> Duration {
    wait.mul_f64(0.8 + 0.2 * random())
}

/// From 0 to 1.
fn random() -> f64 {
    // Each `RandomState` has a seed of its own: randomness enough to spread load.
    let random = RandomState::new().hash_one(());
    f64::from(u32::try_from(random % 1000).unwrap_or_default()) / 1000.0
}

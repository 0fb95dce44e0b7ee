//! Says where the benchmark is, so that nobody takes a minute of silence for a hang.

use std::sync::LazyLock;
use std::time::Instant;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Prints a line, with the seconds since the first one.
pub fn progress(what: &str) {
    eprintln!("[{:6.1} s] {what}", BEGAN.elapsed().as_secs_f64());
}

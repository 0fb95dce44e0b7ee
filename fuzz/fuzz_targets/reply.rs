//! The probe's readers of replies, fed with anything: `make fuzz`.
//!
//! Of the input, the first byte chooses status and headers, the second how an event
//! stream is cut into pieces, and the rest is the body.

#![no_main]

use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use landfall::probe::{
    Outcome,
    classify::{Verdict, classify},
    sse::EventReader,
    wire_types::{Discovered, Initialized, ToolsPage, read},
};
use libfuzzer_sys::fuzz_target;

const STATUSES: &[u16] = &[200, 202, 307, 400, 401, 403, 404, 405, 406, 421, 429, 500, 503];
const TYPES: &[&str] = &["application/json", "text/event-stream", "text/html", "text/plain"];

fuzz_target!(|input: &[u8]| {
    let &[choice, cut, ref body @ ..] = input else {
        return;
    };
    let status = STATUSES[usize::from(choice) % STATUSES.len()];
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let mut headers = HeaderMap::new();
    let media_type = TYPES[usize::from(choice / 16) % TYPES.len()];
    headers.insert("content-type", HeaderValue::from_static(media_type));
    if let Ok(value) = HeaderValue::from_bytes(body.get(..64).unwrap_or(body)) {
        for name in ["www-authenticate", "location", "retry-after"] {
            headers.insert(name, value.clone());
        }
    }

    judge(status, &headers, body);
    let whole = EventReader::default().push(body);
    let mut reader = EventReader::default();
    let pieces = body.chunks(usize::from(cut).max(1));
    let cut: Vec<_> = pieces.flat_map(|piece| reader.push(piece)).collect();
    assert_eq!(whole, cut, "events depend on how the stream is cut");
    for event in whole {
        judge(status, &headers, &event.data);
    }
});

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    match classify(status, headers, body, 1) {
        Verdict::Conclusive(outcome) | Verdict::Inconclusive(outcome) => check_outcome(&outcome),
        Verdict::Error(error) => {
            check(&error.message, 256);
            error.supported().iter().for_each(|version| check(version, 128));
        }
        Verdict::Result(result) => {
            if let Some(found) = read::<Discovered>(result) {
                check(&found.meta.server_info.name, 128);
                found.supported_versions.0.iter().for_each(|version| check(version, 128));
                found.capabilities.0.iter().for_each(|name| check(name, 128));
            }
            if let Some(found) = read::<Initialized>(result) {
                check(&found.server_info.version, 128);
                check(&found.protocol_version, 128);
            }
            if let Some(page) = read::<ToolsPage<'_>>(result) {
                let _ = page.cursor().map(str::len);
            }
        }
    }
}

fn check_outcome(outcome: &Outcome) {
    assert!(!outcome.reason().as_str().is_empty());
    check(&outcome.to_string(), 4096);
}

/// Text that is shown is one short line. One character more is for the ellipsis.
fn check(text: &str, cap: usize) {
    assert!(text.chars().count() <= cap + 1, "{} characters", text.chars().count());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

//! The events of a watch, on their way to the operator.

use futures::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::json;
use std::sync::Arc;

use super::answers::status;
use super::gate::{Body, BoxError, Gate};
use super::plan::Fault;

/// A watch under way.
struct Watching {
    body: Body,
    /// What came and is no whole line yet.
    rest: Vec<u8>,
    gate: Arc<Gate>,
    resource: String,
    fault: Option<Fault>,
    events: usize,
    lapses: u32,
    has_ended: bool,
}

/// The events that the operator sees, each when it may.
pub fn shown(body: Body, gate: Arc<Gate>, resource: String, fault: Option<Fault>) -> Body {
    let lapses = gate.lapses();
    let watching = Watching { body, rest: Vec::new(), gate, resource, fault, events: 0, lapses, has_ended: false };
    let frames = unfold(watching, |mut it| async move {
        let frame = it.next().await.transpose()?;
        Some((frame.map(Frame::data), it))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Watching {
    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        if self.has_ended {
            return Ok(None);
        }
        if let Some(Fault::Silent(time)) = self.fault.take_if(|it| matches!(it, Fault::Silent(_))) {
            tokio::time::sleep(time).await;
        }
        match self.fault {
            Some(Fault::Ends(after)) if self.events >= after => return Ok(None),
            Some(Fault::Breaks(after)) if self.events >= after => return Err("the watch breaks".into()),
            Some(Fault::Gone(after)) if self.events >= after => return Ok(Some(self.gone())),
            _ => {}
        }
        let Some(line) = self.line().await? else { return Ok(None) };
        self.events += 1;
        self.gate.until_shown(&self.resource).await;
        if self.gate.lapses() != self.lapses {
            return Ok(Some(self.gone()));
        }
        Ok(Some(line))
    }

    /// The last event: what comes next can be had only by a new list.
    fn gone(&mut self) -> Bytes {
        self.has_ended = true;
        format!("{}\n", json!({"type": "ERROR", "object": status(410)})).into()
    }

    /// The next whole line.
    async fn line(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            if let Some(end) = self.rest.iter().position(|it| *it == b'\n') {
                return Ok(Some(self.rest.drain(..=end).collect::<Vec<_>>().into()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

//! Reads `text/event-stream` as it comes in.
//!
//! In: bytes, in pieces of any size. Out: the events that they complete. The
//! reader holds one unfinished event and nothing else; how many bytes may come
//! is the caller's limit.

/// One event with data. Comments, keep-alives and events without data are left
/// out: they are how servers prime a stream or keep it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty when the stream named none, which means `message`.
    pub name: String,
    pub data: Vec<u8>,
}

/// The reader, between two pieces.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// The last piece ended with CR, so that a leading LF belongs to that.
    after_cr: bool,
    past_first_line: bool,
}

impl EventReader {
    /// Takes the next piece and returns the events that it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in piece {
            let is_second_half = std::mem::take(&mut self.after_cr) && byte == b'\n';
            match byte {
                b'\n' if is_second_half => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => self.line.push(byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.past_first_line, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.name = value.to_vec(),
            // `id` and `retry` are for resuming, which is never done here; an
            // empty field is a comment.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        if data.is_empty() {
            return None;
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, EventReader};

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.as_bytes().to_vec() }
    }

    fn read(stream: &str) -> Vec<Event> {
        EventReader::default().push(stream.as_bytes())
    }

    #[test]
    fn reads_name_and_data() {
        let expected = [event("endpoint", "/messages?id=1"), event("", "{}")];
        assert_eq!(read("event: endpoint\ndata: /messages?id=1\n\ndata:{}\n\n"), expected);
    }

    #[test]
    fn joins_lines_of_data() {
        assert_eq!(read("data: a\ndata\ndata:  b\n\n"), [event("", "a\n\n b")]);
    }

    #[test]
    fn leaves_out_comments_and_empty_events() {
        assert_eq!(read(": ping\n\nid: 1\nretry: 3000\ndata: \n\nevent: x\n\n"), []);
        assert_eq!(read("event: x\n\ndata: a\n\n"), [event("", "a")]);
    }

    #[test]
    fn leaves_out_an_unfinished_event() {
        assert_eq!(read("data: a\n"), []);
    }

    #[test]
    fn skips_a_byte_order_mark_at_the_start_only() {
        assert_eq!(read("\u{feff}data: a\n\n"), [event("", "a")]);
        assert_eq!(read(":\n\u{feff}data: a\n\n"), []);
    }

    #[test]
    fn gives_the_same_events_however_the_stream_is_cut() {
        for stream in [
            "event: e\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
            "event: e\rdata: a\rdata: b\r\rdata: c\r\r",
            "event: e\ndata: a\ndata: b\n\ndata: c\n\n",
        ] {
            let expected = [event("e", "a\nb"), event("", "c")];
            for size in 1..stream.len() {
                let mut reader = EventReader::default();
                let pieces = stream.as_bytes().chunks(size);
                let events: Vec<_> = pieces.flat_map(|piece| reader.push(piece)).collect();
                assert_eq!(events, expected, "{stream:?} in pieces of {size}");
            }
        }
    }
}

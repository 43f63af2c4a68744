//! An owned SIP message for ends (RFC 3261 §7): start line, header fields in order, body; simple, not fast.
use super::address::{param, split_list, uri_of};
use std::fmt;

/// A message that an end builds or has read. Field values are text; bytes that are not UTF-8 are replaced, so
/// comparisons byte by byte use [`super::Received::raw`].
#[derive(Clone, PartialEq, Eq)]
pub struct SipMessage {
    /// The first line.
    pub start: String,
    /// Names and values in order, one entry for each line.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Compact forms that ends understand (RFC 3261 §7.3.3). Real phones and servers send them, so tests do.
const COMPACT: [(&str, &str); 10] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("c", "content-type"),
    ("k", "supported"),
    ("s", "subject"),
    ("e", "content-encoding"),
];

/// The long form of a header field name, in whatever case: what names are compared by.
fn canonical(name: &str) -> &str {
    let name = name.trim();
    COMPACT
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(name))
        .map_or(name, |(_, long)| long)
}

/// Whether two names are those of one field.
fn is_same(one: &str, other: &str) -> bool {
    canonical(one).eq_ignore_ascii_case(canonical(other))
}

impl SipMessage {
    /// A request without header fields.
    pub fn request(method: &str, uri: &str) -> Self {
        Self {
            start: format!("{method} {uri} SIP/2.0"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The answer to this request with what RFC 3261 §8.2.6 has copied: Via, From, To (with `tag` if it has
    /// none), Call-ID, CSeq, and Record-Route for what may begin a dialog (§12.1.1).
    pub fn answer(&self, status: u16, tag: &str) -> Self {
        let mut answer = Self {
            start: format!("SIP/2.0 {status} {}", phrase(status)),
            headers: Vec::new(),
            body: Vec::new(),
        };
        for (name, value) in &self.headers {
            // In the order of the request: Via order is what routes the response back.
            match canonical(name).to_ascii_lowercase().as_str() {
                "via" | "from" | "call-id" | "cseq" => answer.push(name, value),
                // 100 gets no tag, since a proxy may send it that never answers (RFC 3261 §8.2.6.2).
                "to" if status > 100 && param(value, "tag").is_none() => {
                    answer.push(name, &format!("{value};tag={tag}"));
                }
                "to" => answer.push(name, value),
                // Only what can begin a dialog carries the route back; a refusal begins none.
                "record-route" if (101..300).contains(&status) => answer.push(name, value),
                _ => {}
            }
        }
        answer
    }

    /// Reads one framed message; `None` when it has no start line or a line without a colon.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(frame, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(frame.get(..end)?);
        // Line folding (RFC 3261 §7.3.1) is gone after this: an end shows what was meant, `Received::raw`
        // what was sent.
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = unfolded.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            start,
            headers,
            body: frame.get(end.checked_add(4)?..)?.to_vec(),
        })
    }

    /// The bytes on the wire; Content-Length is written when no line of that name is there.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        // A test that wrote a Content-Length means it, right or wrong.
        if self.header("content-length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        // A method cannot contain a slash, so this is a status line and nothing else.
        if self.start.starts_with("SIP/2.0 ") {
            return None;
        }
        self.start.split(' ').next()
    }

    /// The Request-URI of a request.
    pub fn uri(&self) -> Option<&str> {
        self.method().and_then(|_| self.start.split(' ').nth(1))
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start
            .strip_prefix("SIP/2.0 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    /// The first line of this name, in any case and compact form. What may stand several times is read with
    /// [`Self::values`].
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| is_same(n, name))
            .map(|(_, v)| v.as_str())
    }

    /// The comma-separated values of all lines of this name, in order.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(n, _)| is_same(n, name))
            .flat_map(|(_, v)| split_list(v))
            .collect()
    }

    /// Adds a line below all others.
    pub fn push(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a line above all others.
    pub fn push_front(&mut self, name: &str, value: &str) {
        self.headers.insert(0, (name.to_owned(), value.to_owned()));
    }

    /// Removes every line of this name.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !is_same(n, name));
    }

    /// Replaces every line of this name by one with this value, in the first one's place.
    pub fn set(&mut self, name: &str, value: &str) {
        let place = self.headers.iter().position(|(n, _)| is_same(n, name));
        self.remove(name);
        // `remove` has shortened the list, so the place may lie behind its end.
        let at = place.unwrap_or(self.headers.len()).min(self.headers.len());
        self.headers.insert(at, (name.to_owned(), value.to_owned()));
    }

    /// Replaces every line of this name by one line with these values, in the first one's place; without
    /// values they all go.
    pub fn set_values(&mut self, name: &str, values: &[String]) {
        if values.is_empty() {
            self.remove(name);
        } else {
            self.set(name, &values.join(", "));
        }
    }

    /// Replaces the Request-URI.
    pub fn set_uri(&mut self, uri: &str) {
        if let Some(method) = self.method() {
            self.start = format!("{method} {uri} SIP/2.0");
        }
    }

    /// Call-ID, or nothing.
    pub fn call_id(&self) -> &str {
        self.header("call-id").unwrap_or_default()
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("cseq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The topmost Via value: the hop that the message came from, or that a response goes to.
    pub fn top_via(&self) -> Option<String> {
        self.values("via").into_iter().next()
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<String> {
        param(&self.top_via()?, "branch").map(str::to_owned)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        param(self.header("to")?, "tag")
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<&str> {
        param(self.header("from")?, "tag")
    }

    /// The URI of the first Contact. Ends have one device, so there is no second.
    pub fn contact(&self) -> Option<String> {
        let first = self.values("contact").into_iter().next()?;
        Some(uri_of(&first).to_owned())
    }
}

impl fmt::Display for SipMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for SipMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The usual reason phrase of a status. No program may act on it (RFC 3261 §7.2), so an unlisted status has one
/// that shows in a test's output that a lab end sent it.
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Lab",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_written() {
        let mut m = SipMessage::request("MESSAGE", "sip:bob@contoso.test");
        m.push("Via", "SIP/2.0/TLS a.test;branch=z9hG4bK1");
        m.push("i", "one@lab");
        m.body = b"hi".to_vec();
        let back = SipMessage::parse(&m.to_bytes()).unwrap();
        assert_eq!(back.call_id(), "one@lab");
        assert_eq!(back.header("l"), Some("2"));
        assert_eq!(back.body, b"hi");
        assert_eq!(back.branch().as_deref(), Some("z9hG4bK1"));
        assert_eq!(back.to_bytes(), m.to_bytes());
    }

    #[test]
    fn lists_split_at_commas_outside_quotes_and_angles() {
        let mut m = SipMessage::request("INVITE", "sip:x@y");
        m.push("Record-Route", "<sip:a;lr>, \"b, c\" <sip:d,e;lr>");
        m.push("Record-Route", "<sip:f>");
        assert_eq!(
            m.values("record-route"),
            ["<sip:a;lr>", "\"b, c\" <sip:d,e;lr>", "<sip:f>"]
        );
    }

    #[test]
    fn an_answer_copies_what_the_rfc_lists_and_tags_to() {
        let mut m = SipMessage::request("INVITE", "sip:x@y");
        m.push("Via", "SIP/2.0/TLS a;branch=z9hG4bK1");
        m.push("Record-Route", "<sip:edge;lr>");
        m.push("From", "<sip:a@y>;tag=1");
        m.push("To", "<sip:x@y;tag=no>");
        m.push("Call-ID", "c");
        m.push("CSeq", "1 INVITE");
        let ok = m.answer(200, "t");
        assert_eq!(ok.to_tag(), Some("t"));
        assert_eq!(ok.header("record-route"), Some("<sip:edge;lr>"));
        assert_eq!(ok.cseq(), Some((1, "INVITE")));
        let trying = m.answer(100, "t");
        assert_eq!(
            (trying.to_tag(), trying.header("record-route")),
            (None, None)
        );
        assert_eq!(m.answer(404, "t").status(), Some(404));
    }
}

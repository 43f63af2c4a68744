//! Responses that the proxy makes itself from a received request (RFC 3261 §8.2.6).
//!
//! They are written without a parsed copy of the request: the lines that must be copied are copied as they are, so that a
//! request with a fault elsewhere is still answered, and its client can match the response.
use super::digits::write_decimal;
use super::grammar::cut;
use super::new_text::{write_keep_alive, write_stamp};
use super::{Address, HeaderName, Message, StartLine, stamp, status};
use std::net::SocketAddr;

/// A field that a response of this node may have besides the copied ones.
#[derive(Clone, Copy, Debug)]
pub enum Extra<'x> {
    /// `Warning: code agent "text"`.
    Warning {
        /// The warn-code: 399, or one that an RFC assigns to the case (RFC 3261 §20.43).
        code: u16,
        /// The name of this node.
        agent: &'x str,
        /// The public reason code.
        text: &'x str,
    },
    /// `Unsupported` with these option tags, in a 420 (RFC 3261 §16.3 step 5).
    Unsupported(&'x [&'x [u8]]),
    /// `Retry-After`, seconds: how long a client should stay away (RFC 3261 §20.33).
    RetryAfter(u32),
    /// `Allow` with this value, in a 405 and in answers to OPTIONS (RFC 3261 §20.5).
    Allow(&'x str),
    /// `ms-keep-alive`: that the connection is kept by messages or keep-alives at least so often, in seconds.
    KeepAlive(u32),
}

/// Writes an answer to `request`: Via (stamped with `source` as in `Edits::stamp_top_via`), From, To (with `to_tag`
/// when it has none), Call-ID, CSeq, for a 100 the Timestamp, the extras, `Content-Length: 0`. A request that is
/// malformed elsewhere is answered as far as those fields can be copied: a field that is missing is left out, of one that
/// must not be repeated the first is taken. Whether an answer is due at all (never to an ACK) is the caller's to know.
pub fn write_reply(
    request: &Message<'_>,
    source: SocketAddr,
    status: u16,
    to_tag: Option<&[u8]>,
    extras: &[Extra<'_>],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"SIP/2.0 ");
    write_decimal(u64::from(status), out);
    out.push(b' ');
    out.extend_from_slice(status::phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    write_vias(request, source, out);
    request.copy_first(HeaderName::From, out);
    write_to(request, to_tag, out);
    request.copy_first(HeaderName::CallId, out);
    request.copy_first(HeaderName::CSeq, out);
    // RFC 3261 §8.2.6.1: a 100 echoes the Timestamp, so that a client can measure the way.
    if status == 100 {
        request.copy_first(HeaderName::Timestamp, out);
    }
    // No body: whatever explains the refusal is in Warning.
    for extra in extras {
        write_extra(extra, out);
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Best-effort response to a request whose framing is broken, from its head alone. Returns `false`, and writes nothing,
/// when it is no request, is never answered (ACK, BENOTIFY), or a field that must be copied is missing.
///
/// The head may end anywhere: what stands behind its last line end is left out. Bare LF in it is taken for a line end;
/// with a bare CR there is no answer.
pub fn write_unframed_reply(
    head: &[u8],
    source: SocketAddr,
    status: u16,
    to_tag: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    // Without any of these a response could not be matched, or not be sent back.
    const COPIED: [HeaderName; 5] = [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ];
    // Repaired only to be answered: what is relayed is never repaired.
    let head = with_line_ends(head);
    let Ok(request) = Message::parse(&head) else {
        return false;
    };
    let is_answerable = match request.start() {
        StartLine::Request { method, .. } => !method.is_unanswered(),
        StartLine::Response { .. } => false,
    };
    // A response to a response, or to an ACK, would start a loop of errors.
    if !is_answerable || !COPIED.iter().all(|&name| request.has(name)) {
        return false;
    }
    write_reply(&request, source, status, Some(to_tag), &[], out);
    true
}

/// What a head with broken line ends would be with sound ones: the complete lines of a head up to its first empty one, each ended by CRLF, and an empty line.
fn with_line_ends(head: &[u8]) -> Vec<u8> {
    let mut fixed = Vec::with_capacity(head.len() + 64);
    for line in head.split_inclusive(|&b| b == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        fixed.extend_from_slice(line);
        fixed.extend_from_slice(b"\r\n");
    }
    fixed.extend_from_slice(b"\r\n");
    fixed
}

/// All Via lines in order, the topmost value stamped if it can be read (RFC 3261 §18.2.1). They bring the response back
/// through every hop, so they are copied byte by byte.
fn write_vias(request: &Message<'_>, source: SocketAddr, out: &mut Vec<u8>) {
    let mut top = request.top_via().ok();
    for line in request.index().named(HeaderName::Via) {
        let mut copied = line.start();
        if let Some(via) = top.take() {
            stamp::plan(request.bytes(), &via, source, |range, stamp| {
                out.extend_from_slice(cut(request.bytes(), copied, range.start));
                write_stamp(stamp, out);
                copied = range.end;
            });
        }
        out.extend_from_slice(cut(request.bytes(), copied, line.end()));
    }
}

/// The To line with a tag (RFC 3261 §8.2.6.2). A value that cannot be parsed receives the tag unless something in it looks
/// like one: two tags would make the response unusable for its client.
fn write_to(request: &Message<'_>, to_tag: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(line) = request.index().named(HeaderName::To).next() else {
        return;
    };
    let value = request.value(line);
    // A broken To may hold anything; looking for `;tag=` in it is as good as it gets.
    let has_tag = Address::parse(value).map_or_else(
        |_| {
            value
                .to_ascii_lowercase()
                .windows(5)
                .any(|at| at == b";tag=")
        },
        |address| address.param("tag").is_some(),
    );
    match to_tag {
        Some(tag) if !has_tag => {
            out.extend_from_slice(cut(request.bytes(), line.start(), line.value_end()));
            // A trailing semicolon is tolerated in To, and would become an empty parameter.
            let separator: &[u8] = if value.ends_with(b";") {
                b"tag="
            } else {
                b";tag="
            };
            out.extend_from_slice(separator);
            out.extend_from_slice(tag);
            out.extend_from_slice(b"\r\n");
        }
        _ => out.extend_from_slice(request.raw(line)),
    }
}

fn write_extra(extra: &Extra<'_>, out: &mut Vec<u8>) {
    match *extra {
        // The text is one of this program's own, but it may quote a name: quotes and backslashes are escaped (RFC 3261
        // §25.1, `quoted-string`), control characters left out.
        Extra::Warning { code, agent, text } => {
            out.extend_from_slice(b"Warning: ");
            write_decimal(u64::from(code), out);
            out.push(b' ');
            out.extend_from_slice(agent.as_bytes());
            out.extend_from_slice(b" \"");
            for b in text.bytes().filter(|b| !b.is_ascii_control()) {
                if matches!(b, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(b);
            }
            out.push(b'"');
        }
        Extra::Unsupported(tags) => {
            out.extend_from_slice(b"Unsupported: ");
            for (number, tag) in tags.iter().enumerate() {
                if number > 0 {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(tag);
            }
        }
        Extra::RetryAfter(seconds) => {
            out.extend_from_slice(b"Retry-After: ");
            write_decimal(u64::from(seconds), out);
        }
        Extra::Allow(value) => {
            out.extend_from_slice(b"Allow: ");
            out.extend_from_slice(value.as_bytes());
        }
        Extra::KeepAlive(seconds) => return write_keep_alive(seconds, out),
    }
    out.extend_from_slice(b"\r\n");
}

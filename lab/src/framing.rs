//! Where the next frame of a stream ends: Content-Length (RFC 3261 §18.3) and keep-alives (RFC 5626 §4.4.1).

/// What a frame is.
///
/// Ends use this and not the daemon's framing: a test of how sipward frames must not depend on how sipward
/// frames.
pub(super) enum FrameKind {
    /// Two CRLF: the other side asks whether this one is there.
    Ping,
    /// One CRLF: the answer.
    Pong,
    /// Head and body of a request or response.
    Message,
}

/// What the first frame is, with its length; `None` when more bytes are needed.
pub(super) fn next_frame(buf: &[u8]) -> Option<(FrameKind, usize)> {
    if buf.starts_with(b"\r\n\r\n") {
        return Some((FrameKind::Ping, 4));
    }
    if buf.starts_with(b"\r\n") {
        // One CRLF with something else behind it, or alone in what was read: a pong.
        return (buf.get(2) != Some(&b'\r')).then_some((FrameKind::Pong, 2));
    }
    let head = memchr::memmem::find(buf, b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(buf.get(..head)?);
    // Without Content-Length there is no body: on a stream nothing else could say where it ends (RFC 3261
    // §18.3).
    let length: usize = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| {
            let n = n.trim();
            n.eq_ignore_ascii_case("content-length") || n.eq_ignore_ascii_case("l")
        })
        .and_then(|(_, v)| v.trim().parse().ok())
        .unwrap_or(0);
    let total = head.checked_add(4)?.checked_add(length)?;
    (buf.len() >= total).then_some((FrameKind::Message, total))
}

//! Where the next frame of a stream ends: Content-Length (RFC 3261 §18.3) and keep-alives (RFC 5626 §4.4.1).

/// What a frame is.
pub(super) enum FrameKind {
    Ping,
    Pong,
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

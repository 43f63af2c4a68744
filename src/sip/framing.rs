//! Finds messages and keep-alives in a TLS stream's bytes (RFC 3261 §7.5, §18.3, RFC 5626 §4.4.1).
use super::grammar::cut;
use super::index::{self, Index, LineTable, head_len};
use super::{Malformed, Message, Rule};

/// Bounds of a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes up to and including the empty line.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
}

/// How far an incomplete message has come, for the deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between messages; nothing of one has arrived (a lone CR may have).
    Idle,
    /// Inside a head.
    Head,
    /// Inside a body; this many bytes of the whole message are needed before the next scan can succeed.
    Body {
        /// Head and body together.
        total: usize,
    },
}

/// What stands at the beginning of the bytes.
#[derive(Debug)]
pub enum Scan<'a> {
    /// More bytes are needed.
    Incomplete(Phase),
    /// Keep-alive pings (CRLF CRLF between messages) of this length, as many pairs as are there: answer one CRLF,
    /// consume them. The length is odd pairs' when the first CRLF came, and was skipped, earlier.
    Ping(usize),
    /// White space between messages that wants no answer (blanks and tabs, a pong, a CRLF before a start line): consume it.
    Skip(usize),
    /// One message; it spans `message.bytes().len()` bytes.
    Message(Message<'a>),
}

/// The stream position is lost or a bound is broken: answer if possible, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// A stable identifier: `no_content_length`, `duplicate_content_length`, `bad_content_length`, `head_too_large`,
    /// `body_too_large`, `bare_lf`, `bare_cr`.
    pub rule: Rule,
    /// The status to answer a request with: 400, 413 (body too large) or 513 (head too large).
    pub status: u16,
    /// Length of the head if its end was found (a best-effort answer can be made from it).
    pub head: Option<usize>,
}

impl FrameError {
    fn new(rule: Rule, head: Option<usize>) -> Self {
        let status = if rule == Rule::BodyTooLarge {
            413
        } else if rule == Rule::HeadTooLarge {
            513
        } else {
            400
        };
        Self { rule, status, head }
    }
}

/// Where a parser that takes bare LF for a line end would see the first empty line behind `from`.
fn lenient_head_len(bytes: &[u8], from: usize) -> Option<usize> {
    let behind = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', behind).find_map(|at| match behind.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Remembers how far an incomplete message was scanned, so that bytes are not scanned twice.
///
/// **White space between messages.** CRLF CRLF is a ping. A lone CRLF is skipped at once, so that an idle connection holds
/// no bytes, but remembered: if the next bytes are a CRLF too, that one completes a ping. Only a pong that is waited for
/// ([`Self::expect_pong`]) is no half of a ping.
///
/// **Deviation:** blanks and tabs between messages are skipped like a CRLF of RFC 3261 §7.5, because servers of the field
/// keep connections alive with them. They are never answered, and part two CRLFs that would be a ping. A bare CR or LF
/// still loses the framing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framer {
    /// Bytes in which no end of a head begins.
    scanned: usize,
    /// Head and body together, while the body is awaited.
    total: usize,
    /// The bytes before these were a CRLF that may be the first half of a ping.
    half_ping: bool,
    /// Pongs that are due.
    pongs: u8,
}

impl Framer {
    /// To be called when a ping is sent: the next lone CRLF is its pong (RFC 5626 §4.4.1).
    pub fn expect_pong(&mut self) {
        self.pongs = self.pongs.saturating_add(1);
    }

    /// Looks at the beginning of `buf`. After `Ping`, `Skip` or `Message` the caller drops those bytes and calls
    /// again; after `Incomplete` it calls again with the same beginning and more bytes. A message keeps its lines in
    /// `table`.
    ///
    /// # Errors
    /// [`FrameError`] when no further message can be found on this stream.
    pub fn scan<'a>(
        &mut self,
        buf: &'a [u8],
        limits: &FrameLimits,
        table: &'a mut LineTable,
    ) -> Result<Scan<'a>, FrameError> {
        if self.total > 0 {
            return self.scan_body(buf, table);
        }
        if self.scanned == 0
            && let Some(between) = self.scan_between(buf)
        {
            return between;
        }
        self.half_ping = false;
        self.scan_head(buf, limits, table)
    }

    /// What stands between messages; `None` when a message begins.
    fn scan_between<'a>(&mut self, buf: &[u8]) -> Option<Result<Scan<'a>, FrameError>> {
        let blanks = buf.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blanks > 0 {
            self.half_ping = false;
            return Some(Ok(Scan::Skip(blanks)));
        }
        let crlfs = buf
            .chunks_exact(2)
            .take_while(|pair| *pair == b"\r\n")
            .count();
        if crlfs == 0 {
            return match buf {
                [] | [b'\r'] => Some(Ok(Scan::Incomplete(Phase::Idle))),
                [b'\r', ..] => Some(Err(FrameError::new(Rule::BareCr, None))),
                [b'\n', ..] => Some(Err(FrameError::new(Rule::BareLf, None))),
                _ => None,
            };
        }
        let carried = usize::from(std::mem::take(&mut self.half_ping));
        let pings = (crlfs + carried) / 2;
        if pings > 0 {
            return Some(Ok(Scan::Ping(2 * (2 * pings - carried))));
        }
        // One CRLF: another may follow in the next segment, unless this is a pong.
        self.half_ping = self.pongs == 0;
        self.pongs = self.pongs.saturating_sub(1);
        Some(Ok(Scan::Skip(2)))
    }

    fn scan_head<'a>(
        &mut self,
        buf: &'a [u8],
        limits: &FrameLimits,
        table: &'a mut LineTable,
    ) -> Result<Scan<'a>, FrameError> {
        let within = cut(buf, 0, buf.len().min(limits.head));
        // The last three bytes of what was scanned may begin the empty line.
        let from = self.scanned.saturating_sub(3);
        let unscanned = within.get(from..).unwrap_or_default();
        // A head that comes in pieces is read when its end is there, not with each of them.
        let index = if self.scanned == 0 || head_len(unscanned).is_some() {
            Index::read(within, table)
        } else {
            None
        };
        let Some(index) = index else {
            return self.scan_unread(buf, within, from, limits);
        };
        let head = index.head;
        let message = Message::new(within, index);
        let body = match message.content_length() {
            Ok(Some(length)) => length,
            Ok(None) => return Err(FrameError::new(Rule::NoContentLength, Some(head))),
            Err(e) => return Err(FrameError::new(e.rule, Some(head))),
        };
        let total = head
            .checked_add(body)
            .filter(|_| body <= limits.body)
            .ok_or(FrameError::new(Rule::BodyTooLarge, Some(head)))?;
        match buf.get(..total) {
            Some(frame) => {
                self.forget();
                Ok(Scan::Message(message.reframed(frame)))
            }
            None => {
                self.total = total;
                Ok(Scan::Incomplete(Phase::Body { total }))
            }
        }
    }

    /// What bytes are that hold no head which could be read: the beginning of one, or no message.
    fn scan_unread<'a>(
        &mut self,
        buf: &[u8],
        within: &[u8],
        from: usize,
        limits: &FrameLimits,
    ) -> Result<Scan<'a>, FrameError> {
        if head_len(within.get(from..).unwrap_or_default()).is_none() {
            if let Some(end) = lenient_head_len(within, from) {
                return Err(FrameError::new(Rule::BareLf, Some(end)));
            }
            if buf.len() >= limits.head {
                return Err(FrameError::new(Rule::HeadTooLarge, None));
            }
            self.scanned = buf.len();
            return Ok(Scan::Incomplete(Phase::Head));
        }
        let Malformed { rule, .. } = index::why_unread(within);
        // Heads whose line ends are in doubt end where the first parser would let them end.
        Err(FrameError::new(rule, lenient_head_len(within, 0)))
    }

    /// Waits for the rest of a body; the head is not read again before it is there.
    fn scan_body<'a>(
        &mut self,
        buf: &'a [u8],
        table: &'a mut LineTable,
    ) -> Result<Scan<'a>, FrameError> {
        let Some(frame) = buf.get(..self.total) else {
            return Ok(Scan::Incomplete(Phase::Body { total: self.total }));
        };
        self.forget();
        match Index::read(frame, table) {
            Some(index) => Ok(Scan::Message(Message::new(frame, index))),
            None => Err(FrameError::new(index::why_unread(frame).rule, None)),
        }
    }

    fn forget(&mut self) {
        *self = Self {
            pongs: self.pongs,
            ..Self::default()
        };
    }
}

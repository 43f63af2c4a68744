//! Privacy (RFC 3323): what a message asks to withhold, and which fields go because of it.
//!
//! This node is no privacy service: it withholds the asserted identity and the history where the
//! receiver is outside of the trust domain, which every proxy must (RFC 3325 §7), and leaves the
//! rest to the home servers.
use crate::sip::{HeaderName, HeaderSet, Message};
use crate::topology::FieldRules;

/// The priv-values of a message that matter here (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Privacy(u8);

impl Privacy {
    const ID: u8 = 1;
    const HISTORY: u8 = 2;
    const CRITICAL: u8 = 4;
    /// `header`, `session` or `user`: the work of a privacy service.
    const SERVICE: u8 = 8;

    /// Reads all Privacy lines; what is not known asks for nothing.
    pub(crate) fn read(message: &Message<'_>) -> Self {
        let mut asked = 0;
        // Nearly no message has the field, and this is asked of each.
        if !message.has(HeaderName::Privacy) {
            return Self(asked);
        }
        for line in message.lines().filter(|l| l.name == HeaderName::Privacy) {
            let values = line
                .value
                .split(|b| matches!(b, b';' | b',' | b' ' | b'\t' | b'\r' | b'\n'));
            for value in values {
                asked |= match value.to_ascii_lowercase().as_slice() {
                    b"id" => Self::ID,
                    b"history" => Self::HISTORY,
                    b"critical" => Self::CRITICAL,
                    // RFC 7044 §10.1.2: privacy of the header fields covers the history.
                    b"header" => Self::SERVICE | Self::HISTORY,
                    b"session" | b"user" => Self::SERVICE,
                    _ => 0,
                };
            }
        }
        Self(asked)
    }

    /// Whether it asks critically (RFC 3323 §4.2) for what only a privacy service can do.
    pub(crate) fn needs_service(self) -> bool {
        self.asks(Self::CRITICAL) && self.asks(Self::SERVICE)
    }

    /// What is stripped from a message on its way to a leg with these rules: the fields that its
    /// sender may not send, those that the receiver should not see, and what the message asks to
    /// withhold (RFC 3325 §7, RFC 7044 §10.1.2).
    pub(crate) fn stripped(self, not_sent: HeaderSet, to: &FieldRules) -> HeaderSet {
        let mut set = not_sent.with(to.strip_out);
        if self.asks(Self::ID) {
            set = set.with(to.strip_private);
        }
        if self.asks(Self::HISTORY) {
            set = set.with(to.strip_history);
        }
        set
    }

    fn asks(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

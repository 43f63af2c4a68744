//! `[log] requests`: which requests make a line.
use crate::topology::LogRequests;

impl LogRequests {
    /// Whether a request with this method and outcome makes a line; asked before an event is built.
    ///
    /// A method is compared as it is: RFC 3261 §7.1 makes it case-sensitive. A refusal has a line under each setting: the
    /// limits of the log, not this, keep a flood of them away.
    pub fn wants(self, method: &[u8], refused: bool) -> bool {
        match self {
            Self::All => true,
            Self::Calls => refused || matches!(method, b"INVITE" | b"BYE" | b"REGISTER"),
            Self::Refused => refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_invite_bye_register_and_every_refusal() {
        for method in [&b"INVITE"[..], b"BYE", b"REGISTER"] {
            assert!(LogRequests::Calls.wants(method, false));
        }
        for method in [&b"MESSAGE"[..], b"OPTIONS", b"ACK", b"invite", b""] {
            assert!(!LogRequests::Calls.wants(method, false));
            assert!(LogRequests::Calls.wants(method, true));
        }
    }

    #[test]
    fn all_wants_everything_and_refused_only_refusals() {
        assert!(LogRequests::All.wants(b"MESSAGE", false));
        assert!(!LogRequests::Refused.wants(b"INVITE", false));
        assert!(LogRequests::Refused.wants(b"MESSAGE", true));
    }
}

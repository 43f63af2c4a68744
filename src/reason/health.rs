//! The reasons for which a peer gets no new requests.
use super::ConnectionReason;

/// How to see what a peer answers to pings.
const PROBE: &str = "sipward probe FQDN; the peer's own log for the OPTIONS at that time";

reasons! {
    /// Why a peer gets no new requests.
    pub enum HealthReason of Health {
        PingTimeout "ping_timeout" {
            what: "the peer did not answer an OPTIONS within the pool's `timeout`",
            check: PROBE,
            remedy: "fix the peer or the path to it; an answer to the next OPTIONS brings it back",
        }
        PingUnavailable "ping_unavailable" {
            what: "the peer answered an OPTIONS with 503",
            check: PROBE,
            remedy: "look at the peer's load; another answer to the next OPTIONS brings it back",
            rfc: "RFC 3261 §21.5.4",
        }
        ConnectionLost "connection_lost" {
            what: "the connection broke while an OPTIONS waited for its answer",
            check: "connection_closed of that peer at the same time: by whom and why",
            remedy: "fix what that event names; an answer to the next OPTIONS brings it back",
        }
        Silence "silence" {
            what: "as many requests in a row as `down_after` got no answer from the peer",
            check: "request events with no_answer and this to_peer; the peer's own log for their call_id",
            remedy: "fix the peer; requests go there again after 30 seconds",
        }
        RetryAfter "retry_after" {
            what: "the peer answered 503 with Retry-After",
            check: "`retry_in_ms` of the event; the peer's load",
            remedy: "wait, or take load off the peer",
            rfc: "RFC 3261 §21.5.4",
        }
    }
    shared {
        ConnectFailed = ConnectionReason::ConnectFailed,
    }
}

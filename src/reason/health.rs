//! The reasons for which a peer gets no new requests.
use super::ConnectionReason;

/// How to see what a peer answers to pings.
const PROBE: &str = "sipward probe FQDN; the peer's own log for the OPTIONS at that time";

reasons! {
    /// Why a peer gets no new requests.
    pub enum HealthReason of Health (check PROBE, remedy "") {
        /// the peer did not answer an OPTIONS within the pool's `timeout`
        PingTimeout "ping_timeout"
            remedy: "fix the peer or the path to it; an answer to the next OPTIONS brings it back",
        /// the peer answered an OPTIONS with 503
        PingUnavailable "ping_unavailable" (rfc "RFC 3261 §21.5.4")
            remedy: "reduce the peer's load; any other answer to the next OPTIONS brings it back",
        /// the connection broke while an OPTIONS waited for its answer
        ConnectionLost "connection_lost"
            check: "connection_closed of that peer at the same time: by whom and why",
            remedy: "fix what that event names; an answer to the next OPTIONS brings it back",
        /// the peer did not answer `down_after` requests in a row
        Silence "silence"
            check: "request events with no_answer and this to_peer; the peer's own log for their call_id",
            remedy: "fix the peer; requests go there again after 30 seconds",
        /// the peer answered 503 with Retry-After
        RetryAfter "retry_after" (rfc "RFC 3261 §21.5.4")
            check: "`retry_in_ms` of the event; the peer's load",
            remedy: "wait, or take load off the peer",
    }
    shared {
        ConnectFailed = ConnectionReason::ConnectFailed,
    }
}

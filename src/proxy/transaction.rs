//! The four transaction machines of RFC 3261 §17 with RFC 6026 and RFC 4320, on a reliable
//! transport: timers A, E and G never run, D, I, J and K are zero, so that the states after them do
//! not exist here.
use std::time::{Duration, Instant};

/// RFC 3261 §17.1.1.1: an estimate of the round-trip time.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// Timers B, F, H, L and M: 64 × T1.
pub(crate) const T64: Duration = T1.saturating_mul(64);
/// RFC 3261 §17.2.1: a 100 is due unless a response follows within this.
pub(crate) const TRYING: Duration = Duration::from_millis(200);
/// RFC 4320 §4.1: a non-INVITE that is still unanswered when Timer E would reach T2 gets its 100.
pub(crate) const TRYING_NON_INVITE: Duration = Duration::from_millis(3_500);
/// Timer C: more than three minutes (RFC 3261 §16.6 step 11).
pub(crate) const TIMER_C: Duration = Duration::from_secs(181);

/// INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1).
///
/// ```text
///          INVITE                     2xx from below
///   ─────────────────► Proceeding ───────────────────► Accepted ──L──► gone
///                          │  3xx-6xx
///                          └─────────► Completed ──ACK (I = 0) or H──► gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InviteServer {
    /// No final response has been sent.
    Proceeding,
    /// 3xx-6xx sent, waits for the ACK under Timer H.
    Completed,
    /// 2xx sent; absorbs the INVITE again, passes further 2xx, until Timer L.
    Accepted,
}

impl InviteServer {
    /// A response of this status goes up. `None`: it may not be sent in this state.
    pub(crate) fn on_response(self, status: u16) -> Option<Self> {
        match (self, status) {
            (Self::Proceeding, 100..=199) => Some(Self::Proceeding),
            (Self::Proceeding | Self::Accepted, 200..=299) => Some(Self::Accepted),
            (Self::Proceeding, 300..=699) => Some(Self::Completed),
            (Self::Proceeding | Self::Completed | Self::Accepted, _) => None,
        }
    }
}

/// Non-INVITE server transaction (RFC 3261 §17.2.2); Completed lasts zero (Timer J), so a final
/// response ends it.
///
/// ```text
///   request ──► Trying ──100──► Proceeding ──final (J = 0)──► gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NonInviteServer {
    /// Nothing sent.
    Trying,
    /// 100 sent.
    Proceeding,
}

/// INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2).
///
/// ```text
///   INVITE ──► Calling ──1xx──► Proceeding ──2xx──► Accepted ──M──► gone
///                 │ B: 408          │ 3xx-6xx: ACK
///                 │                 └──────────► Completed ──D = 0──► gone
///                 └─────────────────────────────────────────────────► gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InviteClient {
    /// Sent, nothing heard.
    Calling,
    /// A provisional response was received.
    Proceeding,
    /// A 2xx was received.
    Accepted,
    /// A 3xx-6xx was received and acknowledged. Timer D is zero, so nothing more is taken.
    Completed,
}

/// What a response means to a client transaction, whatever its method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ResponseEffect {
    /// A provisional response.
    Provisional,
    /// A final response: the branch has ended.
    Final,
    /// A 2xx to INVITE, the first or a further one.
    Success,
    /// Nothing that this state takes: drop it.
    Unexpected,
}

impl InviteClient {
    /// A response of this status came from below.
    pub(crate) fn on_response(&mut self, status: u16) -> ResponseEffect {
        match (*self, status) {
            (Self::Calling | Self::Proceeding, 100..=199) => {
                *self = Self::Proceeding;
                ResponseEffect::Provisional
            }
            (Self::Calling | Self::Proceeding | Self::Accepted, 200..=299) => {
                *self = Self::Accepted;
                ResponseEffect::Success
            }
            (Self::Calling | Self::Proceeding, 300..=699) => {
                *self = Self::Completed;
                ResponseEffect::Final
            }
            (Self::Calling | Self::Proceeding | Self::Accepted | Self::Completed, _) => {
                ResponseEffect::Unexpected
            }
        }
    }
}

/// Non-INVITE client transaction (RFC 3261 §17.1.2); Completed lasts zero (Timer K).
///
/// ```text
///   request ──► Trying ──1xx──► Proceeding ──final (K = 0) or F──► gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NonInviteClient {
    /// Sent, nothing heard.
    Trying,
    /// A provisional response was received.
    Proceeding,
}

impl NonInviteClient {
    /// A response of this status came from below.
    pub(crate) fn on_response(&mut self, status: u16) -> ResponseEffect {
        match (*self, status) {
            (Self::Trying | Self::Proceeding, 100..=199) => {
                *self = Self::Proceeding;
                ResponseEffect::Provisional
            }
            (Self::Trying | Self::Proceeding, 200..=699) => ResponseEffect::Final,
            (Self::Trying | Self::Proceeding, _) => ResponseEffect::Unexpected,
        }
    }
}

/// The server side of a context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerTransaction {
    /// Of an INVITE.
    Invite(InviteServer),
    /// Of anything else.
    NonInvite(NonInviteServer),
}

/// The client side of a context's current branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientTransaction {
    /// Of an INVITE.
    Invite(InviteClient),
    /// Of anything else.
    NonInvite(NonInviteClient),
}

impl ClientTransaction {
    /// A response of this status came from below.
    pub(crate) fn on_response(&mut self, status: u16) -> ResponseEffect {
        match self {
            Self::Invite(machine) => machine.on_response(status),
            Self::NonInvite(machine) => machine.on_response(status),
        }
    }
    /// Whether nothing at all has been heard on this branch.
    pub(crate) fn silent(self) -> bool {
        matches!(
            self,
            Self::Invite(InviteClient::Calling) | Self::NonInvite(NonInviteClient::Trying)
        )
    }
}

/// The timer that a context waits for besides the 100. A context has one at a time, since each
/// state of its two machines waits for one thing. H, L and M are those of an answered INVITE, which
/// is no context any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TransactionTimer {
    /// INVITE client in Calling.
    B,
    /// Proxy: INVITE client in Proceeding (RFC 3261 §16.8).
    C,
    /// Non-INVITE client, over all branches (RFC 4320 §4.2).
    F,
    /// 64 × T1 after a CANCEL was sent (RFC 3261 §9.1).
    Cancelled,
}

/// Both deadlines of a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// When a 100 is due, while none was sent.
    pub(crate) trying: Option<Instant>,
    /// The lettered timer.
    pub(crate) timer: TransactionTimer,
    /// When it fires.
    pub(crate) at: Instant,
}

impl Deadlines {
    /// The sooner of both.
    pub(crate) fn next(&self) -> Instant {
        self.trying.map_or(self.at, |t| t.min(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_server_sends_one_non_2xx_final_and_any_number_of_2xx() {
        assert_eq!(
            InviteServer::Proceeding.on_response(180),
            Some(InviteServer::Proceeding)
        );
        assert_eq!(
            InviteServer::Proceeding.on_response(486),
            Some(InviteServer::Completed)
        );
        assert_eq!(InviteServer::Completed.on_response(200), None);
        assert_eq!(InviteServer::Completed.on_response(486), None);
        assert_eq!(
            InviteServer::Proceeding.on_response(200),
            Some(InviteServer::Accepted)
        );
        assert_eq!(
            InviteServer::Accepted.on_response(200),
            Some(InviteServer::Accepted)
        );
        assert_eq!(InviteServer::Accepted.on_response(180), None);
        assert_eq!(InviteServer::Accepted.on_response(486), None);
    }

    #[test]
    fn an_invite_client_takes_no_failure_after_success() {
        let mut machine = InviteClient::Calling;
        assert_eq!(machine.on_response(180), ResponseEffect::Provisional);
        assert_eq!(machine, InviteClient::Proceeding);
        assert_eq!(machine.on_response(200), ResponseEffect::Success);
        assert_eq!(machine.on_response(200), ResponseEffect::Success);
        assert_eq!(machine.on_response(486), ResponseEffect::Unexpected);
        assert_eq!(machine.on_response(180), ResponseEffect::Unexpected);
    }

    #[test]
    fn an_invite_client_takes_nothing_after_a_failure() {
        let mut machine = InviteClient::Calling;
        assert_eq!(machine.on_response(486), ResponseEffect::Final);
        assert_eq!(machine, InviteClient::Completed);
        for status in [100, 180, 200, 486, 503] {
            assert_eq!(machine.on_response(status), ResponseEffect::Unexpected);
        }
    }
}

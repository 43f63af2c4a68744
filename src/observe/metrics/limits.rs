//! Which reasons are a bound of `[limits]` that bit.
//!
//! Three tables, so that a new key cannot be forgotten: a test holds them against the keys of the topology. What the metrics
//! count is what an alert may be made of; a time that ends an idle connection is none.
use crate::observe::counters::Counts;
use crate::reason::{ConnectionReason, MessageReason, Reason, Rule};

/// Each bound whose reaching has reasons of its own. What a full log queue drops has no reason: it is counted apart.
pub static LIMITS_THAT_BITE: &[(&str, &[Reason])] = &[
    ("body_bytes", &[Rule::BodyTooLarge.reason()]),
    ("head_bytes", &[Rule::HeadTooLarge.reason()]),
    (
        "handshakes",
        &[ConnectionReason::TooManyHandshakes.reason()],
    ),
    ("waiting", &[ConnectionReason::TooManyWaiting.reason()]),
    (
        "connections",
        &[ConnectionReason::TooManyConnections.reason()],
    ),
    (
        "connections_per_source",
        &[ConnectionReason::TooManyFromSource.reason()],
    ),
    ("bindings", &[MessageReason::BindingsFull.reason()]),
    (
        "bindings_per_client",
        &[MessageReason::ClientBindings.reason()],
    ),
    ("calls", &[MessageReason::CallsFull.reason()]),
    ("calls_per_client", &[MessageReason::ClientCalls.reason()]),
    ("calls_per_source", &[MessageReason::SourceCalls.reason()]),
    ("connect_queue", &[MessageReason::ConnectQueueFull.reason()]),
    (
        "send_queue",
        &[
            MessageReason::PeerCongested.reason(),
            ConnectionReason::SendQueueFull.reason(),
        ],
    ),
    (
        "transactions",
        &[MessageReason::TooManyTransactions.reason()],
    ),
    (
        "transactions_per_client",
        &[MessageReason::ClientBudget.reason()],
    ),
    (
        "transactions_per_source",
        &[MessageReason::SourceBudget.reason()],
    ),
    ("memory_per_source", &[MessageReason::TooMuchHeld.reason()]),
    ("memory", &[MessageReason::MemoryFull.reason()]),
    (
        "connects_per_source",
        &[ConnectionReason::TooManyConnects.reason()],
    ),
    (
        "client_rate",
        &[
            ConnectionReason::TooManyMessages.reason(),
            MessageReason::RequestRate.reason(),
        ],
    ),
    (
        "invites_per_client",
        &[MessageReason::TooManyInvites.reason()],
    ),
    ("answered", &[MessageReason::TooManyAnswered.reason()]),
    (
        "failed_logins",
        &[
            MessageReason::CredentialsRefused.reason(),
            MessageReason::CredentialsWaiting.reason(),
        ],
    ),
];

/// Bounds that share their reason with another one, under whose name it is counted: one refusal is one hit.
///
/// Reasons are not made finer for this: whoever is refused needs one remedy, and its event says whose bound it was.
pub static COUNTED_WITH: &[(&str, &str)] = &[
    ("bindings_per_user", "bindings_per_client"),
    ("transactions_per_peer", "transactions_per_source"),
    ("memory_per_client", "memory_per_source"),
    ("memory_per_peer", "memory_per_source"),
    ("answered_per_client", "answered"),
    ("answered_per_source", "answered"),
    ("answered_per_peer", "answered"),
    ("client_burst", "client_rate"),
    ("connect_timeout", "handshake_timeout"),
    ("backoff_max", "backoff_min"),
];

/// Times, and what an operator has asked for: that they end something is how it should be, so no alert counts them, but who
/// lists the bounds sees it.
pub static ENDS_BY_INTENT: &[(&str, &[Reason])] = &[
    ("deny", &[ConnectionReason::Denied.reason()]),
    ("head_timeout", &[ConnectionReason::HeadTimeout.reason()]),
    ("body_timeout", &[ConnectionReason::BodyTimeout.reason()]),
    ("handshake_timeout", &[ConnectionReason::Timeout.reason()]),
    (
        "proxy_header_timeout",
        &[ConnectionReason::ProxyHeaderTimeout.reason()],
    ),
    ("client_idle", &[ConnectionReason::Idle.reason()]),
    ("ping_clients", &[ConnectionReason::NoPong.reason()]),
    (
        "first_message",
        &[ConnectionReason::NoFirstMessage.reason()],
    ),
    ("backoff_min", &[ConnectionReason::BackingOff.reason()]),
    ("drain", &[ConnectionReason::Drain.reason()]),
    ("handover", &[ConnectionReason::LetGo.reason()]),
];

/// How often each bound bit.
pub fn hits(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    sums(LIMITS_THAT_BITE, counts)
}

/// How often each time, and what an operator has denied, ended something.
///
/// For who lists the bounds, and for no metric.
pub fn ended(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    sums(ENDS_BY_INTENT, counts)
}

/// Of each row the events with one of its reasons.
///
/// Whichever event has it: a handshake, a connection, a request or a dropped message.
fn sums<'c>(
    of: &'static [(&'static str, &'static [Reason])],
    counts: &'c Counts,
) -> impl Iterator<Item = (&'static str, u64)> + 'c {
    of.iter().map(|(limit, reasons)| {
        let hits = reasons.iter().map(|reason| counts.of_reason(*reason));
        (*limit, hits.sum())
    })
}

//! Which reasons are a bound of `[limits]` that bit.
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
];

/// How often each bound bit.
pub fn hits(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    LIMITS_THAT_BITE.iter().map(|(limit, reasons)| {
        let hits = reasons.iter().map(|reason| counts.of_reason(*reason));
        (*limit, hits.sum())
    })
}

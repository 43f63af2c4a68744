//! A sample of every event, made from the table by the types of its fields: a new event has one without a line here.
use super::super::{
    CallRecord, ClosedBy, DecisionId, EndedBy, Event, EventKind, HandshakeSides, Parties,
    PresentedChain, RequestOutcome,
};
use crate::reason::{MessageReason, Reason, TrustReason};
use crate::topology::Direction;
use crate::trust::{Decision, MatchedKind, Verdict};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

/// What strangers and files may put into a text.
pub(super) const HOSTILE: [&str; 8] = [
    "",
    "plain",
    "quote\" backslash\\ newline\n return\r tab\t nul\0",
    "\u{1b}[2J\u{1b}]0;title\u{7} \u{9b}31m \u{7f} \u{8}",
    "\u{202e}gpj.exe\u{2066} \u{2028}{\"event\":\"forged\"}\u{2029} \u{feff}\u{e0041}",
    "}\n{\"ts\":\"x\",\"event\":\"start\"}",
    "𝕏ÄÖ李 =,;'`$(reboot) <script>",
    "\u{0}\u{1}\u{2}\u{1f}",
];

pub(super) fn long(pattern: &str) -> String {
    pattern.repeat(10_000 / pattern.len().max(1))
}

/// What the sample is filled with.
pub(in crate::observe) struct Filling<'a> {
    /// Stands wherever an event has a text that others chose.
    pub(in crate::observe) text: &'a str,
    /// Stands wherever it has bytes.
    pub(in crate::observe) bytes: &'a [u8],
    /// With every field that may be missing, or without.
    pub(in crate::observe) full: bool,
}

/// A type that a sample can be made of.
pub(in crate::observe) trait Sample {
    fn sample(with: &Filling<'_>) -> Self;
}

/// Implements it for types that are one expression.
macro_rules! samples {
    ($( $type:ty: |$with:ident| $made:expr; )*) => { $(
        impl Sample for $type {
            fn sample($with: &Filling<'_>) -> Self {
                $made
            }
        }
    )* };
}

samples! {
    &'static str: |_with| "word";
    String: |with| with.text.to_owned();
    Arc<str>: |with| with.text.into();
    PathBuf: |with| std::ffi::OsStr::from_bytes(with.bytes).into();
    SocketAddr: |_with| "[2001:db8::1]:5061".parse().unwrap();
    Vec<String>: |with| vec![with.text.to_owned(); 200];
    Duration: |_with| Duration::from_micros(1234);
    u8: |_with| 48;
    u16: |_with| 482;
    u32: |_with| 7;
    u64: |_with| u64::MAX;
    usize: |_with| 3;
    bool: |with| with.full;
    Reason: |_with| MessageReason::LoopDetected.into();
    Direction: |_with| Direction::Inbound;
    ClosedBy: |_with| ClosedBy::Remote;
    EventKind: |_with| EventKind::MessageDropped;
    Level: |_with| Level::WARN;
}

impl<const N: usize> Sample for SmallVec<[u8; N]> {
    fn sample(with: &Filling<'_>) -> Self {
        with.bytes.into()
    }
}

/// What may be missing is missing unless the sample is full.
impl<T: Sample> Sample for Option<T> {
    fn sample(with: &Filling<'_>) -> Self {
        with.full.then(|| T::sample(with))
    }
}

impl<T: Sample> Sample for Arc<T> {
    fn sample(with: &Filling<'_>) -> Self {
        Self::new(T::sample(with))
    }
}

impl Sample for HandshakeSides {
    fn sample(with: &Filling<'_>) -> Self {
        Self {
            direction: Sample::sample(with),
            remote: Sample::sample(with),
            listener: Sample::sample(with),
            peer: Sample::sample(with),
            sni: Sample::sample(with),
            balancer: Sample::sample(with),
        }
    }
}

impl Sample for PresentedChain {
    fn sample(with: &Filling<'_>) -> Self {
        Self {
            identity: Sample::sample(with),
            subjects: vec![with.text.to_owned(); 50],
            fingerprints: vec![with.text.to_owned(); 50],
        }
    }
}

impl Sample for RequestOutcome {
    fn sample(with: &Filling<'_>) -> Self {
        Self {
            method: Sample::sample(with),
            parties: Sample::sample(with),
            connection: Sample::sample(with),
            remote: Sample::sample(with),
            decision: Option::<Arc<Decision>>::sample(with).map(DecisionId),
            from_peer: Sample::sample(with),
            to_peer: Sample::sample(with),
            to_client: Sample::sample(with),
            to_connection: Sample::sample(with),
            status: Sample::sample(with),
            took: Sample::sample(with),
        }
    }
}

impl Sample for Parties {
    fn sample(with: &Filling<'_>) -> Self {
        let text = if with.full { with.bytes } else { b"" };
        Self::new([text; 5])
    }
}

impl Event {
    /// A client's call that ended, answered if there was talk.
    pub(super) fn ended_call(talk: Option<Duration>) -> Self {
        let with = Filling {
            text: "x",
            bytes: b"x",
            full: false,
        };
        let mut call = Box::<CallRecord>::sample(&with);
        call.talk = talk;
        Self::CallEnded { reason: None, call }
    }
}

impl Sample for Box<CallRecord> {
    fn sample(with: &Filling<'_>) -> Self {
        Self::new(CallRecord {
            parties: Sample::sample(with),
            connection: Sample::sample(with),
            remote: Sample::sample(with),
            decision: Option::<Arc<Decision>>::sample(with).map(DecisionId),
            from_peer: Sample::sample(with),
            through: Sample::sample(with),
            to_peer: Sample::sample(with),
            to_client: Sample::sample(with),
            to_connection: Sample::sample(with),
            setup: Sample::sample(with),
            ringing: Sample::sample(with),
            talk: Sample::sample(with),
            ended_by: EndedBy::CallIdle,
            status: Sample::sample(with),
        })
    }
}

impl Sample for Decision {
    fn sample(with: &Filling<'_>) -> Self {
        let Filling { text, full, .. } = *with;
        let many = vec![text.to_owned(); 50];
        Self {
            id: text.to_owned(),
            verdict: if full {
                Verdict::Accept
            } else {
                Verdict::Refuse
            },
            dialled: None,
            identity: None,
            detail: None,
            cause: None,
            reason: if full {
                TrustReason::Accepted
            } else {
                TrustReason::NotInTopology
            },
            direction: Direction::Inbound,
            peer: None,
            peer_name: full.then(|| text.to_owned()),
            names: many.clone(),
            matched: full.then(|| (text.to_owned(), MatchedKind::SipUri)),
            subjects: many.clone(),
            fingerprints: many,
            anchor: full.then(|| (text.to_owned(), text.to_owned())),
            crl: full.then(|| (text.to_owned(), u64::MAX)),
            purpose: full.then_some("serverAuth"),
            would_refuse: full.then(|| (TrustReason::PinMismatch, Some(text.to_owned()))),
            valid_until: full.then_some(u64::MAX),
            anchored: false,
            generation: u64::MAX,
            line: full.then_some(u32::MAX),
            listener: None,
        }
    }
}

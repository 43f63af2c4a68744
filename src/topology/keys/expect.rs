//! The keys of `[[expect]]`: unit tests of the policy.
use super::key::{TEXT, TIME, ValueType};
use super::{Text, keys, words};
use crate::topology::Direction;
use rustls_pki_types::UnixTime;

words! {
    /// A word of `verdict`.
    pub(crate) enum ExpectedVerdict {
        /// The chain shall be accepted.
        Accept = "accept",
        /// It shall be refused.
        Refuse = "refuse",
    }
}

// Expectations have no effect on what runs, so a reload reports only how many there are.
keys! {
    /// `[[expect]]` as it is written.
    pub(crate) struct RawExpect {
        certificate: Option<Text> = required, TEXT, reload,
            "File with the chain to judge, leaf first.";
        direction as "as": Option<Direction> = required, ValueType::Word(Direction::WORDS), reload,
            "How it is presented. `\"inbound\"`: by a client or server that connects here. `\"outbound\"`: by the server that \
             sipward dialled.";
        verdict: Option<ExpectedVerdict> = required, ValueType::Word(ExpectedVerdict::WORDS), reload,
            "What the decision must be. `\"accept\"`: it speaks for a peer. `\"refuse\"`: for none (whether a listener passes it \
             over as a client's is another question; `sipward explain` answers it).";
        reason: Option<Text> = optional("any"), TEXT, reload,
            "The reason code that the decision must have.";
        peer: Option<Text> = optional("any"), TEXT, reload,
            "The peer that is dialled (outbound; a name that its `covers` has too), or for which the chain must be accepted (inbound).";
        identity: Option<Text> = optional("unknown"), TEXT, reload,
            "Inbound: the identity that this node shows in the handshake, where that tells which of several peers with one `fqdn` it is.";
        at: Option<UnixTime> = optional("when it runs"), TIME, reload,
            "The time for which to decide; without it an expectation about a certificate fails when that certificate ends.";
    }
}

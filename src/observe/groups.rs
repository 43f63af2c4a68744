//! Values that several events carry as a whole and that make several fields of a line.
use super::call_record::{DecisionId, Parties};
use super::keys::KEYS;
use super::value::{AsField, EventField, FieldGroup, Take};
use crate::topology::Direction;
use crate::trust::{Decision, MatchedKind, Verdict};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A struct whose fields are fields of a line. The keys stand beside the fields, once: the list for the documentation and
/// the walk for the line are made from them, in the same order.
///
/// `about` names the field with the peer whose limit counts, of a group that has one.
macro_rules! field_group {
    (
        $(#[$about:meta])*
        pub struct $group:ident { $( $(#[$doc:meta])* pub $field:ident: $type:ty => $key:ident, )* }
        $( about $peer:ident )?
    ) => {
        $(#[$about])*
        pub struct $group { $( $(#[$doc])* pub $field: $type, )* }

        impl FieldGroup for $group {
            const FIELDS: &'static [EventField] = &[ $( EventField::of::<$type>(&KEYS.$key), )* ];
            fn write_all(&self, take: &mut Take<'_>) {
                $( self.$field.write(&KEYS.$key, take); )*
            }
            $(
                fn peer(&self) -> Option<&str> {
                    self.$peer.as_deref()
                }
            )?
        }
    };
}

field_group! {
    /// The certificate chain that this node presented.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct PresentedChain {
        /// The identity's name in the topology.
        pub identity: String => identity,
        /// Subjects, leaf first.
        pub subjects: Vec<String> => shown_subjects,
        /// SHA-256 in lower-case hex, leaf first.
        pub fingerprints: Vec<String> => shown_fingerprints,
    }
}

field_group! {
    /// Between whom a handshake is.
    #[derive(Clone, Debug)]
    pub struct HandshakeSides {
        /// Who connected to whom.
        pub direction: Direction => direction,
        /// The remote address.
        pub remote: SocketAddr => remote,
        /// The listener that an inbound one came to.
        pub listener: Option<String> => listener,
        /// The peer that was dialled, or that an inbound one turned out to be.
        pub peer: Option<String> => peer,
        /// SNI received or sent.
        pub sni: Option<String> => sni,
        /// The balancer whose header named the remote address.
        pub balancer: Option<Arc<str>> => balancer,
    }
    about peer
}

impl HandshakeSides {
    /// Of a handshake that the remote began at a listener; it asked for the name `sni`, if it has said so already.
    pub fn inbound(remote: SocketAddr, listener: &str, sni: Option<String>) -> Self {
        Self {
            direction: Direction::Inbound,
            remote,
            listener: Some(listener.to_owned()),
            peer: None,
            sni,
            balancer: None,
        }
    }

    /// Of one that came through a balancer, which has named the remote address.
    #[must_use]
    pub fn through(mut self, balancer: Option<SocketAddr>) -> Self {
        // As text: the events of messages are as large as those of handshakes, and shorter than this address.
        self.balancer = balancer.map(|address| address.to_string().into());
        self
    }

    /// Of a handshake that this node began with a peer; it asks for the name `sni`.
    pub fn outbound(remote: SocketAddr, peer: &str, sni: &str) -> Self {
        Self {
            direction: Direction::Outbound,
            remote,
            listener: None,
            peer: Some(peer.to_owned()),
            sni: Some(sni.to_owned()),
            balancer: None,
        }
    }

    /// With the peer that the decision about an inbound one found. A dialled one keeps the name that was dialled: what it
    /// presented may belong to somebody else, which is why it was refused.
    #[must_use]
    pub fn judged(mut self, decision: Option<&Arc<Decision>>) -> Self {
        if self.peer.is_none() {
            self.peer = decision.and_then(|decision| decision.peer_name.clone());
        }
        self
    }
}

/// A request and what became of it.
///
/// The core fills this on the message path, once for each request that has a line. The method is held inline, peers' names and
/// decisions are shared, and all that the message itself says is one piece of memory.
#[derive(Clone, Debug)]
pub struct RequestOutcome {
    /// The method.
    pub method: SmallVec<[u8; 16]>,
    /// Who asks what of whom.
    pub parties: Parties,
    /// The number of the connection that it came on.
    pub connection: u64,
    /// Source address.
    pub remote: SocketAddr,
    /// The decision that let that connection in; `None`: it has shown no certificate.
    pub decision: Option<DecisionId>,
    /// Name of the peer that it came from; `None`: a client.
    pub from_peer: Option<Arc<str>>,
    /// Name of the peer that it went to; `None` with `to_client` false: nowhere.
    pub to_peer: Option<Arc<str>>,
    /// Whether it went to a client's flow.
    pub to_client: bool,
    /// The number of the connection that answered.
    pub to_connection: Option<u64>,
    /// The final status sent back; `None`: none (ACK, dropped).
    pub status: Option<u16>,
    /// From receipt to the final answer.
    pub took: Duration,
}

impl FieldGroup for RequestOutcome {
    const FIELDS: &'static [EventField] = &[
        EventField::of::<String>(&KEYS.method),
        EventField::of::<Option<String>>(&KEYS.call_id),
        EventField::of::<Option<String>>(&KEYS.from),
        EventField::of::<Option<String>>(&KEYS.to),
        EventField::of::<Option<String>>(&KEYS.request_uri),
        EventField::of::<Option<String>>(&KEYS.user_agent),
        EventField::of::<u64>(&KEYS.connection),
        EventField::of::<SocketAddr>(&KEYS.remote),
        EventField::of::<Option<DecisionId>>(&KEYS.decision),
        EventField::of::<Option<Arc<str>>>(&KEYS.from_peer),
        EventField::of::<Option<Arc<str>>>(&KEYS.to_peer),
        EventField::of::<bool>(&KEYS.to_client),
        EventField::of::<Option<u64>>(&KEYS.to_connection),
        EventField::of::<Option<u16>>(&KEYS.status),
        EventField::of::<Duration>(&KEYS.took_us),
    ];

    // By hand and not by the macro above, since its texts are one value that makes five fields.
    fn write_all(&self, take: &mut Take<'_>) {
        self.method.write(&KEYS.method, take);
        self.parties.write_all(take);
        self.connection.write(&KEYS.connection, take);
        self.remote.write(&KEYS.remote, take);
        self.decision.write(&KEYS.decision, take);
        self.from_peer.write(&KEYS.from_peer, take);
        self.to_peer.write(&KEYS.to_peer, take);
        self.to_client.write(&KEYS.to_client, take);
        self.to_connection.write(&KEYS.to_connection, take);
        self.status.write(&KEYS.status, take);
        self.took.write(&KEYS.took_us, take);
    }

    fn peer(&self) -> Option<&str> {
        self.from_peer.as_deref()
    }
}

/// What a trust decision adds to the event of its handshake. Reason and peer are not in it: a handshake has these without
/// a decision too.
impl FieldGroup for Decision {
    const FIELDS: &'static [EventField] = &[
        EventField::of::<String>(&KEYS.decision),
        EventField::of::<Verdict>(&KEYS.verdict),
        EventField::of::<Option<String>>(&KEYS.matched),
        EventField::of::<Option<MatchedKind>>(&KEYS.matched_kind),
        EventField::of::<Vec<String>>(&KEYS.names),
        EventField::of::<Vec<String>>(&KEYS.subjects),
        EventField::of::<Vec<String>>(&KEYS.fingerprints),
        EventField::of::<Option<String>>(&KEYS.trust),
        EventField::of::<Option<String>>(&KEYS.anchor),
        EventField::of::<Option<String>>(&KEYS.crl),
        EventField::of::<Option<u64>>(&KEYS.crl_age_s),
        EventField::of::<Option<&'static str>>(&KEYS.purpose),
        EventField::of::<Option<u64>>(&KEYS.valid_until),
        EventField::of::<u64>(&KEYS.generation),
        EventField::of::<Option<u32>>(&KEYS.line),
    ];

    // By hand and not by the macro above: a decision is the trust layer's own, and some of its fields make two.
    fn write_all(&self, take: &mut Take<'_>) {
        self.id.write(&KEYS.decision, take);
        self.verdict.write(&KEYS.verdict, take);
        if let Some((name, kind)) = &self.matched {
            name.write(&KEYS.matched, take);
            kind.write(&KEYS.matched_kind, take);
        }
        self.names.write(&KEYS.names, take);
        self.subjects.write(&KEYS.subjects, take);
        self.fingerprints.write(&KEYS.fingerprints, take);
        if let Some((trust, subject)) = &self.anchor {
            trust.write(&KEYS.trust, take);
            subject.write(&KEYS.anchor, take);
        }
        if let Some((issuer, age)) = &self.crl {
            issuer.write(&KEYS.crl, take);
            age.write(&KEYS.crl_age_s, take);
        }
        self.purpose.write(&KEYS.purpose, take);
        self.valid_until.write(&KEYS.valid_until, take);
        self.generation.write(&KEYS.generation, take);
        self.line.write(&KEYS.line, take);
    }
}

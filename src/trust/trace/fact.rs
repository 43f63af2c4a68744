//! What the steps of a decision look at, as data: a decision names it, and only an explanation puts it into words.
use crate::topology::{Direction, DnsName, Listener, Peer, PeerRef, Topology, TrustSet};
use crate::trust::StepRefusal;
use crate::trust::certificate::chain::{Chain, ParsedChain};
use crate::trust::names::presented::PresentedNames;
use crate::trust::path::cert_path::CertPath;
use crate::trust::revocation::ledger::Ledger;
use rustls_pki_types::{CertificateDer, UnixTime};

/// What one step looks at.
pub(crate) enum Fact<'f> {
    /// What was presented.
    Chain {
        presented: &'f [CertificateDer<'f>],
        parsed: &'f ParsedChain<'f>,
    },
    /// The names of the leaf.
    Names {
        chain: &'f Chain<'f>,
        names: Option<&'f PresentedNames>,
    },
    /// The peer entries that the names may match.
    Entries {
        names: &'f PresentedNames,
        topology: &'f Topology,
        dialled: Option<PeerRef>,
        name: Option<&'f DnsName>,
        /// The identity that this node has shown.
        identity: Option<&'f str>,
        at: UnixTime,
    },
    /// All trust sets of a peer.
    Vouching,
    /// The anchors of one trust set.
    Set(&'f TrustSet),
    /// A set of the peer that would vouch at another time.
    ClosedSet(&'f StepRefusal),
    /// A set that would vouch, and not for this peer.
    OtherSet(&'f TrustSet, &'f Peer),
    /// Where the chain ends without an anchor.
    MissingIssuer(&'f Chain<'f>),
    /// A path to an anchor.
    Path(&'f CertPath<'f>),
    /// The keys of a path.
    Keys(&'f CertPath<'f>),
    /// The validity of a path at a time.
    Validity(&'f CertPath<'f>, UnixTime),
    /// The CRLs about a path.
    Revocation {
        path: &'f CertPath<'f>,
        set: &'f TrustSet,
        ledger: &'f Ledger,
        at: UnixTime,
    },
    /// The key usages of a path.
    Purpose(&'f CertPath<'f>, Direction, &'f Peer),
    /// The keys of a path and the pins of a peer.
    Pins(&'f CertPath<'f>, &'f Peer),
    /// The strictest reading of an observed peer's policies.
    Observed,
    /// What a listener makes of a certificate that speaks for no peer.
    ClientRule(&'f Listener),
}

//! The words of an explanation: what each step of the decision looked at, for `explain`.
use crate::topology::{
    Direction, DnsName, Peer, PeerRef, PurposePolicy, Revocation, RevocationScope, Topology,
    TrustSet, show_duration, show_moment,
};
use crate::trust::certificate::{chain::Chain, text::subject_text};
use crate::trust::path::cert_path::CertPath;
use crate::trust::path::{pins, purpose, validity};
use crate::trust::trace::notes::{certificates, crls, each_name, entries};
use crate::trust::trace::words::{distance, named, set_words};
use crate::trust::trace::{fact::Fact, step::Note};
use rustls_pki_types::{CertificateDer, UnixTime};

// Only called while somebody asked for an explanation: nothing here runs in a usual handshake, so that clear
// words may cost time. Whoever adds a step adds an arm to each of the three matches; there is no `_` arm that
// would hide a step from explanations.
impl Fact<'_> {
    /// The name of the step, as [`ExplainedStep`](crate::trust::ExplainedStep) lists them.
    ///
    /// These names are part of the JSON of `explain`, so that they stay as they are.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "chain",
            Self::Names { .. } => "names",
            Self::Entries { .. } => "topology",
            Self::Vouching => "path",
            // Three facts about trust sets are one kind of step to a reader: a set was asked, and how it came
            // out.
            Self::Set(_) | Self::ClosedSet(_) | Self::OtherSet(..) => "trust",
            Self::MissingIssuer(_) => "issuer",
            Self::Path(_) => "anchor",
            Self::Keys(_) => "key",
            Self::Validity(..) => "validity",
            Self::Revocation { .. } => "revocation",
            Self::Purpose(..) => "purpose",
            Self::Pins(..) => "pin",
            Self::Observed => "stage",
            Self::ClientRule(_) => "client",
        }
    }

    /// What the step looks at, in words.
    ///
    /// Bounded like everything that a stranger writes: each name in it comes through [`subject_text`] or is
    /// of the topology.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Chain { presented, .. } => presented_words(presented),
            Self::Names { .. } => "names presented".to_owned(),
            Self::Entries {
                topology,
                dialled,
                name,
                ..
            } => sought(topology, *dialled, *name),
            Self::Vouching => "a path to an anchor that may vouch for this peer".to_owned(),
            Self::Set(set) => set_words(set),
            // The refusal names the set and its window already.
            Self::ClosedSet(refusal) => refusal.to_string(),
            // The line number leads to the entry whose `trust` an operator might extend.
            Self::OtherSet(set, peer) => format!(
                "{}: the chain leads there, but {} (line {}) does not name it in `trust`",
                set_words(set),
                peer.name,
                peer.line
            ),
            Self::MissingIssuer(chain) => missing_issuer(chain),
            Self::Path(path) => path_words(path),
            // The anchor's key is not listed: it is the operator's choice and no part of what is judged.
            Self::Keys(path) => {
                let keys: Vec<String> = path.parts().map(|part| part.key().words()).collect();
                format!("keys, leaf first: {}", keys.join(", "))
            }
            Self::Validity(path, at) => validity_words(path, *at),
            // All CRLs of the issuers are listed, including those that do not cover the certificate: a
            // missing one is found by what is there.
            Self::Revocation { set, .. } => revocation_words(set),
            Self::Purpose(path, direction, peer) => purpose_words(path, *direction, peer),
            Self::Pins(path, peer) => pin_words(path, peer),
            Self::Observed => "observed: the strictest policies and the pins".to_owned(),
            // The key as it stands in the file, to be found there.
            Self::ClientRule(listener) => format!(
                "listener {} has client_certificates = \"{}\"",
                listener.name,
                listener.client_certificates.word()
            ),
        }
    }

    /// What the step found on its way, each on a line below it.
    ///
    /// What decides nothing by itself but explains the outcome: each certificate, each name, each entry, each
    /// CRL.
    pub(crate) fn notes(&self) -> Vec<Note> {
        match self {
            Self::Chain {
                parsed: Ok(chain), ..
            } => certificates(chain),
            Self::Names { chain, names } => each_name(chain, *names),
            Self::Entries {
                names,
                topology,
                dialled,
                name,
                identity,
                at,
            } => entries(names, topology, (*dialled, *name), *identity, *at),
            Self::Revocation {
                path,
                set,
                ledger,
                at,
            } => crls(path, set, ledger, *at),
            Self::Chain { .. }
            | Self::Vouching
            | Self::Set(_)
            | Self::ClosedSet(_)
            | Self::OtherSet(..)
            | Self::MissingIssuer(_)
            | Self::Path(_)
            | Self::Keys(_)
            | Self::Validity(..)
            | Self::Purpose(..)
            | Self::Pins(..)
            | Self::Observed
            | Self::ClientRule(_) => Vec::new(),
        }
    }
}

/// The size is shown because it is bounded: a chain that is too large is refused before it is parsed.
fn presented_words(presented: &[CertificateDer<'_>]) -> String {
    let bytes: usize = presented.iter().map(|c| c.as_ref().len()).sum();
    match presented.len() {
        0 => "no certificate".to_owned(),
        1 => format!("1 certificate, {bytes} bytes"),
        n => format!("{n} certificates, {bytes} bytes"),
    }
}

/// Outbound one entry must match, inbound one of all of them is looked for.
fn sought(topology: &Topology, dialled: Option<PeerRef>, name: Option<&DnsName>) -> String {
    let entries = topology.peers().len();
    match dialled {
        Some(peer) if let Some(name) = name => format!(
            "the names must cover {name}, which {} covers",
            topology.peer(peer).name
        ),
        Some(peer) => format!("the names must cover {}", topology.peer(peer).fqdn),
        None => format!("the entry among {entries} that a name matches"),
    }
}

/// `leaf <- issuer <- anchor`.
///
/// From the leaf to the anchor, in the order in which each was signed by the next.
fn path_words(path: &CertPath<'_>) -> String {
    // Subjects and not fingerprints: an operator knows the CAs by their names.
    let mut names: Vec<String> = path.parts().map(|part| named(&part.text())).collect();
    names.push(format!("anchor {}", named(&path.anchor().text)));
    names.join(" <- ")
}

/// Why no path was found, where the chain itself shows it.
///
/// The two commonest faults of a server's chain: its root is not trusted here, or it does not send its
/// intermediate.
fn missing_issuer(chain: &Chain<'_>) -> String {
    let end = chain.end();
    let (last, issuer) = (named(&end.text()), subject_text(end.read().issuer()));
    // A root that was presented is no proof of anything: it must be among the anchors.
    if end.is_self_issued() {
        return format!("the chain ends in the self-signed {last}, which is no anchor here");
    }
    let issuer = named(&issuer);
    format!("{issuer} is missing: it issued {last}, was not presented, and is no anchor here")
}

/// The end of the path as a whole, which is the earliest of its certificates.
fn validity_words(path: &CertPath<'_>, at: UnixTime) -> String {
    // A path has at least its leaf.
    let ends = validity::ends(path).unwrap_or_default();
    format!(
        "at {}; the first certificate of the path ends {} ({})",
        show_moment(at.as_secs()),
        show_moment(ends),
        distance(ends, at)
    )
}

/// The policy of the set that vouches, since it differs from set to set.
fn revocation_words(trust: &TrustSet) -> String {
    // In the words of the file's keys.
    let scope = match trust.scope {
        RevocationScope::Chain => "each certificate of the path",
        RevocationScope::Leaf => "the leaf",
    };
    match trust.revocation {
        // Said aloud: nobody should read a missing list of CRLs as a passed check.
        Revocation::Off => format!("not checked: {} has revocation = \"off\"", set_words(trust)),
        Revocation::Require => format!("a current CRL for {scope}"),
        Revocation::Grace(grace) => {
            let grace = show_duration(grace);
            format!("a CRL for {scope}, up to {grace} past its nextUpdate")
        }
    }
}

/// The pins of the path are shown in the form in which the file holds them, ready to be copied.
fn pin_words(path: &CertPath<'_>, peer: &Peer) -> String {
    let keys: Vec<String> = pins::keys(path).map(|key| key.to_string()).collect();
    let keys = keys.join(", ");
    match peer.pins.len() {
        0 => "no pins".to_owned(),
        n => format!("one of {n} pins; the path has, leaf first: {keys}"),
    }
}

/// What the policy accepts, and what each certificate of the path has: the gap between the two is the reason
/// of a refusal.
fn purpose_words(path: &CertPath<'_>, direction: Direction, peer: &Peer) -> String {
    // One sentence for each row of the table in `purpose`; both directions read the same for a server.
    let policy = match (direction, peer.purpose) {
        (Direction::Outbound, PurposePolicy::ServerOrClient | PurposePolicy::Strict) => {
            "as a server (outbound): sipDomain, serverAuth, any or no extended key usage"
        }
        (Direction::Inbound, PurposePolicy::ServerOrClient) => {
            "as a client (inbound): sipDomain, clientAuth, serverAuth, any or no extended key usage"
        }
        (Direction::Inbound, PurposePolicy::Strict) => {
            "as a client (inbound), strict: sipDomain, clientAuth, any or no extended key usage"
        }
    };
    let has = purpose::words_of(path);
    format!("{policy}; the path has, leaf first: {has}")
}

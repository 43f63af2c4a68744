//! Whether the other side can follow the chains that this node shows: up to an anchor, over certificates that are sent.
use super::loading::Loading;
use crate::topology::{CertificateFacts, Identity, Topology, TopologyReason, public_roots};

/// What the anchors of the file say about who issued a chain.
struct KnownIssuers {
    /// Roots, and what a set with `partial_chain` takes for one.
    anchors: Vec<CertificateFacts>,
    /// CAs below a root: who has the root alone cannot do without them.
    below: Vec<CertificateFacts>,
}

/// Looks at each chain that an identity shows.
///
/// This node never verifies its own chain, so that without these warnings the first phone would find out.
pub(super) fn check(topology: &Topology, loading: &mut Loading<'_, '_>) {
    let known = KnownIssuers::of(topology);
    for identity in &topology.identities {
        let pairs = std::iter::once(&identity.server).chain(&identity.client);
        for pair in pairs {
            let facts = pair.chain.iter();
            let facts: Vec<_> = facts
                .filter_map(|der| CertificateFacts::read(der))
                .collect();
            if let Some(leaf) = facts.first().filter(|leaf| leaf.names_as_issuer(leaf)) {
                warn_self_signed(identity, leaf, loading);
            } else {
                warn_incomplete(identity, &facts, &known, loading);
            }
        }
    }
}

impl KnownIssuers {
    fn of(topology: &Topology) -> Self {
        let mut known = Self {
            anchors: Vec::new(),
            below: Vec::new(),
        };
        for set in &topology.trusts {
            for facts in set
                .anchors
                .iter()
                .filter_map(|der| CertificateFacts::read(der))
            {
                if set.partial_chain || facts.names_as_issuer(&facts) {
                    known.anchors.push(facts);
                } else {
                    known.below.push(facts);
                }
            }
        }
        known
    }
}

fn warn_self_signed(identity: &Identity, leaf: &CertificateFacts, loading: &mut Loading<'_, '_>) {
    let what = format!(
        "identity \"{}\": the certificate of \"{}\" is signed by itself, so nothing vouches for it",
        identity.name, leaf.subject
    );
    let remedy = "have a CA issue it that clients and peers trust; a lab makes one with certs/make-lab-pki.sh";
    let code = TopologyReason::CertificateSelfSigned;
    loading.found.add(code, identity.line, what, remedy);
}

/// Warns of a chain that leads nowhere: neither to an anchor of the file, nor to a root that is sent along or that this
/// system has.
///
/// The anchors are those that vouch for others; but a site's own CA is nearly always among them, and a chain that the file
/// itself cannot follow is one that others cannot follow either.
fn warn_incomplete(
    identity: &Identity,
    facts: &[CertificateFacts],
    known: &KnownIssuers,
    loading: &mut Loading<'_, '_>,
) {
    let ends = ends(facts);
    let leads = |ca: &&CertificateFacts| {
        ca.names_as_issuer(ca)
            || known
                .anchors
                .iter()
                .any(|anchor| ca.names_as_issuer(anchor))
    };
    // One way is enough: beside it a cross-certificate may lead to a CA that nobody here knows.
    let Some(last) = ends.first().filter(|_| !ends.iter().any(leads)) else {
        return;
    };
    let (name, issuer) = (&identity.name, &last.issuer);
    let chain = match facts.len() {
        1 => format!("the chain is \"{}\" alone", last.subject),
        _ => format!("the chain ends with \"{}\"", last.subject),
    };
    let not_sent = format!("identity \"{name}\": {chain}, and its issuer \"{issuer}\" is not sent");
    let (what, remedy) = if known.below.iter().any(|ca| last.names_as_issuer(ca)) {
        (
            format!("{not_sent}; it stands among the anchors, but is no root"),
            "append that certificate to the chain: clients and peers that have the root alone cannot find it",
        )
    } else if public_roots::has(last) {
        return;
    } else {
        (
            format!("{not_sent} and is no anchor of this file"),
            "append the issuer's certificate to the file, and its issuer's, without the root; if it is itself a root that clients and peers have, nothing is missing",
        )
    };
    let code = TopologyReason::ChainIncomplete;
    loading.found.add(code, identity.line, what, remedy);
}

/// Where the ways end that lead up from the leaf over what is sent.
fn ends(facts: &[CertificateFacts]) -> Vec<&CertificateFacts> {
    let mut reached: Vec<usize> = Vec::new();
    let mut next = vec![0];
    let mut ends = Vec::new();
    while let Some(at) = next.pop() {
        let Some(below) = facts.get(at).filter(|_| !reached.contains(&at)) else {
            continue;
        };
        reached.push(at);
        let above = |(at, ca): (usize, &CertificateFacts)| below.names_as_issuer(ca).then_some(at);
        let above: Vec<usize> = facts.iter().enumerate().filter_map(above).collect();
        // One that names itself is a root, or a CA with a new key: either is an end.
        if above.iter().all(|ca| *ca == at) {
            ends.push(below);
        }
        next.extend(above);
    }
    ends
}

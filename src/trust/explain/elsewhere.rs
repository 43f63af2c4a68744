//! What must be done about a refusal outside the peer entries: a certificate, a CRL, a clock.
use crate::reason::TrustReason;
use crate::topology::{DnsName, Domain, Topology, show_moment};
use crate::trust::certificate::{parsed::Certificate, text::subject_text};
use crate::trust::decision::{question::TrustQuestion, verdict::Decision};
use crate::trust::trace::words::named;

/// Whether a name is this node's: no other server can have it.
///
/// Its FQDN, what it announces and its aliases, which other servers may know it by.
pub(crate) fn is_this_node(topology: &Topology, name: &DnsName) -> bool {
    let aliases = &topology.node().aliases;
    topology.own_names().any(|own| own == name) || aliases.contains(&Domain::from(name.clone()))
}

/// Whether the first whole name that was presented is this node's.
///
/// Then no server is at fault, and no entry should be added.
fn names_this_node(decision: &Decision, topology: &Topology) -> bool {
    let name = decision.names.iter().find_map(|n| DnsName::parse(n).ok());
    name.is_some_and(|name| is_this_node(topology, &name))
}

/// What must be done outside the peer entries.
///
/// Written for whoever must act: the CA, the partner, or the operator of this machine.
pub(crate) fn elsewhere(decision: &Decision, question: &TrustQuestion<'_>) -> String {
    let topology = question.generation.topology();
    // The sets that would count for this peer, by name and line.
    let sets = decision.peer.map(|peer| {
        let names = topology.peer(peer).trust.iter().map(|set| {
            let trust = topology.trust(*set);
            format!("{} (line {})", trust.name, trust.line)
        });
        names.collect::<Vec<_>>().join(" or ")
    });
    let sets = sets.unwrap_or_else(|| "a trust set".to_owned());
    let end = question.chain.as_ref().ok().map(|chain| chain.end());
    let detail = decision.cause.as_ref().or(decision.detail.as_ref());
    let detail = detail.map_or("see the steps", String::as_str);
    // For the frequent reasons with what is known of this chain; for the others the reason's own remedy.
    match (decision.reason, end) {
        // The name of the CA that is missing, as the chain itself has it.
        (TrustReason::UnknownIssuer, Some(end)) => format!(
            "present the certificate of {}, or add it to the anchors of {sets}",
            named(&subject_text(end.read().issuer()))
        ),
        (TrustReason::SelfSigned, _) => {
            format!("have the certificate issued by a CA of {sets}, or add this one to its anchors")
        }
        (TrustReason::NotInTopology, _) if names_this_node(decision, topology) => {
            "nothing, if it is a certificate of this node: none of its own is a peer; another server needs one with its own name"
                .to_owned()
        }
        // No set vouches either: entry and CA are both unknown.
        (TrustReason::NotInTopology, Some(end)) => format!(
            "add a [[peer]] for the server, and a [[trust]] with the CA {}, which no trust set holds",
            named(&subject_text(end.read().issuer()))
        ),
        // The usual outcome of `openssl req -x509`, whose certificates are CAs by default.
        (TrustReason::AuthorityMisuse, Some(end)) if is_its_own(question, end) => format!(
            "have the certificate issued by a CA of {sets}; or make it anew with basicConstraints CA:FALSE, and add it to its anchors"
        ),
        (TrustReason::Expired, _) => format!("renew the certificate: {detail}"),
        (TrustReason::NotYetValid, _) => {
            format!(
                "wait until it begins, or fix the clock: {detail}; now is {}",
                show_moment(question.at.as_secs())
            )
        }
        (TrustReason::CrlMissing | TrustReason::CrlBadSignature, _) => {
            format!("add the {detail} to the crls of {sets}")
        }
        (TrustReason::CrlStale, _) => format!(
            "fetch the current CRL for {sets}: {detail}; a longer grace bridges an outage of the CA"
        ),
        (TrustReason::Revoked, _) => format!("replace the certificate and its key: {detail}"),
        // The registry has a remedy for every reason.
        _ => decision.reason.remedy().to_owned(),
    }
}

/// Whether the chain is one self-issued certificate, `end`.
///
/// Such a certificate can be its own anchor once it is no CA's.
fn is_its_own(question: &TrustQuestion<'_>, end: &Certificate<'_>) -> bool {
    let leaf = question
        .chain
        .as_ref()
        .ok()
        .map(|chain| chain.leaf_certificate());
    leaf.is_some_and(|leaf| leaf.is_self_issued() && leaf.digest() == end.digest())
}

//! Sorts the certificates of a trust set into anchors and intermediates, and notes what is wrong with them.
//!
//! An anchor is a certificate that signed itself. What another CA issued is an intermediate and judged as one, with its
//! validity and its CRLs, unless the set has `partial_chain`: a file with the issuing CA beside its root must not turn
//! revocation of the issuing CA off.
use crate::reason::{TrustReason, TrustSetReason};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Fault, Topology, TrustSet};
use crate::trust::anchors::anchor::{anchor, unfit};
use crate::trust::anchors::{fault::fault, index::Anchors};
use crate::trust::budget::Budget;
use crate::trust::certificate::{parsed::Certificate, purposes::KeyPurposes};
use rustls_pki_types::UnixTime;
use std::collections::HashMap;

/// Sorts the certificates of a set, and notes what is wrong with them. A fault keeps the topology from being loaded; a note
/// only reaches the operator.
pub(crate) fn prepare(
    set: &TrustSet,
    topology: &Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) -> Anchors {
    let mut anchors = Anchors::default();
    // Read before anything is sorted: whether an intermediate has its issuer in the set can only be known
    // with all of them.
    let mut read = Vec::new();
    for (der, position) in set.anchors.iter().zip(1..) {
        match Certificate::parse(der) {
            Ok(certificate) => read.push((der, certificate)),
            // A file that names something else than certificates is a slip that no operator wants to pass.
            Err(error) => faults.push(fault(
                set,
                topology,
                TrustSetReason::AnchorMalformed,
                &format!("anchor {position} cannot be used: {error}"),
                "name a PEM file of X.509 CA certificates",
            )),
        }
    }
    let mut subjects: HashMap<NameKey, usize> = HashMap::new();
    for (_, certificate) in &read {
        *subjects.entry(certificate.subject().clone()).or_default() += 1;
    }
    for (der, mut certificate) in read {
        let mut note = |code, what: &str, remedy: &str| {
            notes.push(fault(set, topology, code, what, remedy));
        };
        // A CA that issued for its own name is not its own root: another certificate of that name must be
        // there.
        let own = usize::from(certificate.is_self_issued());
        let others = subjects.get(certificate.issuer()).copied().unwrap_or(0) - own;
        if !set.partial_chain && !is_self_signed(&certificate) {
            note_intermediate(&certificate, others == 0, at, &mut note);
            anchors.add_intermediate(certificate.subject(), der);
            continue;
        }
        let text = certificate.text();
        // An anchor has no period of validity in RFC 5280 §6.1.1 (d): it goes on vouching, and the operator
        // should know that its CA has ended.
        if is_over(&certificate, at) {
            let what = format!("the anchor {text} is past its notAfter; it goes on vouching");
            let remedy = "remove it, or replace it by the CA's current certificate";
            note(TrustSetReason::AnchorExpired, &what, remedy);
        }
        // Whoever named it wants it as it is; a period that runs backwards, as one that is over, does not matter then.
        // The rest of what makes it unfit stays: such an anchor can still be that of a server that signed
        // itself.
        let unfit = unfit(&certificate).filter(|unfit| unfit.reason != TrustReason::PathInvalid);
        if let Some(unfit) = &unfit {
            let what = format!("the anchor {text} cannot vouch for another certificate: {unfit}");
            let remedy = "name the certificate of the CA that issues; one that a server signed itself is taken for that server alone, and to hold a server to one certificate there is `pins` of its [[peer]]";
            note(TrustSetReason::AnchorUnfit, &what, remedy);
        }
        note_purposes(&certificate, &mut note);
        // Constraints of the anchor hold for all below it, as the operator takes the CA with its bounds (RFC
        // 5937).
        let constraints = certificate.extensions.constraints.take();
        anchors.add_anchor(anchor(&certificate, text, constraints, unfit));
    }
    // Without this fault every certificate would be refused for an unknown issuer, although its CA is in the
    // file.
    if anchors.anchors.is_empty() && !anchors.intermediates.is_empty() {
        let what = "it holds no self-signed root, so it vouches for nobody";
        let remedy = "add the root's certificate to the anchors, or set partial_chain = true to trust these by themselves";
        let code = TrustSetReason::AnchorMissing;
        faults.push(fault(set, topology, code, what, remedy));
    }
    anchors
}

/// Notes what is wrong with a certificate of the anchors that is no root. It is judged as one that a peer has sent, so that
/// what is wrong with it keeps everybody below it out. `unrooted`: nothing else of the set bears its issuer's name.
fn note_intermediate(
    certificate: &Certificate<'_>,
    unrooted: bool,
    at: UnixTime,
    note: &mut impl FnMut(TrustSetReason, &str, &str),
) {
    let text = certificate.text();
    // No path can go through it; the commonest slip is to name the issuing CA and to forget its root.
    if unrooted {
        let what = format!(
            "{text} is no root, and the CA that issued it is not in the set: it vouches for nobody"
        );
        let remedy = "add its root's certificate to the anchors, or set partial_chain = true to trust it by itself";
        note(TrustSetReason::AnchorUnrooted, &what, remedy);
    }
    if is_over(certificate, at) {
        let what =
            format!("{text} is no root, and past its notAfter: nothing below it is accepted");
        let remedy = "replace it by the CA's current certificate, or take it out";
        note(TrustSetReason::AnchorExpired, &what, remedy);
    }
    // As an intermediate it is judged like one that a peer sends, so that every fault of it is fatal below.
    if let Some(unfit) = unfit(certificate) {
        let what = format!("{text} is no root, and cannot vouch for another certificate: {unfit}");
        let remedy = "name the certificate of the CA that issues, or take it out; to hold a server to one certificate there is `pins` of its [[peer]]";
        note(TrustSetReason::AnchorUnfit, &what, remedy);
    }
    note_purposes(certificate, note);
}

/// Notes a CA whose extended key usage leaves nothing that a peer could be (RFC 5280 §4.2.1.12, taken for all below it).
fn note_purposes(certificate: &Certificate<'_>, note: &mut impl FnMut(TrustSetReason, &str, &str)) {
    // RFC 5280 §4.2.1.12 restricts the certificate itself; CAs and validators let it bind everything below.
    let useless = |purposes: &&KeyPurposes| !purposes.serve_anybody();
    if let Some(purposes) = certificate.extensions.purposes.as_ref().filter(useless) {
        let what = format!(
            "{} has the extended key usages {}, which no SIP server or client can have: nothing below it is accepted",
            certificate.text(),
            purposes.listed()
        );
        let remedy = "name a CA that may issue for TLS servers, or take it out";
        note(TrustSetReason::AnchorUnfit, &what, remedy);
    }
}

fn is_over(certificate: &Certificate<'_>, at: UnixTime) -> bool {
    let ends = certificate.read().validity().not_after.timestamp();
    u64::try_from(ends).unwrap_or(0) < at.as_secs()
}

/// Whether a certificate signed itself.
///
/// Names do not say so: a CA that changed its key issues for its own name under the other key (RFC 4210 §4.4). Where the
/// signature's algorithm is not accepted any more, as on many old roots, names and key identifiers decide.
fn is_self_signed(certificate: &Certificate<'_>) -> bool {
    if !certificate.is_self_issued() {
        return false;
    }
    let signed = certificate
        .signed
        // Only when a topology is loaded: no stranger chooses these certificates, so that a full budget each
        // is fine.
        .verify(certificate.key(), &Budget::full());
    match signed {
        Ok(()) => true,
        // Another key of the same name signed it: a CA's own cross-certificate.
        Err(refusal) if refusal.reason == TrustReason::BadSignature => false,
        Err(_) => certificate
            .extensions
            .authority_key
            .zip(certificate.extensions.subject_key)
            .is_none_or(|(authority, subject)| authority == subject),
    }
}

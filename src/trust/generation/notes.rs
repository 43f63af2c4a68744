//! What an operator should know of a trust set: what is wrong with its anchors and CRLs, and which CRLs were not taken.
use crate::reason::{TrustReason, TrustSetReason};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{CrlReason, Fault, HeldCrl, Revocation, RevocationScope, Topology, TrustSet};
use crate::trust::anchors::fault::fault;
use crate::trust::certificate::{parsed::Certificate, text::subject_text};
use crate::trust::revocation::crl_signature::is_signed_with;
use crate::trust::revocation::offers::{RefusedCrl, RejectedCrl};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the CRLs in force are worth at a time.
///
/// Notes and not faults: a CA that is late with its CRL must not keep the daemon from starting or reloading.
pub(super) fn worth(set: &TrustSet, topology: &Topology, at: UnixTime) -> Vec<Fault> {
    let stale = set
        .crls
        .iter()
        // By nextUpdate and without the grace: the operator should act before peers are refused.
        .filter(|crl| crl.next_update() <= at.as_secs());
    let stale = stale.map(|crl| {
        let what = format!("the CRL of {} is past its nextUpdate", crl.issuer());
        let remedy = "fetch the current CRL and reload";
        fault(set, topology, TrustReason::CrlStale, &what, remedy)
    });
    let mut notes: Vec<Fault> = stale.collect();
    // The commonest slip of a new set: revocation is on by default, and no CRL is named yet.
    if set.crls.is_empty() && set.revocation != Revocation::Off {
        let what = "revocation is required but there is no CRL: every certificate will be refused";
        let remedy = "name the CA's CRLs, or set revocation = \"off\"";
        let code = TrustSetReason::CrlAbsent;
        notes.push(fault(set, topology, code, what, remedy));
    }
    notes
}

/// What was not taken, as it is reported.
///
/// For events and for `check`: both name the set and its line, and what holds in the meantime.
pub(super) fn refused_crl(set: &TrustSet, refused: &RejectedCrl) -> RefusedCrl {
    RefusedCrl {
        trust: set.name.clone(),
        line: set.line,
        file: Arc::clone(&refused.crl.file),
        issuer: Some(refused.crl.issuer().to_owned()),
        refusal: refused.refusal,
        // An operator must know whether peers are refused because of it, or nothing has changed.
        detail: if refused.stays {
            "the one held stays in force".to_owned()
        } else {
            "none is in its place".to_owned()
        },
        digest: *refused.crl.digest(),
    }
}

/// A CRL that was not taken, as a note of its generation.
///
/// The same for the outcome of a load, which is a list of faults and notes.
pub(super) fn note_of(refused: &RefusedCrl, topology: &Topology) -> Fault {
    let refusal: CrlReason = refused.refusal;
    Fault {
        file: topology.path().to_owned(),
        line: Some(refused.line),
        code: refusal.into(),
        what: format!(
            "trust set {}: the CRL of {} in {} is not used: {}; {}",
            refused.trust,
            refused.issuer.as_deref().unwrap_or("nobody"),
            refused.file.display(),
            refusal.what(),
            refused.detail
        ),
        remedy: refusal.remedy().to_owned(),
    }
}

/// Notes the CAs of a set without a CRL, and the anchors that a CRL in force lists: the CA above it has revoked it, so that it
/// should not be trusted.
pub(super) fn note_authorities(set: &TrustSet, topology: &Topology, notes: &mut Vec<Fault>) {
    let parsed = set
        .anchors
        .iter()
        .filter_map(|der| Certificate::parse(der).ok());
    // Parsed again: this runs once for each load, and the sets keep only what path building needs.
    let parsed: Vec<Certificate<'_>> = parsed.collect();
    note_uncovered(set, topology, &parsed, notes);
    // Names are read once, not for each CA: a set can have hundreds of CAs, and a thousand CRLs.
    let mut by_issuer: HashMap<NameKey, Vec<&HeldCrl>> = HashMap::new();
    for crl in &set.crls {
        if let Some(name) = NameKey::of(crl.issuer_der()) {
            by_issuer.entry(name).or_default().push(crl);
        }
    }
    // Only a CRL that one of the set's own CAs has signed counts.
    for listed in &parsed {
        let issuers = parsed.iter().filter(|ca| ca.subject() == listed.issuer());
        // Any key of the issuer's name: a CA with a new key lists what the old one issued, too.
        let keys: Vec<&[u8]> = issuers.map(|ca| ca.key().info()).collect();
        let lists = |crl: &&HeldCrl| {
            crl.lists(listed.read().raw_serial())
                && keys
                    .iter()
                    .any(|key| is_signed_with(crl, &SubjectPublicKeyInfoDer::from(*key)))
        };
        // Noted and not refused: the operator named the anchor, and may know better than the CRL.
        if by_issuer
            .get(listed.issuer())
            .into_iter()
            .flatten()
            .any(lists)
        {
            let what = format!("{} is revoked by the CA that issued it", listed.text());
            let remedy = "take it out of the anchors, unless the CA confirms that its CRL is wrong";
            let code = TrustSetReason::AnchorRevoked;
            notes.push(fault(set, topology, code, &what, remedy));
        }
    }
}

/// Notes each CA of a set that has CRLs, but none of this one: a file of another CA is easily named.
fn note_uncovered(
    set: &TrustSet,
    topology: &Topology,
    authorities: &[Certificate<'_>],
    notes: &mut Vec<Fault>,
) {
    // What is fetched is not there yet, and a set without any CRL has a note of its own.
    if set.revocation == Revocation::Off || set.crl_fetch || set.crls.is_empty() {
        return;
    }
    let issuers = set.crls.iter().map(|crl| NameKey::of(crl.issuer_der()));
    let mut covered: HashSet<NameKey> = issuers.flatten().collect();
    // With the scope `leaf` a CA that issues CAs needs none.
    if set.scope == RevocationScope::Leaf {
        let below = authorities.iter().filter(|ca| !ca.is_self_issued());
        covered.extend(below.map(|ca| ca.issuer().clone()));
    }
    for ca in authorities {
        // Once for each name, whatever the number of its certificates.
        if covered.insert(ca.subject().clone()) {
            let what = format!(
                "no CRL of {}; its certificates are refused (crl_missing)",
                ca.text()
            );
            let (code, remedy) = (TrustSetReason::CrlAbsent, "name this CA's CRL in crls");
            notes.push(fault(set, topology, code, &what, remedy));
        }
    }
    note_own_chains(set, topology, (authorities, covered), notes);
}

/// Notes each CA of a local chain that leads to this set and that no CRL is of. The CAs between the anchors and a leaf come
/// with who shows them, so that nothing else in the file names them; and those above this node's own certificate are, in
/// nearly every site, those above its home servers' too.
fn note_own_chains(
    set: &TrustSet,
    topology: &Topology,
    (authorities, mut covered): (&[Certificate<'_>], HashSet<NameKey>),
    notes: &mut Vec<Fault>,
) {
    let roots = authorities
        .iter()
        .filter(|ca| set.partial_chain || ca.is_self_issued());
    let roots: HashSet<&NameKey> = roots.map(Certificate::subject).collect();
    for identity in topology.identities() {
        let chain = identity.server.chain.iter();
        let sent: Vec<_> = chain
            .filter_map(|der| Certificate::parse(der).ok())
            .collect();
        let way = way_up(&sent, authorities, &roots);
        // With the scope `leaf` the CAs themselves are not looked up.
        let judged = match set.scope {
            RevocationScope::Chain => way.len(),
            RevocationScope::Leaf => 1,
        };
        for certificate in way.into_iter().take(judged) {
            if covered.insert(certificate.issuer().clone()) {
                let issuer = subject_text(certificate.read().issuer());
                let what = format!(
                    "no CRL of {issuer}, which issued {} of the chain of identity \"{}\": whoever has the like is refused (crl_missing)",
                    certificate.text(),
                    identity.name
                );
                let remedy = "name this CA's CRL in crls; if it publishes none for its issuing CAs, set scope = \"leaf\"";
                let code = TrustSetReason::CrlAbsent;
                notes.push(fault(set, topology, code, &what, remedy));
            }
        }
    }
}

/// The certificates from the leaf up to one that an anchor issued, by their names; empty when they lead to no anchor.
fn way_up<'c, 'd>(
    sent: &'c [Certificate<'d>],
    authorities: &'c [Certificate<'d>],
    roots: &HashSet<&NameKey>,
) -> Vec<&'c Certificate<'d>> {
    let mut way: Vec<&Certificate<'d>> = sent.first().into_iter().collect();
    while let Some(last) = way.last() {
        if roots.contains(last.issuer()) {
            return way;
        }
        let issuers = sent.iter().chain(authorities);
        let mut issuers = issuers.filter(|ca| ca.subject() == last.issuer());
        let above = issuers.find(|ca| way.iter().all(|below| below.digest() != ca.digest()));
        let Some(above) = above else { break };
        way.push(above);
    }
    Vec::new()
}

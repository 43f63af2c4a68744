//! The OCSP responses that are stapled to local certificates: served only while they fit, are genuine, and have `good`.
use crate::topology::distinguished_name::same_name;
use crate::topology::{Fault, Identity, Topology};
use crate::trust::budget::Budget;
use crate::trust::revocation::ledger::Ledger;
use crate::trust::revocation::ocsp::{self, About};
use crate::trust::{StepRefusal, TrustReason};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Takes out of the topology the responses that are not good at `at`. One that is about another certificate, or none at all,
/// is a slip in the file and a fault; one that has gone stale must not keep the node from starting.
pub(super) fn keep_good(
    topology: &mut Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) {
    // By position, since judging reads the whole topology while one identity of it is changed.
    for position in 0..topology.identities.len() {
        let Some(identity) = topology.identities.get(position) else {
            break;
        };
        let response = identity.staple.as_ref().and_then(|s| s.response.as_ref());
        let weighed = response.map(|r| weigh(identity, r, topology, at));
        let Some(Err(refusal)) = weighed else {
            continue;
        };
        let fault = note(identity, &refusal, topology);
        if let TrustReason::OcspMalformed | TrustReason::OcspWrongCertificate = refusal.reason {
            faults.push(fault);
        } else {
            notes.push(fault);
        }
        if let Some(identity) = topology.identities.get_mut(position)
            && let Some(staple) = &mut identity.staple
        {
            staple.response = None;
        }
    }
}

/// Until when a response may be stapled to an identity's certificate, Unix seconds.
///
/// Checked as strictly as a peer would: a bad response makes clients refuse a certificate that is good
/// without it.
pub(super) fn weigh(
    identity: &Identity,
    response: &[u8],
    topology: &Topology,
    at: UnixTime,
) -> Result<u64, StepRefusal> {
    // Clients get staples with the server's certificate; the one for connecting out is never stapled.
    let leaf = identity.server.chain.first();
    let leaf = leaf.and_then(|der| X509Certificate::from_der(der).ok());
    let Some((_, certificate)) = leaf else {
        return Err(TrustReason::MalformedCertificate.into());
    };
    // The issuer is usually in the chain that is shown, and else among the anchors of the site's own CA.
    let above = identity.server.chain.get(1..).unwrap_or_default();
    let anchors = topology.trusts().iter().flat_map(|set| &set.anchors);
    let mut refusal = TrustReason::OcspBadSignature.because(
        "its issuer's certificate is neither in the local chain nor among the anchors".to_owned(),
    );
    // Two anchors may bear one name: the one whose key the response names is the issuer.
    for issuer in above.iter().chain(anchors) {
        let Some(key) = key_of(issuer, &certificate) else {
            continue;
        };
        let about = About {
            certificate: &certificate,
            issuer_key: &SubjectPublicKeyInfoDer::from(key.as_slice()),
            // No CRL about delegates here: the CA's own responder is the site's business, and clients check
            // it themselves.
            ledger: &Ledger::default(),
            // The file is the operator's, so that each candidate may cost as much as a whole judgement.
            budget: &Budget::full(),
        };
        match ocsp::check(response, &about, at) {
            Ok(until) => return Ok(until),
            // The reason of the last candidate: usually there is one.
            Err(other) => refusal = other,
        }
    }
    Err(refusal)
}

/// The key of a CA that bears the name of the certificate's issuer.
///
/// By name, as in a chain: the response itself shows which key it is about.
fn key_of(issuer: &CertificateDer<'_>, certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let (_, issuer) = X509Certificate::from_der(issuer).ok()?;
    let named = same_name(issuer.subject().as_raw(), certificate.issuer().as_raw());
    named.then(|| issuer.public_key().raw.to_vec())
}

/// That a response is not stapled, and why.
///
/// At the line of the identity's `staple`, where an operator can change it.
pub(super) fn note(identity: &Identity, refusal: &StepRefusal, topology: &Topology) -> Fault {
    let detail = refusal.detail.as_deref().unwrap_or("no further detail");
    Fault {
        file: topology.path().to_owned(),
        line: identity.staple.as_ref().map(|staple| staple.line),
        // The reason is that of a peer's staple; what is different is who can do something about it.
        code: refusal.reason.into(),
        what: format!(
            "identity \"{}\": its OCSP response is not stapled: {} ({detail})",
            identity.name,
            refusal.reason.what()
        ),
        remedy: "put the current response of the CA's responder in place (openssl ocsp -respout)"
            .to_owned(),
    }
}

//! The certificates of a trust set, sorted into anchors and intermediates, and indexed by name (RFC 5280 §6.1.1 (d)).
//!
//! An anchor is a certificate that signed itself. What another CA issued is an intermediate and judged as one, with its
//! validity and its CRLs, unless the set says `partial_chain`: a file with the issuing CA beside its root must not turn
//! revocation of the issuing CA off.
use super::budget::Budget;
use super::certificate::chain::Chain;
use super::certificate::constraints::Constraints;
use super::certificate::key::Key;
use super::certificate::parsed::Certificate;
use super::certificate::purposes::Purposes;
use super::revocation::is_signed_with;
use super::set_notes::fault;
use super::{Reason, Refusal};
use crate::topology::distinguished_name::NameKey;
use crate::topology::{Fault, HeldCrl, Topology, TrustSet};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use std::collections::HashMap;

/// The anchors of one trust set, and the intermediates that came with them.
#[derive(Default)]
pub(super) struct Anchors {
    anchors: Vec<Anchor>,
    by_name: HashMap<NameKey, Vec<usize>>,
    intermediates: Vec<CertificateDer<'static>>,
    /// The intermediates by their subjects.
    below: HashMap<NameKey, Vec<usize>>,
}

/// An anchor, with what its certificate says beside name and key: an operator who names a CA is taken to mean it with its
/// own bounds (RFC 5937 §3.2, as other validators hold it).
pub(super) struct Anchor {
    text: String,
    subject: NameKey,
    key: Key<'static>,
    digest: [u8; 32],
    key_id: Option<Vec<u8>>,
    constraints: Option<Constraints>,
    purposes: Option<Purposes>,
    path_length: Option<u32>,
    signs_crls: bool,
    /// Why it cannot be anybody's issuer.
    unfit: Option<Refusal>,
}

impl Anchor {
    /// The subject as text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
    /// The subject, for comparisons.
    pub(super) fn subject(&self) -> &NameKey {
        &self.subject
    }
    /// Its key.
    pub(super) fn key(&self) -> &Key<'static> {
        &self.key
    }
    /// subjectKeyIdentifier.
    pub(super) fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }
    /// The names that it permits and excludes.
    pub(super) fn constraints(&self) -> Option<&Constraints> {
        self.constraints.as_ref()
    }
    /// Its extended key usages, if it has the extension.
    pub(super) fn purposes(&self) -> Option<&Purposes> {
        self.purposes.as_ref()
    }
    /// How many intermediates may stand below it.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.path_length
    }
    /// Whether its keyUsage permits it to sign CRLs.
    pub(super) fn signs_crls(&self) -> bool {
        self.signs_crls
    }
    /// Why it may not have issued `certificate`; a certificate that is its own anchor needs no authority.
    pub(super) fn unfit_for(&self, certificate: &Certificate<'_>) -> Option<&Refusal> {
        let unfit = self.unfit.as_ref();
        unfit.filter(|_| self.digest != *certificate.digest())
    }
}

impl Anchors {
    /// Those of a name.
    pub(super) fn named(&self, name: &NameKey) -> impl Iterator<Item = &Anchor> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|at| self.anchors.get(*at))
    }

    /// The names that anchors and intermediates bear.
    pub(super) fn names(&self) -> impl Iterator<Item = &NameKey> {
        self.by_name.keys().chain(self.below.keys())
    }

    /// The intermediates of the set that may stand above the presented certificates, parsed.
    pub(super) fn intermediates_for<'s>(
        &'s self,
        chain: &Chain<'_>,
    ) -> Result<Vec<Certificate<'s>>, Refusal> {
        let mut found: Vec<Certificate<'s>> = Vec::new();
        if self.below.is_empty() {
            return Ok(found);
        }
        let mut taken = vec![false; self.intermediates.len()];
        let mut wanted: Vec<NameKey> = chain.certificates().map(|c| c.issuer().clone()).collect();
        while let Some(name) = wanted.pop() {
            for at in self.below.get(&name).into_iter().flatten() {
                let (Some(taken), Some(der)) = (taken.get_mut(*at), self.intermediates.get(*at))
                else {
                    continue;
                };
                if std::mem::replace(taken, true) {
                    continue;
                }
                chain.look()?;
                if let Ok(certificate) = Certificate::parse(der) {
                    wanted.push(certificate.issuer().clone());
                    found.push(certificate);
                }
            }
        }
        Ok(found)
    }

    fn add_anchor(&mut self, anchor: Anchor) {
        let places = self.by_name.entry(anchor.subject.clone()).or_default();
        places.push(self.anchors.len());
        self.anchors.push(anchor);
    }

    fn add_intermediate(&mut self, subject: &NameKey, der: &CertificateDer<'static>) {
        let places = self.below.entry(subject.clone()).or_default();
        places.push(self.intermediates.len());
        self.intermediates.push(der.clone());
    }
}

/// Sorts the certificates of a set, and tells what is wrong with them.
pub(super) fn prepare(
    set: &TrustSet,
    topology: &Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) -> Anchors {
    let mut anchors = Anchors::default();
    let mut read = Vec::new();
    for (der, position) in set.anchors.iter().zip(1..) {
        match Certificate::parse(der) {
            Ok(certificate) => read.push((der, certificate)),
            Err(error) => faults.push(fault(
                set,
                topology,
                "anchor_malformed",
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
        let mut told = |code, what: &str, remedy: &str| {
            notes.push(fault(set, topology, code, what, remedy));
        };
        let own = usize::from(certificate.is_self_issued());
        let others = subjects.get(certificate.issuer()).copied().unwrap_or(0) - own;
        if !set.partial_chain && !is_self_signed(&certificate) {
            note_intermediate(&certificate, others == 0, at, &mut told);
            anchors.add_intermediate(certificate.subject(), der);
            continue;
        }
        let text = certificate.text();
        if is_over(&certificate, at) {
            told(
                "anchor_expired",
                &format!("the anchor {text} is past its notAfter; it goes on vouching"),
                "remove it, or replace it by the CA's current certificate",
            );
        }
        // Whoever named it wants it as it is; a period that runs backwards, as one that is over, does not matter then.
        let unfit = unfit(&certificate).filter(|unfit| unfit.reason != Reason::PathInvalid);
        if let Some(unfit) = &unfit {
            told(
                "anchor_unfit",
                &format!("the anchor {text} cannot vouch for another certificate: {unfit}"),
                "name the certificate of the CA that issues; one that a server signed itself is taken for that server alone, and to hold a server to one certificate there is `pins` of its [[peer]]",
            );
        }
        note_purposes(&certificate, &mut told);
        let constraints = certificate.take_constraints();
        anchors.add_anchor(anchor(&certificate, text, constraints, unfit));
    }
    if anchors.anchors.is_empty() && !anchors.intermediates.is_empty() {
        faults.push(fault(
            set,
            topology,
            "anchor_missing",
            "none of its certificates is a root, one that signed itself, so that it vouches for nobody",
            "add the root's certificate to the anchors, or set partial_chain = true to trust these by themselves",
        ));
    }
    anchors
}

/// Notes the anchors that a CRL in force lists: whoever runs that CA says that it is not to be trusted.
pub(super) fn note_revoked(set: &TrustSet, topology: &Topology, notes: &mut Vec<Fault>) {
    let parsed = set
        .anchors
        .iter()
        .filter_map(|der| Certificate::parse(der).ok());
    let parsed: Vec<Certificate<'_>> = parsed.collect();
    for listed in &parsed {
        let issuers = parsed.iter().filter(|ca| ca.subject() == listed.issuer());
        let keys: Vec<&[u8]> = issuers.map(|ca| ca.key().info()).collect();
        let lists = |crl: &HeldCrl| {
            NameKey::of(crl.issuer_der()).as_ref() == Some(listed.issuer())
                && crl.lists(listed.read().raw_serial())
                && keys
                    .iter()
                    .any(|key| is_signed_with(crl, &SubjectPublicKeyInfoDer::from(*key)))
        };
        if set.crls.iter().any(lists) {
            notes.push(fault(
                set,
                topology,
                "anchor_revoked",
                &format!("{} is revoked by the CA that issued it", listed.text()),
                "take it out of the anchors, unless the CA says that its CRL is wrong",
            ));
        }
    }
}

/// Tells what is wrong with a certificate of the anchors that is no root. It is judged as one that a peer has sent, so that
/// what is wrong with it keeps everybody below it out. `unrooted`: nothing else of the set bears its issuer's name.
fn note_intermediate(
    certificate: &Certificate<'_>,
    unrooted: bool,
    at: UnixTime,
    told: &mut impl FnMut(&'static str, &str, &str),
) {
    let text = certificate.text();
    if unrooted {
        told(
            "anchor_unrooted",
            &format!(
                "{text} is no root, and the CA that issued it is not in the set: it vouches for nobody"
            ),
            "add its root's certificate to the anchors, or set partial_chain = true to trust it by itself",
        );
    }
    if is_over(certificate, at) {
        told(
            "anchor_expired",
            &format!("{text} is no root, and past its notAfter: nothing below it is accepted"),
            "replace it by the CA's current certificate, or take it out",
        );
    }
    if let Some(unfit) = unfit(certificate) {
        told(
            "anchor_unfit",
            &format!("{text} is no root, and cannot vouch for another certificate: {unfit}"),
            "name the certificate of the CA that issues, or take it out; to hold a server to one certificate there is `pins` of its [[peer]]",
        );
    }
    note_purposes(certificate, told);
}

/// Tells of a CA whose extended key usage leaves nothing that a peer could be (RFC 5280 §4.2.1.12, taken for all below it).
fn note_purposes(certificate: &Certificate<'_>, told: &mut impl FnMut(&'static str, &str, &str)) {
    let useless = |purposes: &&Purposes| !purposes.serve_anybody();
    if let Some(purposes) = certificate.purposes().filter(useless) {
        told(
            "anchor_unfit",
            &format!(
                "{} has the extended key usages {}, which no SIP server or client can have: nothing below it is accepted",
                certificate.text(),
                purposes.listed()
            ),
            "name a CA that may issue for TLS servers, or take it out",
        );
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
        .signed()
        .verify(certificate.key(), &Budget::full());
    match signed {
        Ok(()) => true,
        Err(refusal) if refusal.reason == Reason::BadSignature => false,
        Err(_) => certificate
            .authority_key_id()
            .zip(certificate.subject_key_id())
            .is_none_or(|(authority, subject)| authority == subject),
    }
}

/// Why a CA cannot have issued anything, by what its own certificate says.
fn unfit(certificate: &Certificate<'_>) -> Option<Refusal> {
    let refuse = |reason, what: &str| {
        let text = certificate.text();
        Some(Refusal::because(reason, format!("{text} {what}")))
    };
    if let Some(flaw) = certificate.flaw() {
        return Some(flaw.clone());
    }
    if certificate.key().is_weak() {
        return refuse(Reason::WeakKey, "has an RSA key of less than 2048 bits");
    }
    if certificate.is_v3() && !certificate.is_authority() {
        return refuse(Reason::AuthorityMisuse, "does not say that it is a CA's");
    }
    if !certificate.signs_certificates() {
        return refuse(Reason::KeyUsageUnsuitable, "lacks keyCertSign");
    }
    None
}

fn anchor(
    certificate: &Certificate<'_>,
    text: String,
    constraints: Option<Constraints>,
    unfit: Option<Refusal>,
) -> Anchor {
    let key = certificate.key().clone().into_owned();
    Anchor {
        text,
        subject: certificate.subject().clone(),
        digest: *certificate.digest(),
        key_id: certificate.subject_key_id().map(<[u8]>::to_vec),
        constraints,
        purposes: certificate.purposes().cloned(),
        path_length: certificate.path_length(),
        signs_crls: certificate.signs_crls(),
        unfit,
        key,
    }
}

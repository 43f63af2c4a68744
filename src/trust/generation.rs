//! A generation: one immutable loaded topology with its anchors and CRLs ready for path building.
use super::chain::subject_text;
use super::{Presented, Reason, decide};
use crate::topology::{Direction, Expectation, Fault, Peer, Topology, TrustRef, TrustSet};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use std::fmt;
use std::sync::Arc;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// One immutable loaded topology with what [`super::decide`] needs of it.
pub struct Generation {
    number: u64,
    topology: Topology,
    /// In the order of [`Topology::trusts`].
    sets: Vec<Arc<Prepared>>,
    by_name: Vec<TrustRef>,
    notes: Vec<Fault>,
}

struct Prepared {
    anchors: Anchors,
    crls: Vec<Crl>,
}

/// The anchors of one trust set.
pub(super) struct Anchors {
    anchors: Vec<TrustAnchor<'static>>,
    /// Their subjects as text, in the same order.
    subjects: Vec<String>,
}

impl Anchors {
    /// As webpki takes them.
    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The subject of one of them as text.
    pub(super) fn subject_of(&self, anchor: &TrustAnchor<'_>) -> Option<&str> {
        let position = self.anchors.iter().position(|a| {
            a.subject == anchor.subject
                && a.subject_public_key_info == anchor.subject_public_key_info
        })?;
        self.subjects.get(position).map(String::as_str)
    }
}

/// A CRL, parsed once.
pub(super) struct Crl {
    pub(super) list: CertRevocationList<'static>,
    /// The issuer as text.
    pub(super) issuer: String,
    issuer_der: Vec<u8>,
    /// Unix seconds.
    pub(super) this_update: u64,
    /// Unix seconds.
    pub(super) next_update: u64,
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Crl {
    fn parse(der: &CertificateRevocationListDer<'_>) -> Result<Self, String> {
        let list =
            OwnedCertRevocationList::from_der(der.as_ref()).map_err(|error| error.to_string())?;
        let (_, read) =
            CertificateRevocationList::from_der(der.as_ref()).map_err(|error| error.to_string())?;
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        Ok(Self {
            list: list.into(),
            issuer: subject_text(read.issuer()),
            issuer_der: read.issuer().as_raw().to_vec(),
            this_update: seconds(read.last_update().timestamp()),
            next_update: seconds(
                read.next_update()
                    .ok_or("it has no nextUpdate")?
                    .timestamp(),
            ),
            signed: read.tbs_cert_list.as_ref().to_vec(),
            algorithm: read.signature_algorithm.algorithm.as_bytes().to_vec(),
            signature: read.signature_value.data.to_vec(),
        })
    }

    /// Whether it carries the name of this certificate's issuer.
    pub(super) fn is_of(&self, certificate: &X509Certificate<'_>) -> bool {
        certificate.issuer().as_raw() == self.issuer_der
    }

    /// Whether it says that it is signed with this algorithm.
    pub(super) fn is_signed_by_algorithm(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
    ) -> bool {
        // An AlgorithmIdentifier's content begins with the tag and the length of the OID.
        let id = algorithm.signature_alg_id();
        id.as_ref()
            .get(2..)
            .is_some_and(|rest| rest.starts_with(&self.algorithm))
    }

    /// The octets under the signature.
    pub(super) fn signed_octets(&self) -> &[u8] {
        &self.signed
    }
}

impl Generation {
    /// Prepares anchors and CRLs, and runs the expectations at `at`.
    ///
    /// # Errors
    /// Every anchor or CRL that cannot be used (`anchor_malformed`, `crl_malformed`) and every expectation that
    /// fails (`expectation_failed`), each with file, line and what to do.
    pub fn build(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        let generation = Self::prepare(number, topology, at)?;
        let faults = generation.unmet_expectations(at);
        if faults.is_empty() {
            Ok(generation)
        } else {
            Err(faults)
        }
    }

    /// As [`Self::build`] without running the expectations: only for asking what would be decided.
    ///
    /// # Errors
    /// Every anchor or CRL that cannot be used.
    pub fn prepare(number: u64, topology: Topology, at: UnixTime) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        let sets = topology
            .trusts()
            .iter()
            .map(|set| Arc::new(prepare(set, &topology, at, &mut faults, &mut notes)))
            .collect();
        let mut by_name: Vec<TrustRef> = (0u16..)
            .map(TrustRef)
            .zip(topology.trusts())
            .map(|(reference, _)| reference)
            .collect();
        by_name.sort_by_key(|set| &topology.trust(*set).name);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            number,
            topology,
            sets,
            by_name,
            notes,
        })
    }

    fn unmet_expectations(&self, at: UnixTime) -> Vec<Fault> {
        let expectations = self.topology.expectations();
        expectations
            .iter()
            .filter_map(|e| self.unmet(e, at))
            .collect()
    }

    /// This generation with other peers, sharing its anchors and CRLs: only for asking what would be decided.
    pub(super) fn supposing(&self, peers: Vec<Peer>) -> Self {
        Self {
            number: self.number,
            topology: self.topology.supposing(peers),
            sets: self.sets.clone(),
            by_name: self.by_name.clone(),
            notes: Vec::new(),
        }
    }

    /// Counts up with each load, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What does not keep the generation from serving but wants the operator's eye: `crl_stale`,
    /// `crl_bad_signature`, `crl_absent`, `anchor_expired`, at the time of building.
    pub fn notes(&self) -> &[Fault] {
        &self.notes
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a reference is made by loading, and there is one entry for each trust set"
    )]
    fn set(&self, set: TrustRef) -> &Prepared {
        &self.sets[set.index()]
    }

    /// The anchors of a set.
    pub(super) fn anchors(&self, set: TrustRef) -> &Anchors {
        &self.set(set).anchors
    }

    /// The CRLs of a set.
    pub(super) fn crls(&self, set: TrustRef) -> &[Crl] {
        &self.set(set).crls
    }

    /// All sets in the order of their names.
    pub(super) fn trust_refs_by_name(&self) -> impl Iterator<Item = TrustRef> {
        self.by_name.iter().copied()
    }

    /// The fault that tells how an expectation is not met.
    fn unmet(&self, expectation: &Expectation, at: UnixTime) -> Option<Fault> {
        let presented = Presented {
            chain: &expectation.chain,
            expected: None,
        };
        let decision = match decide(&presented, expectation.direction, self, at) {
            Ok(peer) => Arc::clone(peer.decision()),
            Err(decision) => decision,
        };
        let accepted = decision.reason == Reason::Accepted;
        let wanted = expectation.reason.as_deref();
        if accepted == expectation.accept && wanted.is_none_or(|w| w == decision.reason.code()) {
            return None;
        }
        let way = match expectation.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        let verdict = if expectation.accept {
            "accept"
        } else {
            "refuse"
        };
        let detail = decision.detail.as_deref().unwrap_or("no further detail");
        Some(Fault {
            file: self.topology.path().to_owned(),
            line: Some(expectation.line),
            code: "expectation_failed",
            what: format!(
                "{} as {way} shall be: {verdict}{}; the decision is {} ({}; {detail})",
                expectation.certificate.display(),
                wanted.map_or_else(String::new, |w| format!(" {w}")),
                decision.reason,
                decision.reason.sentence(),
            ),
            remedy: "mend the topology, or the expectation if the new behaviour is wanted"
                .to_owned(),
        })
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

fn prepare(
    set: &TrustSet,
    topology: &Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) -> Prepared {
    let fault = |code, what: String, remedy: &str| Fault {
        file: topology.path().to_owned(),
        line: Some(set.line),
        code,
        what: format!("trust set {}: {what}", set.name),
        remedy: remedy.to_owned(),
    };
    let mut anchors = Anchors {
        anchors: Vec::new(),
        subjects: Vec::new(),
    };
    for (certificate, position) in set.anchors.iter().zip(1..) {
        match parse_anchor(certificate) {
            Ok((anchor, subject, ends)) => {
                if ends < at.as_secs() {
                    notes.push(fault(
                        "anchor_expired",
                        format!("the anchor {subject} is past its notAfter; it goes on vouching"),
                        "remove it, or replace it by the CA's current certificate",
                    ));
                }
                anchors.anchors.push(anchor);
                anchors.subjects.push(subject);
            }
            Err(error) => faults.push(fault(
                "anchor_malformed",
                format!("anchor {position} cannot be used: {error}"),
                "name a PEM file of X.509 CA certificates",
            )),
        }
    }
    let mut crls = Vec::new();
    for (der, position) in set.crls.iter().zip(1..) {
        match Crl::parse(der) {
            Ok(crl) => {
                if crl.next_update <= at.as_secs() {
                    notes.push(fault(
                        "crl_stale",
                        format!("the CRL of {} is past its nextUpdate", crl.issuer),
                        "fetch the current CRL and reload",
                    ));
                }
                if super::revocation::is_impostor(&crl, &anchors) {
                    notes.push(fault(
                        "crl_bad_signature",
                        format!("the CRL of {} is not signed by the anchor of that name", crl.issuer),
                        "fetch the CRL from the CA anew; another CA of the same name may have made this one",
                    ));
                }
                crls.push(crl);
            }
            Err(error) => faults.push(fault(
                "crl_malformed",
                format!("CRL {position} cannot be used: {error}"),
                "name a complete, direct v2 CRL with nextUpdate (no delta, indirect or partitioned CRL)",
            )),
        }
    }
    if crls.is_empty() && set.crls.is_empty() && set.revocation != crate::topology::Revocation::Off
    {
        notes.push(fault(
            "crl_absent",
            "revocation is required but there is no CRL: every certificate will be refused"
                .to_owned(),
            "name the CA's CRLs, or set revocation = \"off\"",
        ));
    }
    Prepared { anchors, crls }
}

/// The anchor with its subject and its notAfter in Unix seconds.
fn parse_anchor(
    certificate: &CertificateDer<'_>,
) -> Result<(TrustAnchor<'static>, String, u64), String> {
    let anchor = webpki::anchor_from_trusted_cert(certificate)
        .map_err(|error| error.to_string())?
        .to_owned();
    let (_, read) =
        X509Certificate::from_der(certificate.as_ref()).map_err(|error| error.to_string())?;
    let ends = u64::try_from(read.validity().not_after.timestamp()).unwrap_or(0);
    Ok((anchor, subject_text(read.subject()), ends))
}

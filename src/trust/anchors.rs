//! The anchors of a trust set, read from its certificates for path building and for CRLs.
use super::chain::subject_text;
use super::revocation::signs_crls;
use super::set_notes::fault;
use crate::topology::{Fault, Topology, TrustSet};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// The anchors of one trust set.
pub(super) struct Anchors {
    anchors: Vec<TrustAnchor<'static>>,
    /// Their subjects as text, in the same order.
    subjects: Vec<String>,
    /// Whether the keyUsage of each permits it to sign CRLs.
    signs_crls: Vec<bool>,
}

impl Anchors {
    /// As webpki takes them.
    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The subject of one of them as text.
    pub(super) fn subject_of(&self, anchor: &TrustAnchor<'_>) -> Option<&str> {
        self.subjects
            .get(self.position(anchor)?)
            .map(String::as_str)
    }

    /// Whether one of them may sign CRLs.
    pub(super) fn signs_crls(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.position(anchor)
            .and_then(|position| self.signs_crls.get(position))
            .is_some_and(|signs| *signs)
    }

    fn position(&self, anchor: &TrustAnchor<'_>) -> Option<usize> {
        self.anchors.iter().position(|a| {
            a.subject == anchor.subject
                && a.subject_public_key_info == anchor.subject_public_key_info
        })
    }
}

/// Reads the anchors of a set.
pub(super) fn prepare(
    set: &TrustSet,
    topology: &Topology,
    at: UnixTime,
    faults: &mut Vec<Fault>,
    notes: &mut Vec<Fault>,
) -> Anchors {
    let mut anchors = Anchors {
        anchors: Vec::new(),
        subjects: Vec::new(),
        signs_crls: Vec::new(),
    };
    for (certificate, position) in set.anchors.iter().zip(1..) {
        match parse_anchor(certificate) {
            Ok(read) => {
                if read.ends < at.as_secs() {
                    let subject = &read.subject;
                    notes.push(fault(
                        set,
                        topology,
                        "anchor_expired",
                        &format!("the anchor {subject} is past its notAfter; it goes on vouching"),
                        "remove it, or replace it by the CA's current certificate",
                    ));
                }
                anchors.anchors.push(read.anchor);
                anchors.subjects.push(read.subject);
                anchors.signs_crls.push(read.signs_crls);
            }
            Err(error) => faults.push(fault(
                set,
                topology,
                "anchor_malformed",
                &format!("anchor {position} cannot be used: {error}"),
                "name a PEM file of X.509 CA certificates",
            )),
        }
    }
    anchors
}

/// An anchor with what its certificate says beside the key.
struct ReadAnchor {
    anchor: TrustAnchor<'static>,
    subject: String,
    /// notAfter, Unix seconds.
    ends: u64,
    signs_crls: bool,
}

fn parse_anchor(certificate: &CertificateDer<'_>) -> Result<ReadAnchor, String> {
    let anchor = webpki::anchor_from_trusted_cert(certificate)
        .map_err(|error| error.to_string())?
        .to_owned();
    let (_, read) =
        X509Certificate::from_der(certificate.as_ref()).map_err(|error| error.to_string())?;
    Ok(ReadAnchor {
        anchor,
        subject: subject_text(read.subject()),
        ends: u64::try_from(read.validity().not_after.timestamp()).unwrap_or(0),
        signs_crls: signs_crls(&read),
    })
}

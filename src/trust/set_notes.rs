//! What an operator is told of a trust set: what is wrong with its anchors and CRLs, and which CRLs were not taken.
use super::admission::{Refused, RefusedCrl};
use crate::topology::{CrlRefusal, Fault, Revocation, Topology, TrustSet};
use rustls_pki_types::UnixTime;
use std::sync::Arc;

/// A fault or note at the line of a trust set.
pub(super) fn fault(
    set: &TrustSet,
    topology: &Topology,
    code: &'static str,
    what: &str,
    remedy: &str,
) -> Fault {
    Fault {
        file: topology.path().to_owned(),
        line: Some(set.line),
        code,
        what: format!("trust set {}: {what}", set.name),
        remedy: remedy.to_owned(),
    }
}

/// What the CRLs in force are worth at a time.
pub(super) fn worth(set: &TrustSet, topology: &Topology, at: UnixTime) -> Vec<Fault> {
    let stale = set
        .crls
        .iter()
        .filter(|crl| crl.next_update() <= at.as_secs());
    let mut notes: Vec<Fault> = stale
        .map(|crl| {
            fault(
                set,
                topology,
                "crl_stale",
                &format!("the CRL of {} is past its nextUpdate", crl.issuer()),
                "fetch the current CRL and reload",
            )
        })
        .collect();
    if set.crls.is_empty() && set.revocation != Revocation::Off {
        notes.push(fault(
            set,
            topology,
            "crl_absent",
            "revocation is required but there is no CRL: every certificate will be refused",
            "name the CA's CRLs, or set revocation = \"off\"",
        ));
    }
    notes
}

/// What was not taken, as it is told.
pub(super) fn told(set: &TrustSet, refused: &Refused) -> RefusedCrl {
    RefusedCrl {
        trust: set.name.clone(),
        line: set.line,
        file: Arc::clone(&refused.crl.file),
        issuer: Some(refused.crl.issuer().to_owned()),
        refusal: refused.refusal,
        detail: if refused.stays {
            "the one held stays in force".to_owned()
        } else {
            "none is in its place".to_owned()
        },
        digest: *refused.crl.digest(),
    }
}

/// A CRL that was not taken, as a note of its generation.
pub(super) fn note_of(refused: &RefusedCrl, topology: &Topology) -> Fault {
    let refusal: CrlRefusal = refused.refusal;
    Fault {
        file: topology.path().to_owned(),
        line: Some(refused.line),
        code: refusal.code(),
        what: format!(
            "trust set {}: the CRL of {} in {} is not used: {}; {}",
            refused.trust,
            refused.issuer.as_deref().unwrap_or("nobody"),
            refused.file.display(),
            refusal.sentence(),
            refused.detail
        ),
        remedy: refusal.remedy().to_owned(),
    }
}

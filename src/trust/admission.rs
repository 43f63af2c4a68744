//! Which CRLs come into force, and which of those held stay when a worse one is offered (RFC 5280 §5.1.2.4, §5.2.3, §6.3.3).
use super::Reason;
use super::anchors::Anchors;
use super::revocation::is_signed_with;
use crate::topology::{Crl, CrlRefusal, HeldCrl};
use rustls_pki_types::{SubjectPublicKeyInfoDer, UnixTime};
use std::path::Path;
use std::sync::Arc;

/// How far a CA's clock may be ahead of ours: five minutes, as Kerberos allows between two machines.
const SKEW: u64 = 300;

/// A CRL that is not used, with nothing held in its place; it explains refusals.
#[derive(Clone)]
pub(super) struct Unfit {
    pub(super) crl: HeldCrl,
    pub(super) refusal: CrlRefusal,
}

impl Unfit {
    /// What a certificate is refused for when only this CRL would cover it.
    pub(super) fn reason(&self) -> Reason {
        Reason::from_code(self.refusal.code()).unwrap_or(Reason::CrlMissing)
    }
}

/// A CRL, or a file of them, that was offered and not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedCrl {
    /// The trust set.
    pub trust: String,
    /// Its line in the topology file.
    pub line: u32,
    /// The file.
    pub file: Arc<Path>,
    /// The issuer, if the file could be parsed.
    pub issuer: Option<String>,
    /// Why.
    pub refusal: CrlRefusal,
    /// What the system or the parser said, or what stays in force.
    pub detail: String,
    /// SHA-256 of the CRL or the file.
    pub digest: [u8; 32],
}

/// What comes of the CRLs offered to one trust set.
#[derive(Default)]
pub(super) struct Admitted {
    /// In force from now on: those taken, and those held that stay.
    pub(super) in_force: Vec<HeldCrl>,
    /// Not taken, with nothing in their place.
    pub(super) unfit: Vec<Unfit>,
    /// Each one that was not taken; whether one held stays in its place.
    pub(super) refused: Vec<(HeldCrl, CrlRefusal, bool)>,
}

/// Holds the offered CRLs against those in force.
///
/// One that is known to be worse is refused, and what it would have replaced stays. One whose signer is not known yet
/// (a subordinate CA's, before any of its certificates was seen) comes beside the one held: the decision then hears
/// the one that the issuer's key signed.
pub(super) fn admit(
    offered: Vec<HeldCrl>,
    held: &[HeldCrl],
    anchors: &Anchors,
    at: UnixTime,
) -> Admitted {
    let mut admitted = Admitted::default();
    let mut doubtful: Vec<HeldCrl> = Vec::new();
    let mut refused = Vec::new();
    for crl in offered {
        let known = held.iter().any(|other| other.list == crl.list);
        let rivals = || held.iter().filter(|other| other.is_of_series(&crl));
        let refusal = if known {
            None
        } else {
            fault(&crl, anchors, at).or_else(|| rivals().find_map(|rival| worse(&crl, rival)))
        };
        if refusal.is_some() || !known && crl.proven_by().is_none() {
            doubtful.push(crl.clone());
        }
        match refusal {
            Some(refusal) => refused.push((crl, refusal)),
            None => take(&mut admitted.in_force, crl),
        }
    }
    let staying = staying(held, &admitted.in_force, &doubtful);
    for (crl, refusal) in refused {
        let stays = staying.iter().any(|other| is_in_place_of(other, &crl));
        if !stays {
            let crl = crl.clone();
            admitted.unfit.push(Unfit { crl, refusal });
        }
        admitted.refused.push((crl, refusal, stays));
    }
    for crl in staying {
        take(&mut admitted.in_force, crl);
    }
    admitted
}

/// Those held that no better one takes the place of: of each series the newest.
fn staying(held: &[HeldCrl], in_force: &[HeldCrl], doubtful: &[HeldCrl]) -> Vec<HeldCrl> {
    let mut newest_first: Vec<&HeldCrl> = held.iter().collect();
    newest_first.sort_by_key(|crl| std::cmp::Reverse(crl.this_update()));
    let mut staying: Vec<HeldCrl> = Vec::new();
    for crl in newest_first {
        let replaced = in_force
            .iter()
            .any(|other| other.is_of_series(crl) && other.proven_by().is_some());
        let questioned = doubtful.iter().any(|other| is_in_place_of(crl, other));
        if questioned && !replaced && !staying.iter().any(|other| other.is_of_series(crl)) {
            staying.push(crl.clone());
        }
    }
    staying
}

/// Whether the one would go if the other came: it is in the same file, or of the same issuer and scope.
fn is_in_place_of(held: &HeldCrl, offered: &HeldCrl) -> bool {
    held.file == offered.file
        || held.issuer_der() == offered.issuer_der() && held.scope() == offered.scope()
}

/// Adds one unless it is there.
pub(super) fn take(in_force: &mut Vec<HeldCrl>, crl: HeldCrl) {
    if !in_force.iter().any(|other| other.list == crl.list) {
        in_force.push(crl);
    }
}

/// What is wrong with it by itself.
fn fault(crl: &Crl, anchors: &Anchors, at: UnixTime) -> Option<CrlRefusal> {
    if crl.this_update() > at.as_secs().saturating_add(SKEW) {
        return Some(CrlRefusal::Future);
    }
    let of_that_name: Vec<_> = anchors
        .as_slice()
        .iter()
        .filter(|anchor| anchor.subject.as_ref() == name_content(crl.issuer_der()))
        .collect();
    if of_that_name.is_empty() {
        return None;
    }
    let mut signers = of_that_name
        .iter()
        .filter(|anchor| is_signed_with(crl, &webpki::spki_for_anchor(anchor)))
        .peekable();
    if signers.peek().is_none() {
        return Some(CrlRefusal::BadSignature);
    }
    (!signers.any(|anchor| anchors.signs_crls(anchor))).then_some(CrlRefusal::SignerUnfit)
}

/// What is wrong with it beside one of the same series that is in force and known to be genuine.
fn worse(crl: &Crl, held: &Crl) -> Option<CrlRefusal> {
    let key = held.proven_by()?;
    if !is_signed_with(crl, &SubjectPublicKeyInfoDer::from(key)) {
        return Some(CrlRefusal::BadSignature);
    }
    crl.is_older_than(held).then_some(CrlRefusal::Older)
}

/// webpki keeps an anchor's name without its outer tag and length.
fn name_content(name: &[u8]) -> &[u8] {
    crate::topology::der::Der::new(name)
        .next()
        .map_or(&[], |element| element.content())
}

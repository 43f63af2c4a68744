//! An OCSP response in its parts, read from bytes (RFC 6960 §4.2.1); nothing in it is trusted yet.
use crate::topology::der::{self, Der, Element, context, context_value};
use crate::trust::certificate::signature::SignedPart;

/// Responses and delegates in one that are looked at.
///
/// Servers staple one response about their own certificate; more would only cost time.
const MOST: usize = 8;

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

/// The choices of CertStatus (RFC 6960 §4.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertStatus {
    Good,
    Revoked,
    Unknown,
}

/// What one SingleResponse states; times in Unix seconds.
pub(crate) struct SingleResponse {
    pub(crate) status: CertStatus,
    pub(crate) this_update: u64,
    pub(crate) next_update: Option<u64>,
}

/// A BasicOCSPResponse in its parts.
pub(crate) struct BasicResponse<'a> {
    pub(crate) signed: SignedPart<'a>,
    /// The certificates that came with it, as DER.
    // Not parsed yet: if the issuer itself signed, nobody needs them.
    pub(crate) delegates: Vec<&'a [u8]>,
}

/// An element that fills the bytes: what follows it would be under no signature.
pub(crate) fn only<'a>(bytes: &'a [u8], tag: u8) -> Option<Element<'a>> {
    let mut walk = Der::new(bytes);
    let element = walk.expect(tag)?;
    walk.is_empty().then_some(element)
}

pub(crate) fn read(response: &[u8]) -> Option<BasicResponse<'_>> {
    let mut fields = only(response, der::SEQUENCE)?.inside();
    // responseStatus successful; another brings no bytes.
    if fields.expect(der::ENUMERATED)?.content() != [0] {
        return None;
    }
    // ResponseBytes: an object identifier, and the response inside an OCTET STRING (RFC 6960 §4.2.1).
    let wrapped = fields.expect(context(0))?.inside().expect(der::SEQUENCE)?;
    let mut wrapped = wrapped.inside();
    if wrapped.expect(der::OID)?.content() != BASIC {
        return None;
    }
    let basic = only(wrapped.expect(der::OCTET_STRING)?.content(), der::SEQUENCE)?;
    let (signed, mut rest) = SignedPart::read(&basic)?;
    let mut delegates = Vec::new();
    if let Some(certificates) = rest.optional(context(0)) {
        let mut list = certificates.inside().expect(der::SEQUENCE)?.inside();
        while !list.is_empty() && delegates.len() < MOST {
            delegates.push(list.expect(der::SEQUENCE)?.whole());
        }
    }
    Some(BasicResponse { signed, delegates })
}

impl BasicResponse<'_> {
    /// The SingleResponse about the certificate; the outer `None` when it is not well formed.
    pub(crate) fn single(
        &self,
        is_about: impl Fn(&Element<'_>) -> Option<bool>,
    ) -> Option<Option<SingleResponse>> {
        let mut data = self.signed.part.inside();
        // The version, which is absent for v1. Then the responder's id, by which nobody is trusted: keys
        // decide.
        data.optional(context(0));
        let responder = data.next()?;
        if responder.tag != context(1) && responder.tag != context(2) {
            return None;
        }
        data.expect(der::GENERALIZED_TIME)?;
        let mut responses = data.expect(der::SEQUENCE)?.inside();
        // A critical extension that is not understood could change the meaning of the response (RFC 6960
        // §4.4).
        known_extensions(&mut data, 1)?;
        let mut found = None;
        let mut seen = 0;
        while !responses.is_empty() && seen < MOST {
            seen += 1;
            let mut fields = responses.expect(der::SEQUENCE)?.inside();
            let id = fields.expect(der::SEQUENCE)?;
            let status = fields.next()?;
            let status = match status.tag {
                tag if tag == context_value(0) => CertStatus::Good,
                tag if tag == context(1) => CertStatus::Revoked,
                tag if tag == context_value(2) => CertStatus::Unknown,
                _ => return None,
            };
            let this_update = fields.expect(der::GENERALIZED_TIME)?.seconds()?;
            let next_update = match fields.optional(context(0)) {
                Some(time) => Some(time.inside().next()?.seconds()?),
                None => None,
            };
            known_extensions(&mut fields, 1)?;
            if is_about(&id)? {
                // The first of several about one certificate: a responder that contradicts itself is not
                // asked further.
                found.get_or_insert(SingleResponse {
                    status,
                    this_update,
                    next_update,
                });
            }
        }
        Some(found)
    }
}

/// Reads optional extensions of which none may be critical.
///
/// Nonces and the like are not critical and are skipped: a stapled response answers no request of this node.
fn known_extensions(fields: &mut Der<'_>, number: u8) -> Option<()> {
    if let Some(list) = fields.optional(context(number)) {
        let list = list.inside().expect(der::SEQUENCE)?;
        if der::extensions(&list)?.iter().any(|e| e.critical) {
            return None;
        }
    }
    fields.is_empty().then_some(())
}

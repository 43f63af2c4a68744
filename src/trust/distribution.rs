//! Distribution points: which CRL covers which certificate (RFC 5280 §4.2.1.13, §5.2.5 and §6.3.3 (b)).
use crate::topology::der::{Der, SEQUENCE, context, context_value};
use crate::topology::{Crl, general_names};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::asn1_rs::{Oid, oid};

/// id-ce-cRLDistributionPoints.
const DISTRIBUTION_POINTS: Oid<'static> = oid!(2.5.29.31);

/// uniformResourceIdentifier of a GeneralName.
const URI: u8 = context_value(6);
const HTTP: &str = "http://";
/// Octets of a URI that is looked at.
const LONGEST_URI: usize = 1024;

/// Points of one certificate that are looked at.
const MOST_POINTS: usize = 32;

/// Whether the scope of a CRL of the certificate's issuer includes the certificate.
///
/// A CRL without issuingDistributionPoint covers all that its issuer issued. One that is named after a distribution
/// point covers only certificates that name that point: of a certificate without points nothing says that it belongs
/// to a partition.
pub(super) fn covers(crl: &Crl, certificate: &X509Certificate<'_>) -> bool {
    let scope = crl.scope();
    let authority = certificate.is_ca();
    if scope.users_only && authority || scope.authorities_only && !authority {
        return false;
    }
    scope.names.is_empty()
        || points(certificate)
            .iter()
            .flatten()
            .any(|name| scope.names.contains(name))
}

/// The http:// URIs of a certificate's distribution points: plain, for a CRL is signed, and short.
pub(super) fn http_uris(certificate: &X509Certificate<'_>) -> Vec<String> {
    let uri = |name: &Vec<u8>| {
        let uri = Der::new(name).expect(URI)?;
        let text = std::str::from_utf8(uri.content()).ok()?;
        let plain = text
            .get(..HTTP.len())
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(HTTP));
        let clean = text.len() <= LONGEST_URI && text.bytes().all(|b| b.is_ascii_graphic());
        (plain && clean).then(|| text.to_owned())
    };
    points(certificate)
        .iter()
        .flatten()
        .filter_map(uri)
        .collect()
}

/// The full names, as DER, of each distribution point of a certificate that is neither for some reasons only nor for
/// the CRL of another issuer. What cannot be parsed has none.
fn points(certificate: &X509Certificate<'_>) -> Vec<Vec<Vec<u8>>> {
    let Ok(Some(extension)) = certificate.get_extension_unique(&DISTRIBUTION_POINTS) else {
        return Vec::new();
    };
    let Some(list) = Der::new(extension.value).expect(SEQUENCE) else {
        return Vec::new();
    };
    let mut points = Vec::new();
    let mut list = list.inside();
    while let Some(point) = list.next() {
        let mut fields = point.inside();
        let names = fields
            .optional(context(0))
            .and_then(|name| name.inside().expect(context(0)))
            .and_then(|names| general_names(&names));
        if let Some(names) = names
            && fields.is_empty()
            && points.len() < MOST_POINTS
        {
            points.push(names);
        }
    }
    points
}

//! Distribution points: which CRL covers which certificate (RFC 5280 §4.2.1.13, §5.2.5 and §6.3.3 (b)).
use crate::topology::der::{Der, SEQUENCE, context, context_value};
use crate::topology::{CrlScope, general_names};
use crate::trust::StepRefusal;
use crate::trust::budget::{Budget, comparing, searching};
use std::cell::OnceCell;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::asn1_rs::{Oid, oid};

/// id-ce-cRLDistributionPoints.
const DISTRIBUTION_POINTS: Oid<'static> = oid!(2.5.29.31);

/// uniformResourceIdentifier of a GeneralName.
const URI: u8 = context_value(6);
const HTTP: &str = "http://";
/// Bytes of a URI that is looked at.
const LONGEST_URI: usize = 1024;

/// Points of one certificate that are looked at.
///
/// Real certificates have one or two.
const MOST_POINTS: usize = 32;

/// Which CRLs of its issuer a certificate is covered by; its points are read once, when a CRL asks for them.
pub(crate) struct CrlCoverage<'c> {
    certificate: &'c X509Certificate<'c>,
    /// The names of its points, in order and each once.
    // Most CRLs have no distribution point, and then the certificate's are never read.
    points: OnceCell<Vec<Vec<u8>>>,
}

impl<'c> CrlCoverage<'c> {
    pub(crate) fn of(certificate: &'c X509Certificate<'c>) -> Self {
        Self {
            certificate,
            points: OnceCell::new(),
        }
    }

    /// Whether the scope of a CRL of the certificate's issuer includes the certificate.
    ///
    /// A CRL without issuingDistributionPoint covers all that its issuer issued. One that is named after a distribution
    /// point covers only certificates that name that point: nothing shows that a certificate without points belongs
    /// to a partition.
    pub(crate) fn is_covered_by(&self, scope: &CrlScope) -> bool {
        let authority = self.certificate.is_ca();
        // onlyContainsUserCerts and onlyContainsCACerts (RFC 5280 §5.2.5).
        if scope.users_only && authority || scope.authorities_only && !authority {
            return false;
        }
        if scope.names().is_empty() {
            return true;
        }
        // The fewer are looked for among the more: both are in order.
        let points = self.points();
        if points.len() <= scope.names().len() {
            return points.iter().any(|name| scope.is_named(name));
        }
        let mut names = scope.names().iter();
        names.any(|name| points.binary_search(name).is_ok())
    }

    /// Pays for holding the certificate against these scopes, before it is done.
    ///
    /// # Errors
    /// That the budget is used up.
    pub(crate) fn pay<'s>(
        &self,
        scopes: impl Iterator<Item = &'s CrlScope>,
        budget: &Budget,
    ) -> Result<(), StepRefusal> {
        let mut comparisons = 0;
        for scope in scopes {
            let names = scope.names().len();
            comparisons += 1;
            if names > 0 {
                if self.points.get().is_none() {
                    // They are put in order once.
                    let points = self.points().len();
                    comparisons += points * searching(points);
                }
                let points = self.points().len();
                comparisons += names.min(points) * searching(names.max(points));
            }
        }
        budget.spend(comparing(comparisons))
    }

    fn points(&self) -> &[Vec<u8>] {
        self.points.get_or_init(|| {
            let mut names: Vec<Vec<u8>> = points(self.certificate).into_iter().flatten().collect();
            names.sort_unstable();
            names.dedup();
            names
        })
    }
}

/// The http:// URIs of a certificate's distribution points: plain, for a CRL is signed, and short.
pub(crate) fn http_uris(certificate: &X509Certificate<'_>) -> Vec<String> {
    let uri = |name: &Vec<u8>| {
        let uri = Der::new(name).expect(URI)?.content();
        // https would need a CA to fetch what a CA needs; ldap is not spoken here. RFC 5280 §8 warns of both.
        let plain = uri
            .get(..HTTP.len())
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(HTTP.as_bytes()));
        (plain && uri.len() <= LONGEST_URI).then(|| encoded(uri))
    };
    points(certificate)
        .iter()
        .flatten()
        .filter_map(uri)
        .collect()
}

/// The first URI of a certificate whose distribution points name none that is asked.
///
/// An operator should know why nothing is fetched for such a certificate.
pub(crate) fn unasked_uri(certificate: &X509Certificate<'_>) -> Option<String> {
    if !http_uris(certificate).is_empty() {
        return None;
    }
    let uri = |name: &Vec<u8>| {
        let uri = Der::new(name).expect(URI)?.content();
        Some(encoded(uri.get(..LONGEST_URI).unwrap_or(uri)))
    };
    points(certificate).iter().flatten().find_map(uri)
}

/// A URI as a web server wants it: AD CS writes the CA's name, spaces included, into the path. What RFC 3986 §2 does not
/// allow in a URI is percent-encoded; what is encoded already stays.
fn encoded(uri: &[u8]) -> String {
    let mut text = String::with_capacity(uri.len());
    for byte in uri {
        let odd = matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        if byte.is_ascii_graphic() && !odd {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
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
    while points.len() < MOST_POINTS
        && let Some(point) = list.next()
    {
        let mut fields = point.inside();
        let names = fields
            .optional(context(0))
            // fullName only: a name relative to the CRL issuer is deprecated and nearly nobody writes it (RFC
            // 5280 §4.2.1.13).
            .and_then(|name| name.inside().expect(context(0)))
            .and_then(|names| general_names(&names));
        if let Some(names) = names
            // reasons and cRLIssuer would follow: a CRL for some reasons only does not clear a certificate.
            && fields.is_empty()
        {
            points.push(names);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_may_not_hold_is_percent_encoded() {
        for (written, asked) in [
            (
                "http://pki/Contoso Issuing CA.crl",
                "http://pki/Contoso%20Issuing%20CA.crl",
            ),
            (
                "http://pki/a%20b+c(1).crl?x=1",
                "http://pki/a%20b+c(1).crl?x=1",
            ),
            ("http://pki/M\u{fc}ller.crl", "http://pki/M%C3%BCller.crl"),
            ("http://pki/a\r\nHost: b", "http://pki/a%0D%0AHost:%20b"),
            (
                "http://pki/{1}|\"<x>\\^`",
                "http://pki/%7B1%7D%7C%22%3Cx%3E%5C%5E%60",
            ),
        ] {
            assert_eq!(encoded(written.as_bytes()), asked);
        }
        assert_eq!(encoded(b"http://pki/\xfc"), "http://pki/%FC");
    }
}

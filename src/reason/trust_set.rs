//! What is wrong with the anchors and CRLs of a trust set.

/// How to see what an anchor is.
const ANCHOR: &str =
    "openssl x509 -in ANCHORS -noout -text; sipward check FILE names the certificate";

reasons! {
    /// What is wrong with the anchors and CRLs of a trust set.
    pub enum TrustSetReason of TrustSet {
        AnchorMalformed "anchor_malformed" {
            what: "an anchor is not an X.509 certificate that can be read",
            check: ANCHOR,
            remedy: "name a PEM file of X.509 CA certificates",
        }
        AnchorMissing "anchor_missing" {
            what: "none of the set's certificates is a root, so the set vouches for nobody",
            check: ANCHOR,
            remedy: "add the root's certificate to the anchors, or set partial_chain = true to trust these by themselves",
            rfc: "RFC 5280 §6.1",
        }
        AnchorUnrooted "anchor_unrooted" {
            what: "a certificate of the anchors is not a root, and the CA that issued it is not in the set: it vouches for nobody",
            check: ANCHOR,
            remedy: "add its root's certificate to the anchors, or set partial_chain = true to trust it by itself",
            rfc: "RFC 5280 §6.1",
        }
        AnchorExpired "anchor_expired" {
            what: "a certificate of the anchors is past its notAfter",
            check: "openssl x509 -in ANCHORS -noout -enddate; timedatectl for the clock",
            remedy: "replace it by the CA's current certificate, or remove it",
            rfc: "RFC 5280 §4.1.2.5",
        }
        AnchorUnfit "anchor_unfit" {
            what: "a certificate of the anchors cannot vouch for another certificate",
            check: ANCHOR,
            remedy: "name the certificate of the CA that issues for TLS servers; to hold a server to one certificate there is `pins` of its [[peer]]",
            rfc: "RFC 5280 §6.1.4",
        }
        AnchorRevoked "anchor_revoked" {
            what: "a certificate of the anchors is revoked by the CA that issued it",
            check: "openssl crl -in CRL -noout -text lists its serial number",
            remedy: "remove it from the anchors, unless the CA says that its CRL is wrong",
            rfc: "RFC 5280 §6.3",
        }
        CrlAbsent "crl_absent" {
            what: "revocation is required for a trust set, but it has no CRL: every certificate below it is refused",
            check: "sipward crls lists those that are held",
            remedy: "name the CA's CRLs in the [[trust]], or set revocation = \"off\"",
        }
    }
}

//! What is wrong with the anchors and CRLs of a trust set.

/// How to see what an anchor is.
const ANCHOR: &str =
    "openssl x509 -in ANCHORS -noout -text; sipward check FILE names the certificate";

reasons! {
    /// What is wrong with the anchors and CRLs of a trust set.
    pub enum TrustSetReason of TrustSet (check ANCHOR, remedy "") {
        /// an anchor is not an X.509 certificate that can be read
        AnchorMalformed "anchor_malformed"
            remedy: "name a PEM file of X.509 CA certificates",
        /// the set holds no self-signed root, so it vouches for nobody
        AnchorMissing "anchor_missing" (rfc "RFC 5280 §6.1")
            remedy: "add the root's certificate to the anchors, or set partial_chain = true to trust these by themselves",
        /// a certificate of the anchors is not a root, and the CA that issued it is not in the set: it
        /// vouches for nobody
        AnchorUnrooted "anchor_unrooted" (rfc "RFC 5280 §6.1")
            remedy: "add its root's certificate to the anchors, or set partial_chain = true to trust it by itself",
        /// a certificate of the anchors is past its notAfter
        AnchorExpired "anchor_expired" (rfc "RFC 5280 §4.1.2.5")
            check: "openssl x509 -in ANCHORS -noout -enddate; timedatectl for the clock",
            remedy: "replace it with the CA's current certificate, or remove it",
        /// a certificate of the anchors cannot vouch for another certificate
        AnchorUnfit "anchor_unfit" (rfc "RFC 5280 §6.1.4")
            remedy: "name the certificate of the CA that issues for TLS servers; to hold a server to one certificate there is `pins` of its [[peer]]",
        /// a certificate of the anchors is revoked by the CA that issued it
        AnchorRevoked "anchor_revoked" (rfc "RFC 5280 §6.3")
            check: "openssl crl -in CRL -noout -text lists its serial number",
            remedy: "remove it from the anchors, unless the CA says that its CRL is wrong",
        /// revocation is required for a trust set, but it has no CRL, or none of one of its CAs: what that CA has
        /// issued is refused
        CrlAbsent "crl_absent"
            check: "sipward crls lists those that are held",
            remedy: "name the CA's CRLs in the [[trust]], or set revocation = \"off\"",
    }
}

//! The reason codes of trust decisions: one table for code, sentence, remedy, check, TLS alert and RFC.
use rustls::{AlertDescription, CertificateError};
use std::fmt;

/// The step of the decision that a reason belongs to, in the order in which the steps run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Parsing what was presented.
    Chain,
    /// Reading the names and finding the peer entry.
    Name,
    /// Building a path to the peer's anchors.
    Path,
    /// Comparing validity periods with the time.
    Validity,
    /// Consulting CRLs.
    Revocation,
    /// Key usage and extended key usage.
    Purpose,
    /// Comparing keys with the peer's pins.
    Pin,
    /// All steps passed.
    Done,
}

macro_rules! reasons {
    ($($variant:ident, $code:literal, $step:ident, $alert:ident, $rfc:literal, $public:literal, $says:literal, $do:literal, $check:literal;)+) => {
        /// Why a chain was accepted or refused.
        ///
        /// The order is that of the decision's steps and, within a step, from the vague to the specific.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $says, " (", $rfc, ")")] $variant,)+
        }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable identifier.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The step that it belongs to.
            pub fn step(self) -> Step {
                match self { $(Self::$variant => Step::$step),+ }
            }

            /// A sentence for the operator.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $says),+ }
            }

            /// What the operator can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $do),+ }
            }

            /// How the operator can see whether that is it.
            pub fn check(self) -> &'static str {
                match self { $(Self::$variant => $check),+ }
            }

            /// Where the rule comes from.
            pub fn rfc(self) -> &'static str {
                match self { $(Self::$variant => $rfc),+ }
            }

            /// What a stranger is told: less than the log says.
            pub fn public(self) -> &'static str {
                match self { $(Self::$variant => $public),+ }
            }

            /// The same in rustls' terms; it chooses the TLS alert.
            pub fn certificate_error(self) -> CertificateError {
                match self { $(Self::$variant => CertificateError::$alert),+ }
            }
        }
    };
}

reasons! {
    NoCertificate, "no_certificate", Chain, ApplicationVerificationFailure, "RFC 5922 §7.4",
        "certificate required",
        "no certificate was presented where a peer must show one",
        "let the other side present its certificate, or point clients to a listener that accepts them",
        "openssl s_client -connect EDGE:PORT -cert CHAIN -key KEY from the other side: with a certificate it gets in";
    ChainTooLong, "chain_too_long", Chain, BadEncoding, "RFC 5280 §6.1",
        "certificate not acceptable",
        "more certificates were presented than are read",
        "let the other side send its leaf and the intermediates above it only; of many anchors of one name, keep those in use",
        "openssl s_client -showcerts -connect HOST:PORT counts what a server sends";
    ChainTooLarge, "chain_too_large", Chain, BadEncoding, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the presented certificates hold more octets than are read",
        "let the other side send its leaf and the intermediates above it only",
        "openssl s_client -showcerts -connect HOST:PORT; the size of each certificate in DER";
    MalformedCertificate, "malformed_certificate", Chain, BadEncoding, "RFC 5280 §4.1",
        "certificate not acceptable",
        "a presented certificate cannot be parsed",
        "have the certificate issued anew by software that encodes X.509 v3 correctly",
        "openssl x509 -in CERTIFICATE -noout -text; the detail names the field";
    TooManyNames, "too_many_names", Name, BadEncoding, "RFC 5280 §4.2.1.6",
        "certificate not acceptable",
        "the certificate carries more names than are read",
        "have the certificate issued for fewer names",
        "openssl x509 -in CERTIFICATE -noout -ext subjectAltName";
    NoUsableName, "no_usable_name", Name, ApplicationVerificationFailure, "RFC 5922 §7.1",
        "not authorised",
        "the certificate carries no name that counts as a SIP identity",
        "have it issued with the server's FQDN as dNSName in subjectAltName",
        "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName; explain lists what does not count and why";
    NotInTopology, "not_in_topology", Name, ApplicationVerificationFailure, "RFC 5922 §7.4",
        "not authorised",
        "no peer entry carries a presented name",
        "for a server that is to be trusted add a [[peer]] with this FQDN; a client shows no certificate, or connects where `client_trust` of the listener vouches for it",
        "the event's `names` against the fqdn of each [[peer]]; explain shows each entry that was tried";
    NameMismatch, "name_mismatch", Name, ApplicationVerificationFailure, "RFC 5922 §7.3",
        "not authorised",
        "the certificate speaks for other names than the peer that was dialled",
        "check the peer's address, its certificate and the fqdn of its [[peer]]",
        "the event's `names` against `via`; what the address really leads to: openssl s_client -connect HOST:PORT";
    CommonNameOnly, "common_name_only", Name, ApplicationVerificationFailure, "RFC 5922 §7.1",
        "not authorised",
        "the peer's name stands in the subject's CN only",
        "have the certificate issued with a dNSName, or set common_name = true at the peer",
        "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName: the name is in the first only";
    WildcardNotAllowed, "wildcard_not_allowed", Name, ApplicationVerificationFailure, "RFC 5922 §7.2",
        "not authorised",
        "only a wildcard covers the peer's name",
        "have the certificate issued for the whole name, or set names = \"one-label-wildcard\" at the peer",
        "openssl x509 -in CERTIFICATE -noout -ext subjectAltName shows the wildcard";
    PeerNotYetActive, "peer_not_yet_active", Name, ApplicationVerificationFailure, "RFC 5922 §7.4",
        "not authorised",
        "the peer entry counts from a later time only (not_before)",
        "wait, or move the not_before of the [[peer]]",
        "sipward check FILE shows when each entry counts; timedatectl for the clock";
    PeerNoLongerActive, "peer_no_longer_active", Name, ApplicationVerificationFailure, "RFC 5922 §7.4",
        "not authorised",
        "the peer entry counts as absent since its not_after",
        "move the not_after of the [[peer]] if the server is still to be trusted",
        "sipward check FILE shows when each entry counts; timedatectl for the clock";
    AmbiguousIdentity, "ambiguous_identity", Name, ApplicationVerificationFailure, "RFC 5922 §7.4",
        "not authorised",
        "the certificate speaks for several peers whose rights differ",
        "give these peers separate certificates or the same trust, kind, domains and policies",
        "the detail names two [[peer]] entries: compare their kind, trust, domains and policies";
    UnknownIssuer, "unknown_issuer", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "no path leads from the certificate to an anchor of the peer",
        "add the issuing CA to the peer's trust, or let the other side send its intermediates",
        "explain names the missing issuer; openssl s_client -showcerts -connect HOST:PORT shows what is sent";
    SelfSigned, "self_signed", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the certificate is its own issuer and no anchor of the peer",
        "have the certificate issued by a CA of the peer's trust",
        "openssl x509 -in CERTIFICATE -noout -subject -issuer: both are the same";
    TrustNotYetActive, "trust_not_yet_active", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the trust set that would vouch counts from a later time only (not_before)",
        "wait, or move the not_before of the [[trust]]",
        "sipward check FILE shows when each entry counts; timedatectl for the clock";
    TrustNoLongerActive, "trust_no_longer_active", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the trust set that would vouch counts as absent since its not_after",
        "have the certificate issued by a CA that still counts, or move the not_after of the [[trust]]",
        "sipward check FILE shows when each entry counts; timedatectl for the clock";
    AnchorNotForPeer, "anchor_not_for_peer", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "another trust set would have vouched, but it may not vouch for this peer",
        "if that CA may vouch for this name, add its trust set to the peer; otherwise this is an attack or a mix-up",
        "`trust` of the [[peer]], and the set that the detail names";
    PathInvalid, "path_invalid", Path, BadEncoding, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the path to the anchor breaks a rule of X.509 that has no code of its own",
        "see the detail, and have the certificate or its CA's issued anew",
        "openssl verify -x509_strict -CAfile ANCHORS -untrusted CHAIN CHAIN; the detail names the rule";
    PathTooComplex, "path_too_complex", Path, BadEncoding, "RFC 5280 §6.1",
        "certificate not acceptable",
        "the certificates ask for more signatures, paths and name comparisons than one judgement does",
        "let the other side send its leaf and the intermediates above it only",
        "openssl s_client -showcerts -connect HOST:PORT counts what is sent; cross-certificates multiply the paths";
    CertificateVersion, "certificate_version", Path, BadEncoding, "RFC 5280 §4.1.2.1",
        "certificate not acceptable",
        "a certificate on the path is X.509 v1 or v2, which have no room for names, purposes and the rank of a CA",
        "have the certificate issued as X.509 v3; openssl x509 -req writes v1 where it is given no extensions",
        "openssl x509 -in CERTIFICATE -noout -text: Version of each certificate";
    AuthorityMisuse, "authority_misuse", Path, BadEncoding, "RFC 5280 §4.2.1.9",
        "certificate not acceptable",
        "a CA's certificate is used as a leaf (a self-signed one of openssl req -x509 says CA:TRUE), or a leaf's as a CA",
        "have a CA issue it as an end entity; a self-signed one: make it with -addext basicConstraints=critical,CA:FALSE and name it in the anchors of the peer's trust",
        "openssl x509 -in CERTIFICATE -noout -subject -issuer -ext basicConstraints,keyUsage of each certificate of the chain";
    PathLength, "path_length", Path, BadEncoding, "RFC 5280 §4.2.1.9",
        "certificate not acceptable",
        "more CAs stand below a CA of the path than its pathLenConstraint permits",
        "have the certificate issued by a CA that is near enough to the root, or the CA's certificate issued anew",
        "openssl x509 -in CA -noout -ext basicConstraints of each CA: pathlen is the number of CAs that may follow";
    UnknownCriticalExtension, "unknown_critical_extension", Path, UnhandledCriticalExtension, "RFC 5280 §4.2",
        "certificate not acceptable",
        "a certificate holds a critical extension that is not understood",
        "have the certificate issued without that extension",
        "openssl x509 -in CERTIFICATE -noout -text: extensions marked critical";
    UnsupportedSignature, "unsupported_signature", Path, BadEncoding, "RFC 9325 §4.5",
        "certificate not acceptable",
        "a certificate is signed with an algorithm that is not accepted, as SHA-1",
        "have the certificate issued with SHA-256 or better",
        "openssl x509 -in CERTIFICATE -noout -text: Signature Algorithm of each certificate";
    WeakKey, "weak_key", Path, BadEncoding, "RFC 9325 §4.5",
        "certificate not acceptable",
        "a certificate holds an RSA key of less than 2048 bits",
        "have the certificate issued for a P-256 key or an RSA key of 2048 bits or more",
        "openssl x509 -in CERTIFICATE -noout -text: Public-Key of each certificate";
    KeyUnusable, "key_unusable", Path, BadEncoding, "RFC 8446 §4.2.3",
        "certificate not acceptable",
        "the certificate's key is of a kind that no signature scheme of the TLS handshake can use here",
        "have the certificate issued for a P-256, P-384, P-521, Ed25519 or rsaEncryption key of 2048 to 8192 bits",
        "openssl x509 -in CERTIFICATE -noout -text: Public Key Algorithm and Public-Key";
    BadSignature, "bad_signature", Path, UnknownIssuer, "RFC 5280 §6.1.3",
        "certificate not acceptable",
        "a certificate names an issuer whose key did not sign it",
        "if the CA changed its key, renew the anchor; otherwise this is an impostor",
        "openssl verify -CAfile ANCHORS -untrusted CHAIN CHAIN; compare the key identifiers of issuer and anchor";
    NameConstraintViolated, "name_constraint_violated", Path, BadEncoding, "RFC 5280 §4.2.1.10",
        "certificate not acceptable",
        "a CA on the path may not issue for a name in the certificate",
        "have the certificate issued by a CA whose name constraints permit its names",
        "openssl x509 -in CA -noout -ext nameConstraints against the names of the certificate";
    ClientCertificateUntrusted, "client_certificate_untrusted", Path, UnknownIssuer, "RFC 5280 §6.1",
        "certificate not acceptable",
        "clients must show a certificate here, and no trust set of `client_trust` vouches for this one",
        "give the client a certificate of a CA in client_trust, or add its CA there; for a server, add a [[peer]]",
        "the event's `subjects` and `detail` against the anchors of the sets in client_trust; explain shows each";
    Expired, "expired", Validity, Expired, "RFC 5280 §4.1.2.5",
        "certificate not valid now",
        "a certificate on the path is past its notAfter",
        "renew the certificate; if it is current, check this system's clock",
        "openssl x509 -in CERTIFICATE -noout -enddate of each certificate; timedatectl for the clock";
    NotYetValid, "not_yet_valid", Validity, NotValidYet, "RFC 5280 §4.1.2.5",
        "certificate not valid now",
        "a certificate on the path is before its notBefore",
        "check the clocks of this system and of the CA",
        "openssl x509 -in CERTIFICATE -noout -startdate of each certificate; timedatectl for the clock";
    CrlMissing, "crl_missing", Revocation, UnknownRevocationStatus, "RFC 5280 §6.3",
        "certificate not acceptable",
        "no CRL that is held covers a certificate on the path",
        "add the CRL of that issuer to the trust set, or set revocation = \"off\" or scope = \"leaf\"",
        "explain names the issuer without a CRL; sipward crls lists those that are held";
    CrlFromFuture, "crl_from_future", Revocation, UnknownRevocationStatus, "RFC 5280 §5.1.2.4",
        "certificate not acceptable",
        "the CRL of that issuer has a thisUpdate more than five minutes ahead of this system's clock",
        "check the clocks of this system and of the CA",
        "openssl crl -in CRL -noout -lastupdate; timedatectl for the clock";
    CrlUnsupportedSignature, "crl_unsupported_signature", Revocation, UnknownRevocationStatus, "RFC 9325 §4.5",
        "certificate not acceptable",
        "the CRL of that issuer is signed with an algorithm that is not accepted, as SHA-1",
        "have the CA sign its CRLs with SHA-256 or better, or set revocation = \"off\"",
        "openssl crl -in CRL -noout -text: Signature Algorithm";
    CrlBadSignature, "crl_bad_signature", Revocation, UnknownRevocationStatus, "RFC 5280 §6.3.3",
        "certificate not acceptable",
        "the CRL of that issuer's name was not signed with that issuer's key",
        "add the CRL by that issuer's own key: a CA that changed its key has one for each; or fetch it anew, another CA of the same name may have made this one",
        "openssl crl -in CRL -CAfile CA -noout: verify OK or not";
    CrlSignerUnfit, "crl_signer_unfit", Revocation, UnknownRevocationStatus, "RFC 5280 §6.3.3",
        "certificate not acceptable",
        "the CRL's issuer has a keyUsage that does not permit it to sign CRLs",
        "have the CA's certificate issued with cRLSign, or set scope or revocation accordingly",
        "openssl x509 -in CA -noout -ext keyUsage: CRL Sign is missing";
    CrlStale, "crl_stale", Revocation, UnknownRevocationStatus, "RFC 5280 §5.1.2.5",
        "certificate not acceptable",
        "the CRL that covers a certificate on the path is past its nextUpdate and any grace",
        "fetch the current CRL and reload; grace can bridge an outage of the CA",
        "openssl crl -in CRL -noout -lastupdate -nextupdate";
    OcspMalformed, "ocsp_malformed", Revocation, InvalidOcspResponse, "RFC 6960 §4.2.1",
        "certificate status not acceptable",
        "the stapled OCSP response cannot be parsed or is not a successful one",
        "let the other side staple a basic response of its CA's responder, or none",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    OcspWrongCertificate, "ocsp_wrong_certificate", Revocation, InvalidOcspResponse, "RFC 6960 §4.1.1",
        "certificate status not acceptable",
        "the stapled OCSP response is about another certificate",
        "let the other side staple the response about the certificate that it shows",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    OcspBadSignature, "ocsp_bad_signature", Revocation, InvalidOcspResponse, "RFC 6960 §4.2.2.2",
        "certificate status not acceptable",
        "neither the certificate's issuer nor a responder that it certified signed the stapled OCSP response",
        "have the CA's responder use the issuer's key or a certificate of it with OCSPSigning",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    OcspStale, "ocsp_stale", Revocation, InvalidOcspResponse, "RFC 6960 §3.2",
        "certificate status not acceptable",
        "the stapled OCSP response is past its nextUpdate, has none, or is from the future",
        "let the other side fetch a current response, or staple none; check the clocks",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    OcspUnknown, "ocsp_unknown", Revocation, InvalidOcspResponse, "RFC 6960 §2.2",
        "certificate status not acceptable",
        "the stapled OCSP response does not know the certificate",
        "ask the CA whether it issued the certificate",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    OcspRevoked, "ocsp_revoked", Revocation, Revoked, "RFC 6960 §2.2",
        "certificate revoked",
        "the stapled OCSP response says that the certificate is revoked",
        "replace the certificate and its key",
        "openssl s_client -status -connect HOST:PORT shows what the server staples";
    Revoked, "revoked", Revocation, Revoked, "RFC 5280 §5.3",
        "certificate revoked",
        "a certificate on the path is listed in its issuer's CRL",
        "replace the certificate and its key",
        "openssl crl -in CRL -noout -text lists the serial number; the CA knows when and why";
    KeyUsageUnsuitable, "key_usage_unsuitable", Purpose, InvalidPurpose, "RFC 5280 §4.2.1.3",
        "certificate not made for this",
        "keyUsage lacks digitalSignature on the leaf or keyCertSign on a CA",
        "have the certificate issued with digitalSignature (a CA's with keyCertSign)",
        "openssl x509 -in CERTIFICATE -noout -ext keyUsage";
    EkuUnsuitable, "eku_unsuitable", Purpose, InvalidPurpose, "RFC 5280 §4.2.1.12",
        "certificate not made for this",
        "no purpose that permits this use is among the extended key usages of the leaf and of every CA of its path",
        "have the certificate issued with serverAuth (and clientAuth for strict peers) by a CA that may issue for it",
        "openssl x509 -in CERTIFICATE -noout -ext extendedKeyUsage of leaf and issuers; `purpose` of the [[peer]]";
    PinMismatch, "pin_mismatch", Pin, ApplicationVerificationFailure, "RFC 7469 §2.6",
        "not authorised",
        "the chain is good, but none of its keys is among the peer's pins",
        "if the partner has changed its key and says so, add the new pin; otherwise this is an attack or a mix-up",
        "openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64";
    ClientCertificateIgnored, "client_certificate_ignored", Done, ApplicationVerificationFailure, "RFC 8446 §4.4.2",
        "accepted",
        "the certificate has to do with nobody that the topology names: it is passed over, and the connection is a client's",
        "nothing, if that is a phone with a certificate of its maker; for a server, add a [[peer]]; to keep such certificates out, set client_certificates = \"refuse\" at the listener",
        "the event's `subjects`: whose certificate it is; client_certificates of the [[listener]]";
    ClientCertificateTrusted, "client_certificate_trusted", Done, ApplicationVerificationFailure, "RFC 8446 §4.4.2",
        "accepted",
        "a trust set of the listener's client_trust vouches for the certificate: the connection is a client's, and nothing more",
        "nothing",
        "explain shows what it rests on";
    Accepted, "accepted", Done, ApplicationVerificationFailure, "RFC 5922 §7",
        "accepted",
        "the chain speaks for the peer",
        "nothing",
        "explain shows what it rests on";
}

impl Reason {
    /// The reason of this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.code() == code)
    }

    /// The TLS alert that ends the handshake; `None` when it does not end.
    pub fn alert(self) -> Option<AlertDescription> {
        if self.step() == Step::Done {
            return None;
        }
        if self == Self::NoCertificate {
            return Some(AlertDescription::CertificateRequired);
        }
        Some(self.certificate_error().into())
    }

    /// The error that makes rustls send [`Self::alert`].
    pub fn tls_error(self) -> rustls::Error {
        if self == Self::NoCertificate {
            return rustls::Error::NoCertificatesPresented;
        }
        rustls::Error::InvalidCertificate(self.certificate_error())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_snake_case_and_lead_back_to_their_reason() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
            assert_eq!(Reason::from_code(code), Some(*reason));
            assert_eq!(reason.to_string(), code);
        }
        assert_eq!(Reason::from_code("because"), None);
    }

    #[test]
    fn the_table_is_in_the_order_of_the_steps() {
        assert!(
            Reason::ALL
                .windows(2)
                .all(|w| w[0].step() <= w[1].step() && w[0] < w[1])
        );
    }

    #[test]
    fn alerts_fit_the_reasons() {
        use AlertDescription as A;
        for (reason, alert) in [
            (Reason::NoCertificate, A::CertificateRequired),
            (Reason::NotInTopology, A::AccessDenied),
            (Reason::NameMismatch, A::AccessDenied),
            (Reason::UnknownIssuer, A::UnknownCA),
            (Reason::BadSignature, A::UnknownCA),
            (Reason::Expired, A::CertificateExpired),
            (Reason::NotYetValid, A::CertificateExpired),
            (Reason::Revoked, A::CertificateRevoked),
            (Reason::CrlStale, A::UnknownCA),
            (Reason::EkuUnsuitable, A::UnsupportedCertificate),
            (Reason::MalformedCertificate, A::BadCertificate),
        ] {
            assert_eq!(reason.alert(), Some(alert), "{reason}");
        }
        assert_eq!(Reason::Accepted.alert(), None);
    }

    #[test]
    fn a_stranger_learns_less_than_the_log() {
        for reason in Reason::ALL {
            assert!(reason.public().len() < 40);
            assert!(reason.step() == Step::Done || reason.public() != reason.sentence());
        }
    }
}

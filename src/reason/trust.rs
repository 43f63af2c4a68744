//! The reasons of trust decisions, in the order of the decision's steps.

reasons! {
    /// Why a certificate chain was accepted or refused.
    pub enum TrustReason of Trust {
        NoCertificate "no_certificate" {
            what: "no certificate was presented where a peer must show one",
            check: "openssl s_client -connect EDGE:PORT -cert CHAIN -key KEY from the other side: with a certificate it gets in",
            remedy: "let the other side present its certificate, or point clients to a listener that accepts them",
            rfc: "RFC 5922 §7.4",
            alert: CertificateRequired,
        }
        ChainTooLong "chain_too_long" {
            what: "more certificates were presented than are read",
            check: "openssl s_client -showcerts -connect HOST:PORT counts what a server sends",
            remedy: "let the other side send its leaf and the intermediates above it only; of many anchors of one name, keep those in use",
            rfc: "RFC 5280 §6.1",
            alert: BadCertificate,
        }
        ChainTooLarge "chain_too_large" {
            what: "the presented certificates hold more octets than are read",
            check: "openssl s_client -showcerts -connect HOST:PORT; the size of each certificate in DER",
            remedy: "let the other side send its leaf and the intermediates above it only",
            rfc: "RFC 5280 §6.1",
            alert: BadCertificate,
        }
        MalformedCertificate "malformed_certificate" {
            what: "a presented certificate cannot be parsed",
            check: "openssl x509 -in CERTIFICATE -noout -text; the detail names the field",
            remedy: "have the certificate issued anew by software that encodes X.509 v3 correctly",
            rfc: "RFC 5280 §4.1",
            alert: BadCertificate,
        }
        TooManyNames "too_many_names" {
            what: "the certificate carries more names than are read",
            check: "openssl x509 -in CERTIFICATE -noout -ext subjectAltName",
            remedy: "have the certificate issued for fewer names",
            rfc: "RFC 5280 §4.2.1.6",
            alert: BadCertificate,
        }
        NoUsableName "no_usable_name" {
            what: "the certificate carries no name that counts as a SIP identity",
            check: "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName; explain lists what does not count and why",
            remedy: "have it issued with the server's FQDN as dNSName in subjectAltName",
            rfc: "RFC 5922 §7.1",
            alert: AccessDenied,
        }
        NotInTopology "not_in_topology" {
            what: "no peer entry carries a presented name",
            check: "the event's `names` against the fqdn of each [[peer]]; explain shows each entry that was tried",
            remedy: "for a server that is to be trusted add a [[peer]] with this FQDN; a client shows no certificate, or connects where `client_trust` of the listener vouches for it",
            rfc: "RFC 5922 §7.4",
            alert: AccessDenied,
        }
        NameMismatch "name_mismatch" {
            what: "the certificate speaks for other names than the peer that was dialled",
            check: "the event's `names` against its `peer`; what the address really leads to: openssl s_client -connect HOST:PORT",
            remedy: "check the peer's address, its certificate and the fqdn of its [[peer]]",
            rfc: "RFC 5922 §7.3",
            alert: AccessDenied,
        }
        CommonNameOnly "common_name_only" {
            what: "the peer's name stands in the subject's CN only",
            check: "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName: the name is in the first only",
            remedy: "have the certificate issued with a dNSName, or set common_name = true at the peer",
            rfc: "RFC 5922 §7.1",
            alert: AccessDenied,
        }
        WildcardNotAllowed "wildcard_not_allowed" {
            what: "only a wildcard covers the peer's name",
            check: "openssl x509 -in CERTIFICATE -noout -ext subjectAltName shows the wildcard",
            remedy: "have the certificate issued for the whole name, or set names = \"one-label-wildcard\" at the peer",
            rfc: "RFC 5922 §7.2",
            alert: AccessDenied,
        }
        PeerNotYetActive "peer_not_yet_active" {
            what: "the peer entry counts from a later time only (not_before)",
            check: "sipward check FILE shows when each entry counts; timedatectl for the clock",
            remedy: "wait, or move the not_before of the [[peer]]",
            rfc: "RFC 5922 §7.4",
            alert: AccessDenied,
        }
        PeerNoLongerActive "peer_no_longer_active" {
            what: "the peer entry counts as absent since its not_after",
            check: "sipward check FILE shows when each entry counts; timedatectl for the clock",
            remedy: "move the not_after of the [[peer]] if the server is still to be trusted",
            rfc: "RFC 5922 §7.4",
            alert: AccessDenied,
        }
        AmbiguousIdentity "ambiguous_identity" {
            what: "the certificate speaks for several peers whose rights differ",
            check: "the detail names two [[peer]] entries: compare their kind, trust, domains and policies",
            remedy: "give these peers separate certificates or the same trust, kind, domains and policies",
            rfc: "RFC 5922 §7.4",
            alert: AccessDenied,
        }
        UnknownIssuer "unknown_issuer" {
            what: "no path leads from the certificate to an anchor of the peer",
            check: "explain names the missing issuer; openssl s_client -showcerts -connect HOST:PORT shows what is sent",
            remedy: "add the issuing CA to the peer's trust, or let the other side send its intermediates",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        SelfSigned "self_signed" {
            what: "the certificate is its own issuer and no anchor of the peer",
            check: "openssl x509 -in CERTIFICATE -noout -subject -issuer: both are the same",
            remedy: "have the certificate issued by a CA of the peer's trust",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        TrustNotYetActive "trust_not_yet_active" {
            what: "the trust set that would vouch counts from a later time only (not_before)",
            check: "sipward check FILE shows when each entry counts; timedatectl for the clock",
            remedy: "wait, or move the not_before of the [[trust]]",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        TrustNoLongerActive "trust_no_longer_active" {
            what: "the trust set that would vouch counts as absent since its not_after",
            check: "sipward check FILE shows when each entry counts; timedatectl for the clock",
            remedy: "have the certificate issued by a CA that still counts, or move the not_after of the [[trust]]",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        AnchorNotForPeer "anchor_not_for_peer" {
            what: "another trust set would have vouched, but it may not vouch for this peer",
            check: "`trust` of the [[peer]], and the set that the detail names",
            remedy: "if that CA may vouch for this name, add its trust set to the peer; otherwise this is an attack or a mix-up",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        PathInvalid "path_invalid" {
            what: "the path to the anchor breaks a rule of X.509 that has no code of its own",
            check: "openssl verify -x509_strict -CAfile ANCHORS -untrusted CHAIN CHAIN; the detail names the rule",
            remedy: "see the detail, and have the certificate or its CA's issued anew",
            rfc: "RFC 5280 §6.1",
            alert: BadCertificate,
        }
        PathTooComplex "path_too_complex" {
            what: "the certificates ask for more signatures, paths and name comparisons than one judgement does",
            check: "openssl s_client -showcerts -connect HOST:PORT counts what is sent; cross-certificates multiply the paths",
            remedy: "let the other side send its leaf and the intermediates above it only",
            rfc: "RFC 5280 §6.1",
            alert: BadCertificate,
        }
        CertificateVersion "certificate_version" {
            what: "a certificate on the path is X.509 v1 or v2, which have no room for names, purposes and the rank of a CA",
            check: "openssl x509 -in CERTIFICATE -noout -text: Version of each certificate",
            remedy: "have the certificate issued as X.509 v3; openssl x509 -req writes v1 where it is given no extensions",
            rfc: "RFC 5280 §4.1.2.1",
            alert: BadCertificate,
        }
        AuthorityMisuse "authority_misuse" {
            what: "a CA's certificate is used as a leaf (a self-signed one of openssl req -x509 says CA:TRUE), or a leaf's as a CA",
            check: "openssl x509 -in CERTIFICATE -noout -subject -issuer -ext basicConstraints,keyUsage of each certificate of the chain",
            remedy: "have a CA issue it as an end entity; a self-signed one: make it with -addext basicConstraints=critical,CA:FALSE and name it in the anchors of the peer's trust",
            rfc: "RFC 5280 §4.2.1.9",
            alert: BadCertificate,
        }
        PathLength "path_length" {
            what: "more CAs stand below a CA of the path than its pathLenConstraint permits",
            check: "openssl x509 -in CA -noout -ext basicConstraints of each CA: pathlen is the number of CAs that may follow",
            remedy: "have the certificate issued by a CA that is near enough to the root, or the CA's certificate issued anew",
            rfc: "RFC 5280 §4.2.1.9",
            alert: BadCertificate,
        }
        UnknownCriticalExtension "unknown_critical_extension" {
            what: "a certificate holds a critical extension that is not understood",
            check: "openssl x509 -in CERTIFICATE -noout -text: extensions marked critical",
            remedy: "have the certificate issued without that extension",
            rfc: "RFC 5280 §4.2",
            alert: BadCertificate,
        }
        UnsupportedSignature "unsupported_signature" {
            what: "a certificate is signed with an algorithm that is not accepted, as SHA-1",
            check: "openssl x509 -in CERTIFICATE -noout -text: Signature Algorithm of each certificate",
            remedy: "have the certificate issued with SHA-256 or better",
            rfc: "RFC 9325 §4.5",
            alert: BadCertificate,
        }
        WeakKey "weak_key" {
            what: "a certificate holds an RSA key of less than 2048 bits",
            check: "openssl x509 -in CERTIFICATE -noout -text: Public-Key of each certificate",
            remedy: "have the certificate issued for a P-256 key or an RSA key of 2048 bits or more",
            rfc: "RFC 9325 §4.5",
            alert: BadCertificate,
        }
        KeyUnusable "key_unusable" {
            what: "the certificate's key is of a kind that no signature scheme of the TLS handshake can use here",
            check: "openssl x509 -in CERTIFICATE -noout -text: Public Key Algorithm and Public-Key",
            remedy: "have the certificate issued for a P-256, P-384, P-521, Ed25519 or rsaEncryption key of 2048 to 8192 bits",
            rfc: "RFC 8446 §4.2.3",
            alert: BadCertificate,
        }
        BadSignature "bad_signature" {
            what: "a certificate names an issuer whose key did not sign it",
            check: "openssl verify -CAfile ANCHORS -untrusted CHAIN CHAIN; compare the key identifiers of issuer and anchor",
            remedy: "if the CA changed its key, renew the anchor; otherwise this is an impostor",
            rfc: "RFC 5280 §6.1.3",
            alert: UnknownCA,
        }
        NameConstraintViolated "name_constraint_violated" {
            what: "a CA on the path may not issue for a name in the certificate",
            check: "openssl x509 -in CA -noout -ext nameConstraints against the names of the certificate",
            remedy: "have the certificate issued by a CA whose name constraints permit its names",
            rfc: "RFC 5280 §4.2.1.10",
            alert: BadCertificate,
        }
        ClientCertificateUntrusted "client_certificate_untrusted" {
            what: "clients must show a certificate here, and no trust set of `client_trust` vouches for this one",
            check: "the event's `subjects` and `detail` against the anchors of the sets in client_trust; explain shows each",
            remedy: "give the client a certificate of a CA in client_trust, or add its CA there; for a server, add a [[peer]]",
            rfc: "RFC 5280 §6.1",
            alert: UnknownCA,
        }
        Expired "expired" {
            what: "a certificate on the path is past its notAfter",
            check: "openssl x509 -in CERTIFICATE -noout -enddate of each certificate; timedatectl for the clock",
            remedy: "renew the certificate; if it is current, check this system's clock",
            rfc: "RFC 5280 §4.1.2.5",
            alert: CertificateExpired,
        }
        NotYetValid "not_yet_valid" {
            what: "a certificate on the path is before its notBefore",
            check: "openssl x509 -in CERTIFICATE -noout -startdate of each certificate; timedatectl for the clock",
            remedy: "check the clocks of this system and of the CA",
            rfc: "RFC 5280 §4.1.2.5",
            alert: CertificateExpired,
        }
        CrlMissing "crl_missing" {
            what: "no CRL that is held covers a certificate on the path",
            check: "explain names the issuer without a CRL; sipward crls lists those that are held",
            remedy: "add the CRL of that issuer to the trust set, or set revocation = \"off\" or scope = \"leaf\"",
            rfc: "RFC 5280 §6.3",
            alert: UnknownCA,
        }
        CrlFromFuture "crl_from_future" {
            what: "the CRL of that issuer has a thisUpdate more than five minutes ahead of this system's clock",
            check: "openssl crl -in CRL -noout -lastupdate; timedatectl for the clock",
            remedy: "check the clocks of this system and of the CA",
            rfc: "RFC 5280 §5.1.2.4",
            alert: UnknownCA,
        }
        CrlUnsupportedSignature "crl_unsupported_signature" {
            what: "the CRL of that issuer is signed with an algorithm that is not accepted, as SHA-1",
            check: "openssl crl -in CRL -noout -text: Signature Algorithm",
            remedy: "have the CA sign its CRLs with SHA-256 or better, or set revocation = \"off\"",
            rfc: "RFC 9325 §4.5",
            alert: UnknownCA,
        }
        CrlBadSignature "crl_bad_signature" {
            what: "the CRL of that issuer's name was not signed with that issuer's key",
            check: "openssl crl -in CRL -CAfile CA -noout: verify OK or not",
            remedy: "add the CRL by that issuer's own key: a CA that changed its key has one for each; or fetch it anew, another CA of the same name may have made this one",
            rfc: "RFC 5280 §6.3.3",
            alert: UnknownCA,
        }
        CrlSignerUnfit "crl_signer_unfit" {
            what: "the CRL's issuer has a keyUsage that does not permit it to sign CRLs",
            check: "openssl x509 -in CA -noout -ext keyUsage: CRL Sign is missing",
            remedy: "have the CA's certificate issued with cRLSign, or set scope or revocation accordingly",
            rfc: "RFC 5280 §6.3.3",
            alert: UnknownCA,
        }
        CrlStale "crl_stale" {
            what: "the CRL that covers a certificate on the path is past its nextUpdate and any grace",
            check: "openssl crl -in CRL -noout -lastupdate -nextupdate",
            remedy: "fetch the current CRL and reload; grace can bridge an outage of the CA",
            rfc: "RFC 5280 §5.1.2.5",
            alert: UnknownCA,
        }
        OcspMalformed "ocsp_malformed" {
            what: "the stapled OCSP response cannot be parsed or is not a successful one",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "let the other side staple a basic response of its CA's responder, or none",
            rfc: "RFC 6960 §4.2.1",
            alert: BadCertificateStatusResponse,
        }
        OcspWrongCertificate "ocsp_wrong_certificate" {
            what: "the stapled OCSP response is about another certificate",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "let the other side staple the response about the certificate that it shows",
            rfc: "RFC 6960 §4.1.1",
            alert: BadCertificateStatusResponse,
        }
        OcspBadSignature "ocsp_bad_signature" {
            what: "neither the certificate's issuer nor a responder that it certified signed the stapled OCSP response",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "have the CA's responder use the issuer's key or a certificate of it with OCSPSigning",
            rfc: "RFC 6960 §4.2.2.2",
            alert: BadCertificateStatusResponse,
        }
        OcspStale "ocsp_stale" {
            what: "the stapled OCSP response is past its nextUpdate, has none, or is from the future",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "let the other side fetch a current response, or staple none; check the clocks",
            rfc: "RFC 6960 §3.2",
            alert: BadCertificateStatusResponse,
        }
        OcspUnknown "ocsp_unknown" {
            what: "the stapled OCSP response does not know the certificate",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "ask the CA whether it issued the certificate",
            rfc: "RFC 6960 §2.2",
            alert: BadCertificateStatusResponse,
        }
        OcspRevoked "ocsp_revoked" {
            what: "the stapled OCSP response says that the certificate is revoked",
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "replace the certificate and its key",
            rfc: "RFC 6960 §2.2",
            alert: CertificateRevoked,
        }
        Revoked "revoked" {
            what: "a certificate on the path is listed in its issuer's CRL",
            check: "openssl crl -in CRL -noout -text lists the serial number; the CA knows when and why",
            remedy: "replace the certificate and its key",
            rfc: "RFC 5280 §5.3",
            alert: CertificateRevoked,
        }
        KeyUsageUnsuitable "key_usage_unsuitable" {
            what: "keyUsage lacks digitalSignature on the leaf or keyCertSign on a CA",
            check: "openssl x509 -in CERTIFICATE -noout -ext keyUsage",
            remedy: "have the certificate issued with digitalSignature (a CA's with keyCertSign)",
            rfc: "RFC 5280 §4.2.1.3",
            alert: UnsupportedCertificate,
        }
        EkuUnsuitable "eku_unsuitable" {
            what: "no purpose that permits this use is among the extended key usages of the leaf and of every CA of its path",
            check: "openssl x509 -in CERTIFICATE -noout -ext extendedKeyUsage of leaf and issuers; `purpose` of the [[peer]]",
            remedy: "have the certificate issued with serverAuth (and clientAuth for strict peers) by a CA that may issue for it",
            rfc: "RFC 5280 §4.2.1.12",
            alert: UnsupportedCertificate,
        }
        PinMismatch "pin_mismatch" {
            what: "the chain is good, but none of its keys is among the peer's pins",
            check: "openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64",
            remedy: "if the partner has changed its key and says so, add the new pin; otherwise this is an attack or a mix-up",
            rfc: "RFC 7469 §2.6",
            alert: AccessDenied,
        }
        ClientCertificateIgnored "client_certificate_ignored" {
            what: "the certificate has to do with nobody that the topology names: it is passed over, and the connection is a client's",
            check: "the event's `subjects`: whose certificate it is; client_certificates of the [[listener]]",
            remedy: "nothing, if that is a phone with a certificate of its maker; for a server, add a [[peer]]; to keep such certificates out, set client_certificates = \"refuse\" at the listener",
            rfc: "RFC 8446 §4.4.2",
        }
        ClientCertificateTrusted "client_certificate_trusted" {
            what: "a trust set of the listener's client_trust vouches for the certificate: the connection is a client's, and nothing more",
            check: "explain shows what it rests on",
            remedy: "nothing",
            rfc: "RFC 8446 §4.4.2",
        }
        Accepted "accepted" {
            what: "the chain speaks for the peer",
            check: "explain shows what it rests on",
            remedy: "nothing",
            rfc: "RFC 5922 §7",
        }
    }
}

//! The reasons of trust decisions, in the order of the decision's steps.

reasons! {
    /// Why a certificate chain was accepted or refused.
    pub enum TrustReason of Trust (check "", remedy "") {
        /// no certificate was presented where a peer must show one
        NoCertificate "no_certificate" (rfc "RFC 5922 §7.4", alert CertificateRequired)
            check: "openssl s_client -connect EDGE:PORT -cert CHAIN -key KEY from the remote: with a certificate it gets in",
            remedy: "have the remote present its certificate, or point clients to a listener that accepts them",
        /// more certificates were presented than sipward reads
        ChainTooLong "chain_too_long" (rfc "RFC 5280 §6.1", alert BadCertificate)
            check: "openssl s_client -showcerts -connect HOST:PORT counts what a server sends",
            remedy: "have the remote send its leaf and the intermediates above it only; of many anchors of one name, keep those in use",
        /// the presented certificates are larger than sipward reads
        ChainTooLarge "chain_too_large" (rfc "RFC 5280 §6.1", alert BadCertificate)
            check: "openssl s_client -showcerts -connect HOST:PORT; the size of each certificate in DER",
            remedy: "have the remote send its leaf and the intermediates above it only",
        /// a presented certificate cannot be parsed
        MalformedCertificate "malformed_certificate" (rfc "RFC 5280 §4.1", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text; the detail names the field",
            remedy: "have the certificate reissued by software that encodes X.509 v3 correctly",
        /// the certificate has more names than sipward reads
        TooManyNames "too_many_names" (rfc "RFC 5280 §4.2.1.6", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -ext subjectAltName",
            remedy: "have the certificate issued for fewer names",
        /// the certificate has no name that counts as a SIP identity
        NoUsableName "no_usable_name" (rfc "RFC 5922 §7.1", alert AccessDenied)
            check: "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName; explain lists the names that do not count, and why",
            remedy: "have it issued with the server's FQDN as dNSName in subjectAltName",
        /// no [[peer]] has a name of the certificate
        NotInTopology "not_in_topology" (rfc "RFC 5922 §7.4", alert AccessDenied)
            check: "the event's `names` against the fqdn of each [[peer]]; explain shows each entry that was tried",
            remedy: "add a [[peer]] with this FQDN for a server that is to be trusted; a client should show no certificate, or use a listener whose `client_trust` vouches for it",
        /// the certificate does not have the name of the peer that was dialled
        NameMismatch "name_mismatch" (rfc "RFC 5922 §7.3", alert AccessDenied)
            check: "the event's `names` against its `peer`; what the address really leads to: openssl s_client -connect HOST:PORT",
            remedy: "check the peer's address, its certificate and the fqdn of its [[peer]]",
        /// the peer's name is only in the subject's CN
        CommonNameOnly "common_name_only" (rfc "RFC 5922 §7.1", alert AccessDenied)
            check: "openssl x509 -in CERTIFICATE -noout -subject -ext subjectAltName: the name is in the first only",
            remedy: "have the certificate issued with a dNSName, or set common_name = true at the peer",
        /// only a wildcard covers the peer's name
        WildcardNotAllowed "wildcard_not_allowed" (rfc "RFC 5922 §7.2", alert AccessDenied)
            check: "openssl x509 -in CERTIFICATE -noout -ext subjectAltName shows the wildcard",
            remedy: "have the certificate issued for the whole name, or set names = \"one-label-wildcard\" at the peer",
        /// the [[peer]] is not active yet (its not_before)
        PeerNotYetActive "peer_not_yet_active" (rfc "RFC 5922 §7.4", alert AccessDenied)
            check: "sipward check FILE shows when each entry is active; timedatectl for the clock",
            remedy: "wait, or move the not_before of the [[peer]]",
        /// the [[peer]] is no longer active (its not_after)
        PeerNoLongerActive "peer_no_longer_active" (rfc "RFC 5922 §7.4", alert AccessDenied)
            check: "sipward check FILE shows when each entry is active; timedatectl for the clock",
            remedy: "move the not_after of the [[peer]] if the server is still to be trusted",
        /// the certificate identifies several peers whose rights differ
        AmbiguousIdentity "ambiguous_identity" (rfc "RFC 5922 §7.4", alert AccessDenied)
            check: "the detail names two [[peer]] entries: compare their fqdn, kind, trust, domains and policies",
            remedy: "give these peers separate certificates or the same trust, kind, domains and policies; of entries with one fqdn: have the remote ask for the name of one (SNI), and name the identity in --identity or [[expect]] identity",
        /// the connection asked for a name of this node by which this peer does not know it
        IdentityNotForPeer "identity_not_for_peer" (rfc "RFC 5922 §7.8", alert AccessDenied)
            check: "the detail: `advertise` of the [[peer]], and the identity that this node showed; the event's `sni`",
            remedy: "have the remote ask for the name in `advertise` (SNI), or have the listener's `identity` carry that name",
        /// no path leads from the certificate to an anchor of the peer
        UnknownIssuer "unknown_issuer" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "explain names the missing issuer; openssl s_client -showcerts -connect HOST:PORT shows what is sent",
            remedy: "add the issuing CA to the peer's trust, or have the remote send its intermediates",
        /// the certificate is self-signed and not an anchor of the peer
        SelfSigned "self_signed" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "openssl x509 -in CERTIFICATE -noout -subject -issuer: both are the same",
            remedy: "have the certificate issued by a CA of the peer's trust",
        /// the trust set that would vouch is not active yet (its not_before)
        TrustNotYetActive "trust_not_yet_active" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "sipward check FILE shows when each entry is active; timedatectl for the clock",
            remedy: "wait, or move the not_before of the [[trust]]",
        /// the trust set that would vouch is no longer active (its not_after)
        TrustNoLongerActive "trust_no_longer_active" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "sipward check FILE shows when each entry is active; timedatectl for the clock",
            remedy: "have the certificate issued by a CA that is still trusted, or move the not_after of the [[trust]]",
        /// a trust set that the peer does not name would have vouched for the certificate
        AnchorNotForPeer "anchor_not_for_peer" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "`trust` of the [[peer]], and the set that the detail names",
            remedy: "if that CA may vouch for this name, add its trust set to the peer; otherwise it is an attack or a mistake",
        /// the path to the anchor breaks a rule of X.509 that has no code of its own
        PathInvalid "path_invalid" (rfc "RFC 5280 §6.1", alert BadCertificate)
            check: "openssl verify -x509_strict -CAfile ANCHORS -untrusted CHAIN CHAIN; the detail names the rule",
            remedy: "see the detail, and have the certificate or its CA's reissued",
        /// checking the certificates takes more signatures, paths and name comparisons than one decision may
        /// use
        PathTooComplex "path_too_complex" (rfc "RFC 5280 §6.1", alert BadCertificate)
            check: "openssl s_client -showcerts -connect HOST:PORT counts what is sent; cross-certificates multiply the paths",
            remedy: "have the remote send its leaf and the intermediates above it only",
        /// a certificate on the path is X.509 v1 or v2, which cannot carry names, purposes or basic
        /// constraints
        CertificateVersion "certificate_version" (rfc "RFC 5280 §4.1.2.1", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text: Version of each certificate",
            remedy: "have the certificate issued as X.509 v3; openssl x509 -req writes v1 unless it is given extensions",
        /// a CA certificate is used as a leaf (openssl req -x509 makes one with CA:TRUE), or a leaf as a CA
        AuthorityMisuse "authority_misuse" (rfc "RFC 5280 §4.2.1.9", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -subject -issuer -ext basicConstraints,keyUsage of each certificate of the chain",
            remedy: "have a CA issue it as an end entity; make a self-signed one with -addext basicConstraints=critical,CA:FALSE and name it in the anchors of the peer's trust",
        /// there are more CAs below a CA of the path than its pathLenConstraint permits
        PathLength "path_length" (rfc "RFC 5280 §4.2.1.9", alert BadCertificate)
            check: "openssl x509 -in CA -noout -ext basicConstraints of each CA: pathlen is the number of CAs that may follow",
            remedy: "use a CA that is closer to the root, or have the CA's certificate reissued",
        /// a certificate holds a critical extension that is not understood
        UnknownCriticalExtension "unknown_critical_extension" (rfc "RFC 5280 §4.2", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text: extensions marked critical",
            remedy: "have the certificate issued without that extension",
        /// a certificate is signed with an algorithm that is not accepted, such as SHA-1
        UnsupportedSignature "unsupported_signature" (rfc "RFC 9325 §4.5", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text: Signature Algorithm of each certificate",
            remedy: "have the certificate issued with SHA-256 or better",
        /// a certificate holds an RSA key of less than 2048 bits
        WeakKey "weak_key" (rfc "RFC 9325 §4.5", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text: Public-Key of each certificate",
            remedy: "have the certificate issued for a P-256 key or an RSA key of 2048 bits or more",
        /// no signature scheme that sipward supports in TLS can use the certificate's kind of key
        KeyUnusable "key_unusable" (rfc "RFC 8446 §4.2.3", alert BadCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -text: Public Key Algorithm and Public-Key",
            remedy: "have the certificate issued for a P-256, P-384, P-521, Ed25519 or rsaEncryption key of 2048 to 8192 bits",
        /// a certificate names an issuer whose key did not sign it
        BadSignature "bad_signature" (rfc "RFC 5280 §6.1.3", alert UnknownCA)
            check: "openssl verify -CAfile ANCHORS -untrusted CHAIN CHAIN; compare the key identifiers of issuer and anchor",
            remedy: "if the CA changed its key, renew the anchor; otherwise the certificate is forged",
        /// a CA on the path may not issue for a name in the certificate
        NameConstraintViolated "name_constraint_violated" (rfc "RFC 5280 §4.2.1.10", alert BadCertificate)
            check: "openssl x509 -in CA -noout -ext nameConstraints against the names of the certificate",
            remedy: "have the certificate issued by a CA whose name constraints permit its names",
        /// clients must show a certificate here, and no trust set of `client_trust` vouches for this one
        ClientCertificateUntrusted "client_certificate_untrusted" (rfc "RFC 5280 §6.1", alert UnknownCA)
            check: "the event's `subjects` and `detail` against the anchors of the sets in client_trust; explain shows each",
            remedy: "issue the client a certificate from a CA in client_trust, or add its CA there; for a server, add a [[peer]]",
        /// a certificate on the path is past its notAfter
        Expired "expired" (rfc "RFC 5280 §4.1.2.5", alert CertificateExpired)
            check: "openssl x509 -in CERTIFICATE -noout -enddate of each certificate; timedatectl for the clock",
            remedy: "renew the certificate; if it is current, check this machine's clock",
        /// a certificate on the path is before its notBefore
        NotYetValid "not_yet_valid" (rfc "RFC 5280 §4.1.2.5", alert CertificateExpired)
            check: "openssl x509 -in CERTIFICATE -noout -startdate of each certificate; timedatectl for the clock",
            remedy: "check the clocks of this machine and of the CA",
        /// no CRL in force covers a certificate on the path
        CrlMissing "crl_missing" (rfc "RFC 5280 §6.3", alert UnknownCA)
            check: "explain names the issuer without a CRL; sipward crls lists those that are held",
            remedy: "add the CRL of that issuer to the trust set, or set revocation = \"off\" or scope = \"leaf\"",
        /// the CRL of that issuer has a thisUpdate more than five minutes ahead of this machine's clock
        CrlFromFuture "crl_from_future" (rfc "RFC 5280 §5.1.2.4", alert UnknownCA)
            check: "openssl crl -in CRL -noout -lastupdate; timedatectl for the clock",
            remedy: "check the clocks of this machine and of the CA",
        /// the CRL of that issuer is signed with an algorithm that is not accepted, such as SHA-1
        CrlUnsupportedSignature "crl_unsupported_signature" (rfc "RFC 9325 §4.5", alert UnknownCA)
            check: "openssl crl -in CRL -noout -text: Signature Algorithm",
            remedy: "have the CA sign its CRLs with SHA-256 or better, or set revocation = \"off\"",
        /// the CRL has the issuer's name but was not signed with the issuer's key
        CrlBadSignature "crl_bad_signature" (rfc "RFC 5280 §6.3.3", alert UnknownCA)
            check: "openssl crl -in CRL -CAfile CA -noout: verify OK or not",
            remedy: "add the CRL that this key has signed: a CA that changed its key has one for each; or fetch the CRL again, since another CA of the same name may have made this one",
        /// the CRL's issuer has a keyUsage that does not permit it to sign CRLs
        CrlSignerUnfit "crl_signer_unfit" (rfc "RFC 5280 §6.3.3", alert UnknownCA)
            check: "openssl x509 -in CA -noout -ext keyUsage: CRL Sign is missing",
            remedy: "have the CA's certificate reissued with cRLSign, or change `scope` or `revocation`",
        /// the CRL that covers a certificate on the path is past its nextUpdate and any grace
        CrlStale "crl_stale" (rfc "RFC 5280 §5.1.2.5", alert UnknownCA)
            check: "openssl crl -in CRL -noout -lastupdate -nextupdate",
            remedy: "fetch the current CRL and reload; a grace period bridges an outage of the CA",
        /// the stapled OCSP response cannot be parsed or is not a successful one
        OcspMalformed "ocsp_malformed" (rfc "RFC 6960 §4.2.1", alert BadCertificateStatusResponse)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "have the remote staple a basic response of its CA's responder, or none",
        /// the stapled OCSP response is about another certificate
        OcspWrongCertificate "ocsp_wrong_certificate" (rfc "RFC 6960 §4.1.1", alert BadCertificateStatusResponse)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "have the remote staple the response about the certificate that it shows",
        /// the stapled OCSP response was signed neither by the certificate's issuer nor by a responder that
        /// the issuer certified
        OcspBadSignature "ocsp_bad_signature" (rfc "RFC 6960 §4.2.2.2", alert BadCertificateStatusResponse)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "have the CA's responder sign with the issuer's key, or with a certificate of the issuer that has OCSPSigning",
        /// the stapled OCSP response has expired, has no nextUpdate, or is from the future
        OcspStale "ocsp_stale" (rfc "RFC 6960 §3.2", alert BadCertificateStatusResponse)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "have the remote fetch a current response, or staple none; check the clocks",
        /// the stapled OCSP response does not know the certificate
        OcspUnknown "ocsp_unknown" (rfc "RFC 6960 §2.2", alert BadCertificateStatusResponse)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "ask the CA whether it issued the certificate",
        /// the stapled OCSP response says that the certificate is revoked
        OcspRevoked "ocsp_revoked" (rfc "RFC 6960 §2.2", alert CertificateRevoked)
            check: "openssl s_client -status -connect HOST:PORT shows what the server staples",
            remedy: "replace the certificate and its key",
        /// a certificate on the path is listed in its issuer's CRL
        Revoked "revoked" (rfc "RFC 5280 §5.3", alert CertificateRevoked)
            check: "openssl crl -in CRL -noout -text lists the serial number; the CA knows when and why",
            remedy: "replace the certificate and its key",
        /// keyUsage lacks digitalSignature on the leaf or keyCertSign on a CA
        KeyUsageUnsuitable "key_usage_unsuitable" (rfc "RFC 5280 §4.2.1.3", alert UnsupportedCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -ext keyUsage",
            remedy: "have the certificate issued with digitalSignature (a CA's with keyCertSign)",
        /// the extended key usages of the leaf, or of a CA of its path, do not permit this use
        EkuUnsuitable "eku_unsuitable" (rfc "RFC 5280 §4.2.1.12", alert UnsupportedCertificate)
            check: "openssl x509 -in CERTIFICATE -noout -ext extendedKeyUsage of leaf and issuers; `purpose` of the [[peer]]",
            remedy: "have the certificate issued with serverAuth (and clientAuth for strict peers) by a CA that may issue for these purposes",
        /// the chain is valid, but none of its keys is among the peer's pins
        PinMismatch "pin_mismatch" (rfc "RFC 7469 §2.6", alert AccessDenied)
            check: "openssl x509 -in CERTIFICATE -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64",
            remedy: "if the partner confirms that it changed its key, add the new pin; otherwise it is an attack or a mistake",
        /// the certificate has nothing to do with the topology: it is ignored, and the connection is a
        /// client's
        ClientCertificateIgnored "client_certificate_ignored" (rfc "RFC 8446 §4.4.2")
            check: "the event's `subjects`: whose certificate it is; client_certificates of the [[listener]]",
            remedy: "nothing, if it is a phone with its maker's certificate; for a server, add a [[peer]]; to keep such certificates out, set client_certificates = \"refuse\" at the listener",
        /// a trust set of the listener's client_trust vouches for the certificate: the connection is a
        /// client's, and nothing more
        ClientCertificateTrusted "client_certificate_trusted" (rfc "RFC 8446 §4.4.2")
            check: "sipward explain shows the path and the anchor",
            remedy: "nothing",
        /// the chain is valid and identifies the peer
        Accepted "accepted" (rfc "RFC 5922 §7")
            check: "sipward explain shows the path and the anchor",
            remedy: "nothing",
    }
}

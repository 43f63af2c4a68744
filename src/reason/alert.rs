//! The TLS alerts that a remote can send (RFC 8446 §6).
use super::ConnectionReason;

reasons! {
    /// What a TLS alert from the remote means.
    pub enum AlertReason of Alert (check "", remedy "") {
        /// the remote received a TLS message that is out of order
        UnexpectedMessage "alert_unexpected_message" (rfc "RFC 8446 §6")
            check: "the remote's log at that time; whether a middlebox takes part in TLS",
            remedy: "remove what intercepts TLS from the path; otherwise report it to the maker of the remote's software with a trace",
        /// the remote could not decrypt what was sent
        BadRecordMac "alert_bad_record_mac" (rfc "RFC 8446 §6")
            check: "a trace on both sides: whether the bytes arrive as they were sent",
            remedy: "fix or remove what changes them: a middlebox, or a network card with broken offloading",
        /// the remote received a TLS record that is too long
        RecordOverflow "alert_record_overflow" (rfc "RFC 8446 §6")
            check: "the remote's log; whether that port speaks TLS at all",
            remedy: "correct the peer's `address`, or remove what changes the stream from the path",
        /// the remote accepts nothing that was offered: version, cipher, group or certificate
        HandshakeFailure "alert_handshake_failure" (rfc "RFC 8446 §6")
            check: "openssl s_client -connect HOST:PORT -cert CHAIN -key KEY with the files of the identity; the remote's log names what it is",
            remedy: "have the remote allow TLS 1.2 or 1.3 with ECDHE and AES-GCM, or trust the CA of the local certificate: some programs refuse certificates with this alert",
        /// the remote has no certificate
        NoCertificate "alert_no_certificate" (rfc "RFC 8446 §6")
            check: "whether a certificate is configured at the remote",
            remedy: "configure a certificate at the remote",
        /// the remote cannot use the local certificate: it is malformed, or its signature does not verify
        BadCertificate "alert_bad_certificate" (rfc "RFC 8446 §6")
            check: "openssl verify -untrusted CHAIN CHAIN with the remote's anchors; `shown_subjects` of the event: whether the intermediates were sent",
            remedy: "put the leaf and then its intermediates into the identity's `certificate`; some programs send this alert for a name that they do not know",
        /// the remote does not accept the kind or the purpose of the local certificate
        UnsupportedCertificate "alert_unsupported_certificate" (rfc "RFC 8446 §6")
            check: "openssl x509 -in CHAIN -noout -text: Extended Key Usage and the kind of key; towards a peer that is dialled, the certificate is a TLS client's",
            remedy: "have the identity's certificate reissued with serverAuth and clientAuth, or have the remote accept serverAuth",
        /// the remote says that the local certificate is revoked
        CertificateRevoked "alert_certificate_revoked" (rfc "RFC 8446 §6")
            check: "openssl crl -in CRL -noout -text of the CA against the serial number of the certificate that was shown",
            remedy: "install a new certificate and key for the identity, and reload",
        /// the local certificate is not valid now, by the remote's clock
        CertificateExpired "alert_certificate_expired" (rfc "RFC 8446 §6")
            check: "openssl x509 -in CHAIN -noout -dates for each certificate that was shown; the clocks of both sides",
            remedy: "renew the identity's certificate and reload, or set the remote's clock",
        /// the remote does not accept the local certificate, and does not say why
        CertificateUnknown "alert_certificate_unknown" (rfc "RFC 8446 §6")
            check: "the remote's log; its anchors and its list of permitted names against `shown_subjects` of the event",
            remedy: "have the remote trust the CA of the local certificate and permit its name",
        /// the remote received a value that is out of range
        IllegalParameter "alert_illegal_parameter" (rfc "RFC 8446 §6")
            check: "the remote's log; openssl s_client -connect HOST:PORT for comparison",
            remedy: "update the remote's TLS library; report it with a trace if the library is current",
        /// the remote does not trust the CA that issued the local certificate
        UnknownCa "alert_unknown_ca" (rfc "RFC 8446 §6")
            check: "`shown_subjects` of the event: whether the chain ends below one of the remote's anchors, and no intermediate is missing",
            remedy: "put the intermediates into the identity's `certificate`, or have the remote add the CA to its anchors",
        /// the local certificate is valid, but the remote does not permit its names
        AccessDenied "alert_access_denied" (rfc "RFC 8446 §6")
            check: "the remote's list of permitted names against subjectAltName of the certificate that was shown",
            remedy: "have the remote list this node's FQDN, or show the certificate that it knows: `identity` of the [[peer]]",
        /// the remote could not decode what was sent
        DecodeError "alert_decode_error" (rfc "RFC 8446 §6")
            check: "the remote's log; whether a middlebox takes part in TLS",
            remedy: "update the remote's TLS library, or remove what intercepts TLS from the path",
        /// a signature or a Finished of the handshake does not verify at the remote
        DecryptError "alert_decrypt_error" (rfc "RFC 8446 §6")
            check: "whether a middlebox takes part in TLS; which signature schemes the remote's library supports",
            remedy: "remove what intercepts TLS from the path, or update the remote's TLS library",
        /// the remote accepts none of the TLS versions that were offered
        ProtocolVersion "alert_protocol_version" (rfc "RFC 8446 §6")
            check: "openssl s_client -connect HOST:PORT -tls1_2, then -tls1_3",
            remedy: "have the remote support TLS 1.2 or 1.3",
        /// the remote requires stronger ciphers than were offered
        InsufficientSecurity "alert_insufficient_security" (rfc "RFC 8446 §6")
            check: "openssl s_client -connect HOST:PORT -cipher ALL; the remote's policy for ciphers and key lengths",
            remedy: "have the remote allow ECDHE with AES-GCM or ChaCha20-Poly1305, or give the identity a stronger key",
        /// the remote has an internal error
        InternalError "alert_internal_error" (rfc "RFC 8446 §6")
            check: "the remote's log at that time",
            remedy: "fix the remote; some programs send this alert when they cannot read their own certificate or key",
        /// the remote takes the handshake for a downgrade
        InappropriateFallback "alert_inappropriate_fallback" (rfc "RFC 8446 §6")
            check: "whether a middlebox rewrites the first flight: sipward never falls back to an older version",
            remedy: "remove what intercepts TLS from the path",
        /// the remote cancelled the handshake
        UserCanceled "alert_user_canceled" (rfc "RFC 8446 §6")
            check: "the remote's log at that time",
            remedy: "nothing, if it does not happen again",
        /// the remote does not renegotiate
        NoRenegotiation "alert_no_renegotiation" (rfc "RFC 8446 §6")
            check: "the remote's log: sipward never asks for renegotiation",
            remedy: "remove what intercepts TLS from the path",
        /// the remote misses a TLS extension
        MissingExtension "alert_missing_extension" (rfc "RFC 8446 §6")
            check: "a trace: whether the first flight arrives as it was sent, SNI included",
            remedy: "remove what intercepts TLS from the path, or update the remote's TLS library",
        /// the remote received a TLS extension that it had not asked for
        UnsupportedExtension "alert_unsupported_extension" (rfc "RFC 8446 §6")
            check: "a trace: whether the first flights arrive as they were sent",
            remedy: "remove what intercepts TLS from the path, or update the remote's TLS library",
        /// the remote does not know the name that it was asked for (SNI)
        UnrecognisedName "alert_unrecognised_name" (rfc "RFC 8446 §6")
            check: "openssl s_client -connect HOST:PORT -servername FQDN with the fqdn of the [[peer]]",
            remedy: "have the remote serve that name, or correct the peer's fqdn or `address`",
        /// the remote does not accept the stapled OCSP response
        BadCertificateStatusResponse "alert_bad_certificate_status_response" (rfc "RFC 8446 §6")
            check: "openssl s_client -status -connect EDGE:PORT shows what is stapled; the remote's policy for stapling",
            remedy: "have the remote accept the certificate without a stapled response, and check the CRL instead",
        /// the remote does not know the session that was offered for resumption
        UnknownPskIdentity "alert_unknown_psk_identity" (rfc "RFC 8446 §6")
            check: "the remote's log: sipward resumes no session with peers",
            remedy: "remove what intercepts TLS from the path",
        /// the remote requires a certificate and received none
        CertificateRequired "alert_certificate_required" (rfc "RFC 8446 §6")
            check: "whether the identity of the [[peer]] has a certificate from a CA that the remote names",
            remedy: "give the peer an `identity` whose certificate comes from a CA that the remote names",
        /// the remote supports none of the application protocols that were offered (ALPN)
        NoApplicationProtocol "alert_no_application_protocol" (rfc "RFC 8446 §6")
            check: "openssl s_client -connect HOST:PORT without -alpn, as sipward connects: whether that is refused as well",
            remedy: "have the remote accept connections without ALPN; if it is not a SIP server, correct the peer's `address`",
        /// the remote sent an alert that has no code of its own
        Other "alert_other" (rfc "RFC 8446 §6")
            check: "`alert` of the event against the registry of TLS alerts (IANA); the remote's log at that time",
            remedy: "fix what the remote's log names",
    }
    shared {
        CloseNotify = ConnectionReason::CloseNotify,
    }
}

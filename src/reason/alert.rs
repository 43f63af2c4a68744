//! The TLS alerts that a remote can send (RFC 8446 §6).
use super::ConnectionReason;

reasons! {
    /// What a TLS alert from the remote means.
    pub enum AlertReason of Alert {
        UnexpectedMessage "alert_unexpected_message" {
            what: "they got a message that does not belong there",
            check: "their log at that time; whether something between the two takes part in TLS",
            remedy: "take what inspects TLS out of the path; otherwise report it to the maker of their program with a trace",
            rfc: "RFC 8446 §6",
        }
        BadRecordMac "alert_bad_record_mac" {
            what: "they could not decrypt what we sent",
            check: "a trace on both sides: whether the octets arrive as they were sent",
            remedy: "mend or remove what changes them: a middlebox, a network card with broken offloading",
            rfc: "RFC 8446 §6",
        }
        RecordOverflow "alert_record_overflow" {
            what: "they got a record that is too long",
            check: "their log; whether the other end of the port speaks TLS at all",
            remedy: "correct the peer's `address`, or take what changes the stream out of the path",
            rfc: "RFC 8446 §6",
        }
        HandshakeFailure "alert_handshake_failure" {
            what: "they accept nothing that we offer: version, cipher, group, or our certificate",
            check: "openssl s_client -connect HOST:PORT -cert CHAIN -key KEY with the identity's files; their log tells which it is",
            remedy: "let their side allow TLS 1.2 or 1.3 with ECDHE and AES-GCM, or trust our CA: some programs refuse certificates so",
            rfc: "RFC 8446 §6",
        }
        NoCertificate "alert_no_certificate" {
            what: "they have no certificate",
            check: "whether a certificate is configured on their side",
            remedy: "give their program a certificate",
            rfc: "RFC 8446 §6",
        }
        BadCertificate "alert_bad_certificate" {
            what: "they cannot use our certificate: malformed, or its signature does not hold",
            check: "openssl verify -untrusted CHAIN CHAIN with their anchors; `shown_subjects` of the event: whether the intermediates were in it",
            remedy: "put leaf and intermediates, in this order, into the identity's `certificate`; some programs mean by it a name that they do not know",
            rfc: "RFC 8446 §6",
        }
        UnsupportedCertificate "alert_unsupported_certificate" {
            what: "our certificate is of a kind or for a purpose that they do not accept",
            check: "openssl x509 -in CHAIN -noout -text: Extended Key Usage and the kind of key; towards them we are a TLS client",
            remedy: "have the identity's certificate issued with serverAuth and clientAuth, or let them accept serverAuth",
            rfc: "RFC 8446 §6",
        }
        CertificateRevoked "alert_certificate_revoked" {
            what: "our certificate is revoked, they say",
            check: "openssl crl -in CRL -noout -text of the CA against the serial number of the certificate that we showed",
            remedy: "install a new certificate and key in the identity, and reload",
            rfc: "RFC 8446 §6",
        }
        CertificateExpired "alert_certificate_expired" {
            what: "our certificate is not valid now, by their clock",
            check: "openssl x509 -in CHAIN -noout -dates for each certificate that we showed; the clocks of both sides",
            remedy: "renew the identity's certificate and reload, or set their clock",
            rfc: "RFC 8446 §6",
        }
        CertificateUnknown "alert_certificate_unknown" {
            what: "they do not accept our certificate, and do not say why",
            check: "their log; their anchors and list of permitted names against the event's `shown_subjects`",
            remedy: "let them trust the CA of our certificate and permit its name",
            rfc: "RFC 8446 §6",
        }
        IllegalParameter "alert_illegal_parameter" {
            what: "they got a value that is out of range",
            check: "their log; openssl s_client -connect HOST:PORT for comparison",
            remedy: "update their TLS library; report it with a trace if it is current",
            rfc: "RFC 8446 §6",
        }
        UnknownCa "alert_unknown_ca" {
            what: "they do not trust the CA that issued our certificate",
            check: "the event's `shown_subjects`: whether it ends below a CA among their anchors, and no intermediate is missing",
            remedy: "put the intermediates into the identity's `certificate`, or let them add our CA to their anchors",
            rfc: "RFC 8446 §6",
        }
        AccessDenied "alert_access_denied" {
            what: "our certificate is good, but they do not let its names in",
            check: "their list of permitted names against subjectAltName of the certificate that we showed",
            remedy: "let them list our FQDN, or show them the identity that they know: `identity` of the [[peer]]",
            rfc: "RFC 8446 §6",
        }
        DecodeError "alert_decode_error" {
            what: "they could not decode what we sent",
            check: "their log; whether something between the two takes part in TLS",
            remedy: "update their TLS library, or take what inspects TLS out of the path",
            rfc: "RFC 8446 §6",
        }
        DecryptError "alert_decrypt_error" {
            what: "a signature or a Finished of ours does not verify for them",
            check: "whether something between the two takes part in TLS; which signature schemes their library knows",
            remedy: "take what inspects TLS out of the path; update their TLS library",
            rfc: "RFC 8446 §6",
        }
        ProtocolVersion "alert_protocol_version" {
            what: "they accept none of the TLS versions that we offer",
            check: "openssl s_client -connect HOST:PORT -tls1_2, then -tls1_3",
            remedy: "let their side speak TLS 1.2 or 1.3",
            rfc: "RFC 8446 §6",
        }
        InsufficientSecurity "alert_insufficient_security" {
            what: "they ask for stronger ciphers than we offer",
            check: "openssl s_client -connect HOST:PORT -cipher ALL; their policy of ciphers and key lengths",
            remedy: "let them allow ECDHE with AES-GCM or ChaCha20-Poly1305, or give the identity a stronger key",
            rfc: "RFC 8446 §6",
        }
        InternalError "alert_internal_error" {
            what: "something is broken on their side",
            check: "their log at that time",
            remedy: "mend their side; some programs say so when their own certificate or key cannot be read",
            rfc: "RFC 8446 §6",
        }
        InappropriateFallback "alert_inappropriate_fallback" {
            what: "they take our attempt for a downgrade",
            check: "whether something between the two rewrites the first flight: we never fall back",
            remedy: "take what inspects TLS out of the path",
            rfc: "RFC 8446 §6",
        }
        UserCanceled "alert_user_canceled" {
            what: "they gave the handshake up",
            check: "their log at that time",
            remedy: "nothing, if it does not repeat",
            rfc: "RFC 8446 §6",
        }
        NoRenegotiation "alert_no_renegotiation" {
            what: "they do not negotiate anew",
            check: "their log: we never ask for it",
            remedy: "take what inspects TLS out of the path",
            rfc: "RFC 8446 §6",
        }
        MissingExtension "alert_missing_extension" {
            what: "they miss an extension",
            check: "a trace: whether the first flight arrives as it was sent, SNI included",
            remedy: "take what inspects TLS out of the path; update their TLS library",
            rfc: "RFC 8446 §6",
        }
        UnsupportedExtension "alert_unsupported_extension" {
            what: "they got an extension that they had not asked for",
            check: "a trace: whether the first flights arrive as they were sent",
            remedy: "take what inspects TLS out of the path; update their TLS library",
            rfc: "RFC 8446 §6",
        }
        UnrecognisedName "alert_unrecognised_name" {
            what: "they do not know the name that we asked for (SNI)",
            check: "openssl s_client -connect HOST:PORT -servername FQDN with the fqdn of the [[peer]]",
            remedy: "let their server serve that name, or correct the peer's fqdn or `address`",
            rfc: "RFC 8446 §6",
        }
        BadCertificateStatusResponse "alert_bad_certificate_status_response" {
            what: "they do not accept our OCSP response",
            check: "openssl s_client -status -connect EDGE:PORT shows what we staple, if anything; their policy of stapling",
            remedy: "let them accept our certificate without a stapled response, and check its CRL instead",
            rfc: "RFC 8446 §6",
        }
        UnknownPskIdentity "alert_unknown_psk_identity" {
            what: "they do not know the key that was offered",
            check: "their log: we resume no session with peers",
            remedy: "take what inspects TLS out of the path",
            rfc: "RFC 8446 §6",
        }
        CertificateRequired "alert_certificate_required" {
            what: "they want a certificate and got none",
            check: "whether the identity of the [[peer]] has a certificate that their list of CAs permits",
            remedy: "give the peer an `identity` whose certificate comes from a CA that they name",
            rfc: "RFC 8446 §6",
        }
        NoApplicationProtocol "alert_no_application_protocol" {
            what: "they speak none of the protocols that were offered (ALPN)",
            check: "openssl s_client -connect HOST:PORT without -alpn, as we connect: whether they refuse that as well",
            remedy: "let their server take connections without ALPN; if it is no SIP server, correct the peer's `address`",
            rfc: "RFC 8446 §6",
        }
        Other "alert_other" {
            what: "they sent an alert that has no name here",
            check: "the event's `alert` against the registry of TLS alerts (IANA); their log at that time",
            remedy: "what their log says",
            rfc: "RFC 8446 §6",
        }
    }
    shared {
        CloseNotify = ConnectionReason::CloseNotify,
    }
}

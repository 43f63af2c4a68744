//! The alerts of TLS (RFC 8446 §6) in words: a stable code, the number on the wire, what the other side means by it, how
//! to check that and what to do.
use rustls::AlertDescription;

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The stable code; every one but `close_notify` begins with `alert_`.
    pub code: &'static str,
    /// The number on the wire.
    pub number: u8,
    /// What it says about us, as a rule: programs differ in their choice.
    pub meaning: &'static str,
    /// How to see whether that is it.
    pub check: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! alerts {
    ($($number:literal, $code:literal, $meaning:literal, $check:literal, $remedy:literal;)+) => {
        /// Every alert that has a name.
        pub static ALERTS: &[Alert] = &[$(Alert {
            code: $code,
            number: $number,
            meaning: $meaning,
            check: $check,
            remedy: $remedy,
        }),+];
    };
}

alerts! {
    0, "close_notify",
        "they have nothing more to say",
        "nothing to check",
        "nothing";
    10, "alert_unexpected_message",
        "they got a message that does not belong there",
        "their log at that time; whether something between the two takes part in TLS",
        "take what inspects TLS out of the path; otherwise report it to the maker of their program with a trace";
    20, "alert_bad_record_mac",
        "they could not decrypt what we sent",
        "a trace on both sides: whether the octets arrive as they were sent",
        "mend or remove what changes them: a middlebox, a network card with broken offloading";
    22, "alert_record_overflow",
        "they got a record that is too long",
        "their log; whether the other end of the port speaks TLS at all",
        "correct the peer's `address`, or take what changes the stream out of the path";
    40, "alert_handshake_failure",
        "they accept nothing that we offer: version, cipher, group, or our certificate",
        "openssl s_client -connect HOST:PORT -cert CHAIN -key KEY with the identity's files; their log tells which it is",
        "let their side allow TLS 1.2 or 1.3 with ECDHE and AES-GCM, or trust our CA: some programs refuse certificates so";
    41, "alert_no_certificate",
        "they have no certificate",
        "whether a certificate is configured on their side",
        "give their program a certificate";
    42, "alert_bad_certificate",
        "they cannot use our certificate: malformed, or its signature does not hold",
        "openssl verify -untrusted CHAIN CHAIN with their anchors; `shown_subjects` of the event: whether the intermediates were in it",
        "put leaf and intermediates, in this order, into the identity's `certificate`; some programs mean by it a name that they do not know";
    43, "alert_unsupported_certificate",
        "our certificate is of a kind or for a purpose that they do not accept",
        "openssl x509 -in CHAIN -noout -text: Extended Key Usage and the kind of key; towards them we are a TLS client",
        "have the identity's certificate issued with serverAuth and clientAuth, or let them accept serverAuth";
    44, "alert_certificate_revoked",
        "our certificate is revoked, they say",
        "openssl crl -in CRL -noout -text of the CA against the serial number of the certificate that we showed",
        "install a new certificate and key in the identity, and reload";
    45, "alert_certificate_expired",
        "our certificate is not valid now, by their clock",
        "openssl x509 -in CHAIN -noout -dates for each certificate that we showed; the clocks of both sides",
        "renew the identity's certificate and reload, or set their clock";
    46, "alert_certificate_unknown",
        "they do not accept our certificate, and do not say why",
        "their log; their anchors and list of permitted names against the event's `shown_subjects`",
        "let them trust the CA of our certificate and permit its name";
    47, "alert_illegal_parameter",
        "they got a value that is out of range",
        "their log; openssl s_client -connect HOST:PORT for comparison",
        "update their TLS library; report it with a trace if it is current";
    48, "alert_unknown_ca",
        "they do not trust the CA that issued our certificate",
        "the event's `shown_subjects`: whether it ends below a CA among their anchors, and no intermediate is missing",
        "put the intermediates into the identity's `certificate`, or let them add our CA to their anchors";
    49, "alert_access_denied",
        "our certificate is good, but they do not let its names in",
        "their list of permitted names against subjectAltName of the certificate that we showed",
        "let them list our FQDN, or show them the identity that they know: `identity` of the [[peer]]";
    50, "alert_decode_error",
        "they could not decode what we sent",
        "their log; whether something between the two takes part in TLS",
        "update their TLS library, or take what inspects TLS out of the path";
    51, "alert_decrypt_error",
        "a signature or a Finished of ours does not verify for them",
        "whether something between the two takes part in TLS; which signature schemes their library knows",
        "take what inspects TLS out of the path; update their TLS library";
    70, "alert_protocol_version",
        "they accept none of the TLS versions that we offer",
        "openssl s_client -connect HOST:PORT -tls1_2, then -tls1_3",
        "let their side speak TLS 1.2 or 1.3";
    71, "alert_insufficient_security",
        "they ask for stronger ciphers than we offer",
        "openssl s_client -connect HOST:PORT -cipher ALL; their policy of ciphers and key lengths",
        "let them allow ECDHE with AES-GCM or ChaCha20-Poly1305, or give the identity a stronger key";
    80, "alert_internal_error",
        "something is broken on their side",
        "their log at that time",
        "mend their side; some programs say so when their own certificate or key cannot be read";
    86, "alert_inappropriate_fallback",
        "they take our attempt for a downgrade",
        "whether something between the two rewrites the first flight: we never fall back",
        "take what inspects TLS out of the path";
    90, "alert_user_canceled",
        "they gave the handshake up",
        "their log at that time",
        "nothing, if it does not repeat";
    100, "alert_no_renegotiation",
        "they do not negotiate anew",
        "their log: we never ask for it",
        "take what inspects TLS out of the path";
    109, "alert_missing_extension",
        "they miss an extension",
        "a trace: whether the first flight arrives as it was sent, SNI included",
        "take what inspects TLS out of the path; update their TLS library";
    110, "alert_unsupported_extension",
        "they got an extension that they had not asked for",
        "a trace: whether the first flights arrive as they were sent",
        "take what inspects TLS out of the path; update their TLS library";
    112, "alert_unrecognised_name",
        "they do not know the name that we asked for (SNI)",
        "openssl s_client -connect HOST:PORT -servername FQDN with the fqdn of the [[peer]]",
        "let their server serve that name, or correct the peer's fqdn or `address`";
    113, "alert_bad_certificate_status_response",
        "they do not accept our OCSP response",
        "openssl s_client -status -connect EDGE:PORT shows what we staple, if anything; their policy of stapling",
        "let them accept our certificate without a stapled response, and check its CRL instead";
    115, "alert_unknown_psk_identity",
        "they do not know the key that was offered",
        "their log: we resume no session with peers",
        "take what inspects TLS out of the path";
    116, "alert_certificate_required",
        "they want a certificate and got none",
        "whether the identity of the [[peer]] has a certificate that their list of CAs permits",
        "give the peer an `identity` whose certificate comes from a CA that they name";
    120, "alert_no_application_protocol",
        "they speak none of the protocols that were offered (ALPN)",
        "openssl s_client -connect HOST:PORT without -alpn, as we connect: whether they refuse that as well",
        "let their server take connections without ALPN; if it is no SIP server, correct the peer's `address`";
}

/// An alert without a name here.
pub static OTHER: Alert = Alert {
    code: "alert_other",
    number: 0,
    meaning: "they sent an alert that has no name here",
    check: "the event's `alert` against the registry of TLS alerts (IANA); their log at that time",
    remedy: "what their log says",
};

/// What an alert says.
pub(super) fn alert(description: AlertDescription) -> Alert {
    let number = u8::from(description);
    let known = ALERTS.iter().find(|alert| alert.number == number);
    known.copied().unwrap_or(Alert { number, ..OTHER })
}

/// The alert of a code.
pub fn by_code(code: &str) -> Option<Alert> {
    ALERTS
        .iter()
        .chain([&OTHER])
        .copied()
        .find(|a| a.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_numbers_are_unique_and_every_alert_of_ours_has_a_name() {
        let codes: HashSet<_> = ALERTS.iter().map(|a| a.code).collect();
        let numbers: HashSet<_> = ALERTS.iter().map(|a| a.number).collect();
        assert_eq!((codes.len(), numbers.len()), (ALERTS.len(), ALERTS.len()));
        for told in ALERTS.iter().filter(|told| told.code != "close_notify") {
            assert!(told.code.starts_with("alert_"), "{}", told.code);
        }
        for reason in crate::trust::Reason::ALL {
            if let Some(sent) = reason.alert() {
                assert_ne!(alert(sent).code, OTHER.code, "{reason}");
            }
        }
        assert_eq!(alert(AlertDescription::UnknownCA).code, "alert_unknown_ca");
        assert_eq!(alert(AlertDescription::Unknown(200)).number, 200);
    }
}
